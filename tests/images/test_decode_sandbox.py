"""The process that decodes hostile files: its memory is limited, and it has no network."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.pictures import encoded, picture

from embedtool.errors import ImageRejected
from embedtool.images.decode import decode_image
from embedtool.images.decode_process import DecodeProcesses

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these limits")
TRY = """
import json, socket, threading
from embedtool.images import decode_sandbox
decode_sandbox.MEMORY = 64 << 20
release, results = threading.Event(), []
def attempt(action):
    try:
        action()
        results.append("done")
    except BaseException as error:
        results.append(type(error).__name__)
def late():
    release.wait()
    attempt(lambda: socket.socket())
thread = threading.Thread(target=late)
thread.start()
attempt(lambda: socket.socket().close())
decode_sandbox.restrict_process()
attempt(lambda: socket.socket(socket.AF_UNIX))
attempt(lambda: socket.create_connection(("127.0.0.1", 9)))
attempt(lambda: bytearray(32 << 20))
attempt(lambda: bytearray(128 << 20))
attempt(lambda: open("/dev/null").close())
release.set()
thread.join()
print(json.dumps(results))
"""


def test_no_sockets_and_no_memory_beyond_the_limit_in_any_thread() -> None:
    done = subprocess.run([sys.executable, "-c", TRY], capture_output=True, check=True)
    before, unix, internet, small, large, file, thread = json.loads(done.stdout)
    assert (before, unix, internet) == ("done", "PermissionError", "PermissionError")
    assert (small, large, file, thread) == ("done", "MemoryError", "done", "PermissionError")


def test_the_process_that_decodes_has_these_limits() -> None:
    with closing(DecodeProcesses()) as processes:
        data = encoded(picture(1), "TIFF")
        assert (processes.decode(data, 32) == decode_image(data, 32)).all()
        status = Path(f"/proc/{processes._idle[0]._process.pid}/status").read_text()
        limits = Path(f"/proc/{processes._idle[0]._process.pid}/limits").read_text()
    assert "Seccomp:\t2\n" in status and "NoNewPrivs:\t1\n" in status
    [space] = [line for line in limits.splitlines() if line.startswith("Max address space")]
    assert space.split()[3].isdigit()


def test_a_picture_that_needs_more_memory_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(data: bytes) -> Image.Image:
        return Image.fromarray(np.empty(1 << 50, np.uint8))

    monkeypatch.setattr("embedtool.images.decode.open_image", exhausted)
    with pytest.raises(ImageRejected, match=r"^not enough memory$"):
        decode_image(b"", 32)
