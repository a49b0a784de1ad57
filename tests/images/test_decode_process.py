"""Decoding in a process of its own: the same pixels, and a crash or a hang is a reject."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.broken_pictures import SIDE
from support.command import embedtool
from support.indexes import content
from support.pictures import encoded, picture
from support.whole_pictures import originals

from embedtool.errors import EmbedtoolError, ImageRejected
from embedtool.images import decode_process
from embedtool.images.decode import decode_image
from embedtool.images.decode_process import DecodeProcesses
from embedtool.store.reader import IndexReader


def broken_tiff() -> bytes:
    data = bytearray(encoded(picture(3), "TIFF", compression="tiff_deflate"))
    data[208:248] = b"\xff" * 40  # in the middle of its first strip
    return bytes(data)


@pytest.fixture
def processes() -> Iterator[DecodeProcesses]:
    with closing(DecodeProcesses()) as opened:
        yield opened


def test_a_process_of_its_own_makes_the_same_pixels(processes: DecodeProcesses) -> None:
    for kind, data in originals():
        assert (processes.decode(data, SIDE) == decode_image(data, SIDE)).all(), kind
    with pytest.raises(ImageRejected, match=r"^OSError: .* \(ZIPDecode: .*\)$"):
        processes.decode(broken_tiff(), SIDE)
    with pytest.raises(ImageRejected, match=r"^not an image in a supported format$"):
        processes.decode(b"a text", SIDE)


def test_a_process_that_has_died_costs_no_picture(processes: DecodeProcesses) -> None:
    data = encoded(picture(4), "TIFF")
    expected = processes.decode(data, SIDE)
    os.kill(processes._idle[0]._process.pid, signal.SIGKILL)
    assert (processes.decode(data, SIDE) == expected).all()


def test_a_process_that_cannot_start_is_no_reject(
    processes: DecodeProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        decode_process, "COMMAND", (sys.executable, "-c", "raise SystemExit('no disk')")
    )
    with pytest.raises(EmbedtoolError, match=r"exit 1\): no disk") as caught:
        processes.decode(encoded(picture(5), "TIFF"), SIDE)
    assert not isinstance(caught.value, ImageRejected)


SABOTAGE = """
import ctypes, os, sys
from PIL.ImageFile import ImageFile
whole = ImageFile.__init__
def opened(image, file, *rest):
    data = file.getvalue()
    if b"CRASH" in data:
        ctypes.string_at(0)
    if b"HANG" in data:
        os.read(os.pipe()[0], 1)
    whole(image, file, *rest)
ImageFile.__init__ = opened
if "embedtool.images.decode_worker" not in sys.orig_argv:
    import embedtool.images.decode_process
    embedtool.images.decode_process.DECODE_SECONDS = 2
"""


@pytest.fixture
def sabotaged(tmp_path: Path) -> dict[str, Any]:
    """An environment whose Pillow crashes over b"CRASH" and hangs over b"HANG"."""
    folder = tmp_path / "sabotage"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SABOTAGE)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}


def spoilt(seed: int, word: str) -> bytes:
    return encoded(picture(seed), comment=word)


def refusals(index: Path) -> list[tuple[str, str, str]]:
    with IndexReader(index) as opened:
        return [(reject.path.name, reject.stage, reject.reason) for reject in opened.rejects()]


@pytest.mark.slow
def test_three_files_that_crash_the_decoder(
    photos: Path, tmp_path: Path, sabotaged: dict[str, Any]
) -> None:
    for seed, name in ((50, "05 bad.jpg"), (51, "20 bad.jpg"), (52, "35 bad.jpg")):
        (photos / name).write_bytes(spoilt(seed, "CRASH"))
    (photos / "a copy of 35 bad.jpg").write_bytes(spoilt(52, "CRASH"))
    command = ("index", photos, "--index", tmp_path / "i", "--model", "builtin", "--workers", 1)
    codes = [embedtool(*command, **sabotaged).code for _ in range(3)]
    assert codes == [-signal.SIGSEGV] * 3  # each run finds one more, and forgets none
    assert (tmp_path / "i" / "decoding").exists()
    done = embedtool(*command, "--json", **sabotaged)
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert (report["total"], report["rejected"]) == (44, 4)
    assert refusals(tmp_path / "i") == [
        (name, "decode", f"the decoder crashed (signal {signal.SIGSEGV:d})")
        for name in ("05 bad.jpg", "20 bad.jpg", "35 bad.jpg", "a copy of 35 bad.jpg")
    ]
    assert len(content(tmp_path / "i")) == 40
    assert not (tmp_path / "i" / "decoding").exists()
    again = json.loads(embedtool(*command, "--json", **sabotaged).out)
    assert (again["unchanged"], again["rejected"]) == (40, 4)


@pytest.mark.slow
def test_a_file_that_hangs_the_decoder(
    photos: Path, tmp_path: Path, sabotaged: dict[str, Any]
) -> None:
    data = spoilt(60, "HANG")
    (photos / "07 bad.jpg").write_bytes(data)
    index = tmp_path / "i"
    command = ["index", str(photos), "--index", str(index), "--model", "builtin"]
    hung = subprocess.Popen(
        [sys.executable, "-m", "embedtool", *command],
        env=os.environ | sabotaged,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    named = hashlib.sha256(data).digest()
    while not ((index / "decoding").exists() and named in (index / "decoding").read_bytes()):
        with pytest.raises(subprocess.TimeoutExpired):
            hung.wait(0.1)
    hung.kill()
    hung.wait()
    done = embedtool(*command, "--json", **sabotaged)
    assert done.code == 0, done.err
    assert json.loads(done.out)["rejected"] == 1
    assert refusals(index) == [("07 bad.jpg", "decode", "not decoded within 2 seconds")]
    assert len(content(index)) == 40


@pytest.mark.slow
def test_a_tiff_that_crashes_the_decoder_takes_no_run_with_it(
    photos: Path, tmp_path: Path, sabotaged: dict[str, Any]
) -> None:
    (photos / "01 bad.tif").write_bytes(encoded(picture(70), "TIFF") + b"CRASH")
    (photos / "02 good.tif").write_bytes(encoded(picture(71), "TIFF"))
    done = embedtool(
        "index", photos, "--index", tmp_path / "i", "--model", "builtin", "--json", **sabotaged
    )
    assert done.code == 0
    assert done.err == f"note: rejected files: 1; reasons: embedtool rejects {tmp_path / 'i'}\n"
    assert refusals(tmp_path / "i")[0][2] == "the decoder crashed (signal 11)"
    assert len(content(tmp_path / "i")) == 41
