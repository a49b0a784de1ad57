"""Reading one file: what is not a regular file, what has no end, what never answers."""

import fcntl
import os
import signal
from pathlib import Path

import pytest
from support.unanswered import unanswered

from embedtool.errors import ImageRejected
from embedtool.images import read_file
from embedtool.images.read_file import read_source, source_of


def test_pieces_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_file, "PIECE", 3)
    (tmp_path / "x").write_bytes(b"0123456789")
    source, data = read_source(source_of(tmp_path / "x"))
    status = os.stat(tmp_path / "x")
    assert data == b"0123456789"
    assert (source.size, source.mtime_ns) == (10, status.st_mtime_ns)
    assert os.path.join(source.root, source.path) == os.fsencode(tmp_path / "x")


def test_a_missing_file_is_rejected_with_the_reason_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(ImageRejected, match="No such file or directory") as caught:
        read_source(source_of(tmp_path / "x"))
    assert caught.value.stage == "read"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no /dev/zero")
def test_devices_pipes_and_files_over_the_limit_are_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/zero"), tmp_path):
        with pytest.raises(ImageRejected, match="not a regular file"):
            read_source(source_of(path))
    monkeypatch.setattr(read_file, "MAX_BYTES", 9)
    (tmp_path / "x").write_bytes(b"0123456789")
    with pytest.raises(ImageRejected, match="10 bytes, more than the limit of 9"):
        read_source(source_of(tmp_path / "x"))


@pytest.mark.skipif(not Path("/proc/self/pagemap").exists(), reason="this system has no /proc")
def test_an_endless_file_of_proc_is_empty() -> None:
    assert read_source(source_of("/proc/self/pagemap"))[1] == b""


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="this system has no leases on files")
def test_a_file_that_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_file, "READ_SECONDS", 0.2)
    monkeypatch.setattr(read_file, "MAX_BLOCKED", 2)
    threads = read_file._Threads()
    monkeypatch.setattr(read_file, "_threads", lambda _process: threads)
    for name in "ab":
        (tmp_path / name).write_bytes(b"photo")
    with unanswered(tmp_path / "a"):
        for _ in range(2):
            with pytest.raises(ImageRejected, match=r"nothing came within 0\.2 seconds"):
                read_source(source_of(tmp_path / "a"))
        with pytest.raises(ImageRejected, match="not tried: 2 files were given up"):
            read_source(source_of(tmp_path / "b"))
    while len(threads._idle) < 2:  # the lease ended with its process, so both reads go on
        os.sched_yield()
    assert read_source(source_of(tmp_path / "b"))[1] == b"photo"


def test_a_fork_reads_with_threads_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"photo")
    read_source(source_of(tmp_path / "x"))
    child = os.fork()
    if not child:
        signal.alarm(20)
        os._exit(0 if read_source(source_of(tmp_path / "x"))[1] == b"photo" else 1)
    assert os.waitpid(child, 0)[1] == 0
