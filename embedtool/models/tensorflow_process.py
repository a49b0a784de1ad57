"""The process that loads TensorFlow for a job, so that this one need not."""

import json
import os
import sys
from typing import Any

from embedtool import errors
from embedtool.errors import ModelUnavailable


def run_job(job: str, **request: Any) -> None:
    """Run a job of embedtool.models.tensorflow_jobs in a child process."""
    import subprocess  # what is compiled already needs none

    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    child = subprocess.run(  # -P: no module of the user's own folder may stand in for a library
        [
            sys.executable,
            "-P",
            "-m",
            "embedtool.models.tensorflow_jobs",
            json.dumps({"job": job, **request}),
        ],
        env=environment,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if child.returncode:
        lines = child.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise ModelUnavailable(
            f"{job} of {request.get('name') or request.get('folder') or request['handle']} failed "
            f"(exit {child.returncode}): {lines[-1]}"
        )
    answer = json.loads(child.stdout.splitlines()[-1])
    if answer:
        raise getattr(errors, answer["kind"])(answer["error"])
