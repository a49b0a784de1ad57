"""Work shared out to threads."""

import subprocess
import sys

SCRIPT = """
import sys
import numpy
from threadpoolctl import threadpool_info
from embedtool.core.threads import single_threaded_blas

def threads():
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

with single_threaded_blas():
    before = threads()
assert "scipy" not in sys.modules
import scipy.linalg
with single_threaded_blas():
    after = threads()
print(before, after)
"""


def test_a_blas_that_is_loaded_later_is_single_threaded_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == "{1} {1}"
