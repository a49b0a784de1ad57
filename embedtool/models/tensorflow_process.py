"""Run jobs that need TensorFlow in a child process, so that this process need not load it."""

import json
import os
import sys
from typing import Any

from embedtool import errors
from embedtool.errors import ModelUnavailable


def run_job(job: str, **request: Any) -> None:
    """Run a job of embedtool.models.tensorflow_jobs in a child process."""
    import subprocess  # not needed for models that are already compiled

    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    child = subprocess.run(  # -P: a module in the user's folder must not shadow a library
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
