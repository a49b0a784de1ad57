"""What TensorFlow imports, done without a child that loads TensorFlow again."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def jobs_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Do TensorFlow's jobs in this process, which has it; other tests leave them to a child."""
    from embedtool.models import tensorflow_jobs

    def run(job: str, **request: Any) -> None:
        getattr(tensorflow_jobs, job)(**request)

    timeout = socket.getdefaulttimeout()
    for module in ("backbone", "find_model", "imagenet_head"):
        monkeypatch.setattr(f"embedtool.models.{module}.run_job", run)
    yield
    socket.setdefaulttimeout(timeout)
