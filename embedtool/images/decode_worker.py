"""Decoding in a process of its own: what crashes, hangs or writes on its stderr does so over there.

The process is `python -P -m embedtool.images.decode_worker`: it says READY, then reads (length,
size, seconds, bytes of a file) again and again, and answers each with (whether it is a picture,
length, pixels or reason).
"""

import faulthandler
import os
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np

from embedtool.core.types import Pixels
from embedtool.errors import EmbedtoolError, ImageRejected
from embedtool.images.decode import decode_image

# The slowest whole pictures within the limits of `decode` took 7 on one core, 13 beside other work.
DECODE_SECONDS = 30
# -P: no module of the user's own folder may stand in for a library.
COMMAND = (sys.executable, "-P", "-m", "embedtool.images.decode_worker")
READY = b"+"
REQUEST = struct.Struct("<QII")
ANSWER = struct.Struct("<?Q")
NOISE = 4096  # bytes of a library's talk that are looked at: its first line says most


class Workers:
    """Decoding processes, kept for the next file. Any thread may call `decode`."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []

    def decode(self, data: bytes, size: int, *, fresh: bool = False) -> Pixels:
        """As `decode_image`, to the last bit. A crash and a timeout are rejects as well.

        fresh: in a process that has decoded nothing before.
        """
        if not fresh:
            try:
                return self._run(self._idle.pop(), data, size)
            except IndexError:  # all are busy
                pass
            except _Crash:  # over this file, or over what an earlier one left in its memory
                pass
        try:
            return self._run(_Worker(), data, size)
        except _Crash as crash:
            raise ImageRejected("decode", str(crash)) from crash

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _run(self, worker: "_Worker", data: bytes, size: int) -> Pixels:
        try:
            picture, answer, noise = worker.ask(data, size)
        except BaseException:
            worker.close()
            raise
        self._idle.append(worker)
        if picture:
            return np.frombuffer(answer, np.uint8).reshape(size, size, 3)
        raise ImageRejected("decode", answer.decode() + (f" ({noise})" if noise else ""))


class _Crash(Exception):
    """The process ended instead of answering; the message says how."""


class _Worker:
    """One process. Raises EmbedtoolError where none can be started."""

    def __init__(self) -> None:
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        # In a session of its own: a Ctrl-C must not end it and look like a crash.
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout
        self._requests, self._answers = self._process.stdin, self._process.stdout
        if self._answers.read(1) != READY:
            code, lines = self._process.wait(), self._talk()
            self.close()
            raise EmbedtoolError(
                f"expected a decoding process to start, it ended (exit {code}): "
                f"{' '.join(lines[-1:])}. Try it by hand: {' '.join(COMMAND)} < {os.devnull}"
            )

    def ask(self, data: bytes, size: int) -> tuple[bool, bytes, str]:
        """(whether it is a picture, its pixels or the reason, what the libraries wrote).

        Raises _Crash, and ImageRejected where no answer comes in time.
        """
        start = time.monotonic()
        try:
            self._requests.write(REQUEST.pack(len(data), size, DECODE_SECONDS))
            self._requests.write(data)
            self._requests.flush()
            picture, length = ANSWER.unpack(self._answers.read(ANSWER.size))
            answer = self._answers.read(length)
        except (BrokenPipeError, struct.error):  # no reader, or no answer
            code = self._process.wait()
            if time.monotonic() - start >= DECODE_SECONDS:
                reason = f"no picture within {DECODE_SECONDS} seconds"
                raise ImageRejected("decode", reason) from None
            how = [f"signal {-code}" if code < 0 else f"exit {code}", *self._talk()[:1]]
            raise _Crash(f"the decoder crashed on it ({': '.join(how)})") from None
        return picture, answer, "".join(self._talk()[:1])

    def _talk(self) -> list[str]:
        """The lines on the process's stderr since the last call, while it is not writing."""
        handle = self._noise.fileno()
        os.lseek(handle, 0, os.SEEK_SET)
        text = os.read(handle, NOISE).decode(errors="replace").strip()
        os.lseek(handle, 0, os.SEEK_SET)  # the process shares this place
        os.ftruncate(handle, 0)
        return text.splitlines()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._noise.close()


def main() -> None:
    """Answer requests until there are no more."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    answers.write(READY)
    answers.flush()
    while head := requests.read(REQUEST.size):
        length, size, seconds = REQUEST.unpack(head)
        data = requests.read(length)
        # Ends the process from a thread of its own, whatever the decoder is at.
        faulthandler.dump_traceback_later(seconds, exit=True)
        try:
            picture, answer = True, decode_image(data, size).tobytes()
        except ImageRejected as reject:
            picture, answer = False, reject.reason.encode(errors="backslashreplace")
        faulthandler.cancel_dump_traceback_later()
        answers.write(ANSWER.pack(picture, len(answer)) + answer)
        answers.flush()


if __name__ == "__main__":
    main()
