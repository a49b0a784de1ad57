"""Decode in worker processes, so that crashes, hangs and output on stderr do no harm.

A worker process runs `embedtool.images.decode_worker`. It writes READY, then reads requests: the
lengths of what follows and a time limit in seconds; a task of `decode` and its arguments, as JSON;
the bytes of a file. It answers each with: whether decoding succeeded, a length, and the result or
the reason for the reject.
"""

import json
import os
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np

from embedtool.core.types import Pixels
from embedtool.errors import EmbedtoolError, ImageRejected

# The slowest complete images within the limits took 7 seconds on one core, 13 under load.
DECODE_SECONDS = 30
# -P: a module in the user's folder must not shadow a library.
COMMAND = (sys.executable, "-P", "-m", "embedtool.images.decode_worker")
READY = b"+"
REQUEST = struct.Struct("<IQI")
ANSWER = struct.Struct("<?Q")
NOISE = 4096  # bytes of a library's output that are read: its first line is usually enough


class DecodeProcesses:
    """A pool of decoding processes. Any thread may call `run` and `decode`."""

    def __init__(self) -> None:
        self._idle: list[_Process] = []

    def decode(self, data: bytes, size: int, *, fresh: bool = False) -> Pixels:
        """Return the same pixels as `decode_image`, bit for bit."""
        pixels = self.run("pixels", data, size, fresh=fresh)
        return np.frombuffer(pixels, np.uint8).reshape(size, size, 3)

    def run(self, task: str, data: bytes, *arguments: int | str, fresh: bool = False) -> bytes:
        """Run a task as `decode.run_task` does. A crash or a timeout raises ImageRejected too.

        fresh: use a process that has decoded nothing before.
        """
        order = json.dumps([task, *arguments]).encode()
        if not fresh:
            try:
                return self._run(self._idle.pop(), order, data)
            except IndexError:  # all are busy
                pass
            except _Crash:  # caused by this file, or by what an earlier one left in memory
                pass
        try:
            return self._run(_Process(), order, data)
        except _Crash as crash:
            raise ImageRejected("decode", str(crash)) from crash

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _run(self, process: "_Process", order: bytes, data: bytes) -> bytes:
        try:
            picture, answer, noise = process.ask(order, data)
        except BaseException:
            process.close()
            raise
        self._idle.append(process)
        if picture:
            return answer
        raise ImageRejected("decode", answer.decode() + (f" ({noise})" if noise else ""))


class _Crash(Exception):
    """The process ended instead of answering; the message says how."""


class _Process:
    """One worker process. Raises EmbedtoolError if it cannot be started."""

    def __init__(self) -> None:
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        # In its own session: Ctrl-C must not end it, which would look like a crash.
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
            code, lines = self._process.wait(), self._written()
            self.close()
            raise EmbedtoolError(
                f"expected a decoding process to start, but it ended (exit {code}): "
                f"{' '.join(lines[-1:])}. To see its output: {' '.join(COMMAND)} < {os.devnull}"
            )

    def ask(self, order: bytes, data: bytes) -> tuple[bool, bytes, str]:
        """Return (whether decoding succeeded, the result or the reason, output of libraries).

        Raises _Crash, or ImageRejected if no answer arrives in time.
        """
        start = time.monotonic()
        try:
            self._requests.write(REQUEST.pack(len(order), len(data), DECODE_SECONDS))
            self._requests.write(order)
            self._requests.write(data)
            self._requests.flush()
            picture, length = ANSWER.unpack(self._answers.read(ANSWER.size))
            answer = self._answers.read(length)
        except (BrokenPipeError, struct.error):  # no reader, or no answer
            code = self._process.wait()
            if time.monotonic() - start >= DECODE_SECONDS:
                reason = f"not decoded within {DECODE_SECONDS} seconds"
                raise ImageRejected("decode", reason) from None
            how = [f"signal {-code}" if code < 0 else f"exit {code}", *self._written()[:1]]
            raise _Crash(f"the decoder crashed ({': '.join(how)})") from None
        return picture, answer, "".join(self._written()[:1])

    def _written(self) -> list[str]:
        """Return the lines on the process's stderr since the last call, while it does not write."""
        handle = self._noise.fileno()
        os.lseek(handle, 0, os.SEEK_SET)
        text = os.read(handle, NOISE).decode(errors="replace").strip()
        os.lseek(handle, 0, os.SEEK_SET)  # the process shares this file position
        os.ftruncate(handle, 0)
        return text.splitlines()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._noise.close()
