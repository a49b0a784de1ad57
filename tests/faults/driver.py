"""A process under the shim that forks a child for each request, so that thousands of injected
faults take minutes. `Driver` is the side the tests hold; `serve` is the process itself.

A request is a list of calls of functions in `faults.actions` or `faults.damages`, done one after
another in one child, each with a fault or none. JSON goes over the pipes, one line each way.
"""

import ctypes
import errno
import gc
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
HANGS = 120  # seconds after which a child is taken to hang, and dies of SIGALRM
READS, OPENS, WRITES, NEEDS_ROOM, CHANGES = 1, 2, 4, 8, 16  # as in shim.c
FAIL, FALL_SHORT, DIE_BEFORE, DIE_AFTER, DIE_HALFWAY = 1, 2, 3, 4, 5


@dataclass(frozen=True)
class Kind:
    """One way in which the n-th of some file operations goes wrong."""

    mask: int  # the operations it counts
    fault: int = 0
    error: int = 0
    for_good: bool = False  # all later operations of these fail too


KILLS = {
    "before": Kind(CHANGES, DIE_BEFORE),
    "halfway": Kind(WRITES, DIE_HALFWAY),
    "after": Kind(CHANGES, DIE_AFTER),
}
FAULTS = {
    "ENOSPC": Kind(NEEDS_ROOM, FAIL, errno.ENOSPC),
    "EIO": Kind(READS | WRITES | CHANGES, FAIL, errno.EIO),
    "EMFILE": Kind(OPENS, FAIL, errno.EMFILE),
    "short": Kind(WRITES, FALL_SHORT),
    "ENOSPC for good": Kind(NEEDS_ROOM, FAIL, errno.ENOSPC, True),
    "EIO for good": Kind(READS | WRITES | CHANGES, FAIL, errno.EIO, True),
    "EMFILE for good": Kind(OPENS, FAIL, errno.EMFILE, True),
}


@dataclass(frozen=True)
class Call:
    """One call of a function in those modules, with the n-th operation below `folder` failing;
    n = 0 only counts and names them."""

    name: str
    arguments: tuple[Any, ...] = ()
    folder: str = ""
    kind: Kind | None = None
    n: int = 0


@dataclass(frozen=True)
class Result:
    """What became of a call: its value, or the error it raised."""

    value: Any = None
    error: str = ""  # the class
    clean: bool = False  # an error that the command line words
    message: str = ""
    steps: list[str] = field(default_factory=list)  # operations counted, "call name"


@dataclass(frozen=True)
class Answer:
    """What became of a child."""

    results: list[Result]  # of the calls that ended
    signal: int  # that killed it, or 0
    steps: list[str]  # of the last armed call, also where the child died in it


class Driver:
    """Starts the process; `request` runs calls in a child of it."""

    def __init__(self, folder: Path) -> None:
        shim = folder / "shim.so"
        compiler = shutil.which("cc")
        if compiler is None or not sys.platform.startswith("linux"):
            raise FileNotFoundError("needs Linux and a C compiler named cc")
        subprocess.run(
            [compiler, "-O1", "-shared", "-fPIC", "-o", shim, HERE / "shim.c", "-ldl"], check=True
        )
        path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faults.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ
            | {"LD_PRELOAD": str(shim), "PYTHONPATH": path}
            # a process without threads can be forked
            | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def close(self) -> None:
        self._process.communicate()

    def request(self, *calls: Call, kill_after: float | None = None) -> Answer:
        """Run calls in one child. kill_after: seconds after which it is killed."""
        assert self._process.stdin and self._process.stdout
        request = {"calls": [asdict(call) for call in calls], "kill_after": kill_after}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the driver itself has died"
        answer = json.loads(line)
        return Answer([Result(**r) for r in answer["results"]], answer["signal"], answer["steps"])

    def value(self, name: str, *arguments: Any) -> Any:
        """What one call returns; it must not raise."""
        answer = self.request(Call(name, arguments))
        assert answer.signal == 0, f"{name} died of signal {answer.signal}"
        [result] = answer.results
        assert not result.error, f"{name} raised {result.error}: {result.message}"
        return result.value


class Shim:
    """The functions of shim.c in this process."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.fault_log.restype = ctypes.c_char_p

    def arm(self, call: dict[str, Any]) -> None:
        kind = call["kind"] or asdict(Kind(READS | WRITES | CHANGES))
        self._library.fault_arm(
            os.fsencode(call["folder"]),
            kind["mask"],
            ctypes.c_long(call["n"]),
            kind["fault"],
            kind["error"],
            kind["for_good"],
        )

    def disarm(self) -> None:
        self._library.fault_disarm()

    def steps(self) -> list[str]:
        return os.fsdecode(self._library.fault_log()).splitlines()


def serve() -> None:
    from faults import actions, damages

    known = {**vars(actions), **vars(damages)}
    actions.warm_up()
    gc.freeze()  # a child that collects would copy every page
    shim = Shim()
    for line in sys.stdin:
        request = json.loads(line)
        come, go = os.pipe()
        child = os.fork()
        if not child:
            os.close(come)
            _work(shim, known, request["calls"], go)
        os.close(go)
        limit = request["kill_after"]
        with open(come, "rb") as pipe:
            if limit is not None and not select.select([pipe], [], [], limit)[0]:
                os.kill(child, signal.SIGKILL)
            text = pipe.read().splitlines()
        _, status = os.waitpid(child, 0)
        answer = {
            "results": [json.loads(result) for result in text],
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            "steps": shim.steps(),
        }
        print(json.dumps(answer), flush=True)


def _work(shim: Shim, known: dict[str, Any], calls: Sequence[dict[str, Any]], go: int) -> None:
    """In the child: do the calls, write a line for each, leave."""
    from embedtool.errors import EmbedtoolError

    signal.alarm(HANGS)
    for call in calls:
        result: dict[str, Any] = {}
        try:
            if call["folder"]:
                shim.arm(call)
            try:
                result["value"] = known[call["name"]](*call["arguments"])
            finally:
                shim.disarm()
        except BaseException as error:
            result["error"] = type(error).__name__
            result["clean"] = isinstance(error, EmbedtoolError | OSError)
            result["message"] = str(error) if result["clean"] else traceback.format_exc()
        if call["folder"]:
            result["steps"] = shim.steps()
        line = json.dumps(result).encode() + b"\n"
        while line:
            line = line[os.write(go, line) :]
    os._exit(0)


if __name__ == "__main__":
    serve()
