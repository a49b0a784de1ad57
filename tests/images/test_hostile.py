"""Files made to break decoders: read or rejected, without a crash, a hang or any noise."""

import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.broken_pictures import SIDE, mutant, originals
from support.command import embedtool
from support.indexes import content, counts, make_index, run
from support.pictures import encoded, picture

from embedtool.collection.sync import sync
from embedtool.core.types import unit_rows
from embedtool.errors import EmbedtoolError, ImageRejected
from embedtool.images import decode, decode_worker
from embedtool.images.decode import decode_image
from embedtool.images.decode_worker import Workers
from embedtool.images.formats import NOISY
from embedtool.images.quarantine import EMPTY, RECORD_HEAD, SLOT
from embedtool.models.embedder import MeanColourEmbedder
from embedtool.store.reader import IndexReader
from embedtool.store.writer import Writer

TESTS = Path(__file__).resolve().parents[1]
CHILDREN = 2
MUTATIONS = 2_000
MOST_SECONDS = 10  # of processor time for one file
MOST_MEMORY = 1792  # MiB at the most in a process that decodes one file after another


# --- mutants ------------------------------------------------------------------------------------


def decoded_by_children(count: int) -> list[dict[str, Any]]:
    """What became of the mutants 0 to count - 1, decoded by child processes."""
    with ThreadPoolExecutor(CHILDREN) as pool:
        parts = pool.map(_decoded, range(CHILDREN), [count] * CHILDREN)
        return [told for part in parts for told in part]


def _decoded(first: int, last: int) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    while first < last:
        numbers = map(str, (first, last, CHILDREN))
        command = [sys.executable, "-m", "support.broken_pictures", *numbers]
        with (
            tempfile.TemporaryFile() as noise,
            subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, stderr=noise) as child,
        ):
            assert child.stdout
            for line in child.stdout:
                told.append(json.loads(line))
                first = told[-1]["number"] + CHILDREN
        if child.returncode:  # the next one ended it
            told.append({"number": first, "what": f"exit {child.returncode}", "reason": ""})
            first += CHILDREN
    return told


def test_mutants_are_decoded_or_rejected(
    pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    count = pytestconfig.getoption("mutations") or MUTATIONS
    told = decoded_by_children(count)
    odd = [t for t in told if t["what"] not in ("image", "rejected")]
    assert odd == []
    assert sorted(t["number"] for t in told) == list(range(count))
    slowest = max(told, key=lambda t: t["seconds"])
    peak = max(t["peak"] for t in told)
    table = Counter((t["format"], t["what"]) for t in told)
    lines = [
        f"{kind:5} {table[kind, 'image']:6} images {table[kind, 'rejected']:6} rejected"
        for kind in sorted({kind for kind, _ in table})
    ]
    lines.append(
        f"{count} mutants, 0 crashes, 0 hangs; slowest {slowest['number']} ({slowest['format']}): "
        f"{slowest['seconds']:.1f} s of processor; peak {peak} MiB"
    )
    with capsys.disabled():
        print("", *lines, sep="\n")
    assert slowest["seconds"] < MOST_SECONDS, slowest
    assert peak < MOST_MEMORY
    assert {t["sniffed"] for t in told if t["noise"]} == NOISY  # the others write no word
    assert {kind for kind, _ in table} == {kind for kind, _ in originals()}


def test_whole_pictures_are_read_and_damage_is_seeded() -> None:
    for kind, data in originals():
        assert decode_image(data, SIDE).shape == (SIDE, SIDE, 3), kind
    assert mutant(1234) == mutant(1234) != mutant(1234 + len(originals()))


INDEXED = """
import json, sys
from embedtool.models.embedder import MeanColourEmbedder
from embedtool.collection.sync import sync
from embedtool.store.writer import Writer
with Writer(sys.argv[1]) as index:
    report = sync(index, [sys.argv[2]], MeanColourEmbedder)
print(json.dumps({name: getattr(report, name) for name in ("added", "duplicates", "rejected",
    "updated", "renamed", "unchanged", "removed", "total")}))
"""


def test_a_folder_of_mutants_is_indexed_in_silence(tmp_path: Path) -> None:
    photos, index = tmp_path / "photos", tmp_path / "index"
    photos.mkdir()
    make_index(index)
    for number in range(400):
        kind, data = mutant(number)
        (photos / f"{number:04}.{kind.lower()}").write_bytes(data)
        if number % 10 == 0:
            whole = originals()[number // 10 % len(originals())]
            (photos / f"{number:04}-whole.{whole[0].lower()}").write_bytes(whole[1])
    done = subprocess.run(
        [sys.executable, "-c", INDEXED, index, photos], capture_output=True, check=True
    )
    assert done.stderr == b""
    told = json.loads(done.stdout)
    assert told["total"] == 440 == told["added"] + told["duplicates"] + told["rejected"]
    with IndexReader(index) as opened:
        refused = {reject.path: reject.reason for reject in opened.rejects()}
    stored = content(index)
    assert len(stored) == told["added"] + told["duplicates"]
    assert refused.keys() | set(map(Path, stored)) == set(photos.iterdir())
    assert not refused.keys() & set(map(Path, stored))
    for file in photos.glob("*-whole.*"):
        alone = MeanColourEmbedder().embed(decode_image(file.read_bytes(), 32)[None])
        assert stored[str(file)] == unit_rows(alone.astype(np.float16)).tobytes(), file
    spoken = [reason for path, reason in refused.items() if "ZIPDecode: Decoding error" in reason]
    assert spoken, "what libtiff wrote is part of the reason"
    assert not (index / "decoding").exists()


# --- files made to stall ------------------------------------------------------------------------


def many_scans(image: Image.Image, count: int) -> bytes:
    """A progressive JPEG whose last scan comes `count` times more."""
    data = encoded(image, progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * count + data[-2:]


def one_scan_a_colour(image: Image.Image, count: int) -> bytes:
    """A baseline JPEG of three colours, each `count` times in a scan of its own."""
    data = encoded(image.convert("L"))
    frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    end = frame + 2 + int.from_bytes(data[frame + 2 : frame + 4], "big")
    header = b"\xff\xc0\0\x11" + data[frame + 4 : frame + 9] + b"\x03"
    header += b"".join(bytes([colour]) + data[frame + 11 : end] for colour in (1, 2, 3))
    coded = data[scan:-2]
    scans = b"".join(coded[:5] + bytes([colour]) + coded[6:] for colour in (1, 2, 3))
    return data[:frame] + header + data[end:scan] + scans * count + data[-2:]


def test_a_jpeg_of_endless_scans_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(1, (96, 96))
    whole = many_scans(image, 0), one_scan_a_colour(image, 1)
    stalling = many_scans(image, 50), one_scan_a_colour(image, 20)
    for data in whole + stalling:
        decode_image(data, 32)  # of this size none can stall
    monkeypatch.setattr(decode, "MAX_SCANNED", 15 * 96 * 96)
    for data in whole:
        decode_image(data, 32)
    for data, scans in zip(stalling, (60, 60), strict=True):
        with pytest.raises(ImageRejected, match=f"^{scans} scans of 96x96 pixels: made to stall$"):
            decode_image(data, 32)
    photo_with_a_thumbnail = Image.Exif()
    photo_with_a_thumbnail[0x010E] = "\xff\xda" * 40
    decode_image(encoded(image, exif=photo_with_a_thumbnail), 32)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_a_header_of_endless_pieces_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    png, jpeg, gif = (encoded(picture(2), kind) for kind in ("PNG", "JPEG", "GIF"))
    block = gif.index(b",", 13 + 3 * 256)
    monkeypatch.setattr(decode._Reader, "left", 1000)
    stalling = [
        png[:33] + chunk(b"abCd", b"") * 1000 + png[33:],
        jpeg[:2] + b"\xff" * 2000 + jpeg[2:],
        gif[:block] + b"!\xfe\1c\0" * 1000 + gif[block:],
        b"P6 40 40 100 " + bytes(40 * 40 * 3),  # a sample at a time, for its odd maximum
        b"P6" + b" " * 2000 + b"1 1 255 abc",
    ]
    for data in stalling:
        with pytest.raises(ImageRejected, match="in over 1,000,000 pieces: made to stall"):
            decode_image(data, 32)
    for data in (png, jpeg, gif):
        decode_image(data, 32)


@pytest.mark.parametrize("limit", ["MAX_TEXT", "MAX_COMMENTS"])
def test_a_long_ppm_in_text_is_rejected(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"P3 2 1 255\n" + b"#\n" * 20 + b"1 2 3 4 5 6\n"
    assert decode_image(data, 1).max() > 0
    monkeypatch.setattr(decode, limit, 19)
    with pytest.raises(ImageRejected, match="a PPM in text"):
        decode_image(data, 1)


def test_strips_change_no_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [decode_image(data, SIDE) for _, data in originals()]
    monkeypatch.setattr(decode, "STRIP", 300)
    for (kind, data), expected in zip(originals(), whole, strict=True):
        assert (decode_image(data, SIDE) == expected).all(), kind


def test_integer_samples_are_scaled() -> None:
    samples = np.full((8, 8), -70_000, np.int32)
    samples[4:] = 70_000
    samples[0] = 0
    image = Image.fromarray(samples)
    assert image.mode == "I"
    assert decode_image(encoded(image, "TIFF"), 8)[:, 0, 0].tolist() == [128] + [0] * 3 + [255] * 4


# --- decoding apart -----------------------------------------------------------------------------


def broken_tiff() -> bytes:
    data = bytearray(encoded(picture(3), "TIFF", compression="tiff_deflate"))
    data[208:248] = b"\xff" * 40  # in the middle of its first strip
    return bytes(data)


@pytest.fixture
def workers() -> Iterator[Workers]:
    with closing(Workers()) as opened:
        yield opened


def test_a_process_of_its_own_makes_the_same_pixels(workers: Workers) -> None:
    for kind, data in originals():
        assert (workers.decode(data, SIDE) == decode_image(data, SIDE)).all(), kind
    with pytest.raises(ImageRejected, match=r"^OSError: .* \(ZIPDecode: .*\)$"):
        workers.decode(broken_tiff(), SIDE)
    with pytest.raises(ImageRejected, match=r"^not an image of a known format$"):
        workers.decode(b"a text", SIDE)


def test_a_process_that_has_died_costs_no_picture(workers: Workers) -> None:
    data = encoded(picture(4), "TIFF")
    expected = workers.decode(data, SIDE)
    os.kill(workers._idle[0]._process.pid, signal.SIGKILL)
    assert (workers.decode(data, SIDE) == expected).all()


def test_a_process_that_cannot_start_is_no_reject(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        decode_worker, "COMMAND", (sys.executable, "-c", "raise SystemExit('no disk')")
    )
    with pytest.raises(EmbedtoolError, match=r"exit 1\): no disk") as caught:
        workers.decode(encoded(picture(5), "TIFF"), SIDE)
    assert not isinstance(caught.value, ImageRejected)


# --- decoders that crash or hang ----------------------------------------------------------------

SABOTAGE = """
import ctypes, os, sys
import PIL.Image
whole = PIL.Image.open
def opened(file, *rest, **options):
    data = file.getvalue()
    if b"CRASH" in data:
        ctypes.string_at(0)
    if b"HANG" in data:
        os.read(os.pipe()[0], 1)
    return whole(file, *rest, **options)
PIL.Image.open = opened
if "embedtool.images.decode_worker" not in sys.orig_argv:
    import embedtool.apart
    embedtool.images.decode_worker.DECODE_SECONDS = 2
"""


@pytest.fixture
def sabotaged(tmp_path: Path) -> dict[str, str]:
    """An environment whose Pillow crashes over b"CRASH" and hangs over b"HANG"."""
    folder = tmp_path / "sabotage"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SABOTAGE)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(40):
        (folder / f"{seed:02}.png").write_bytes(encoded(picture(seed), "PNG"))
    return folder


def spoilt(seed: int, word: str) -> bytes:
    return encoded(picture(seed), comment=word)


def refusals(index: Path) -> list[tuple[str, str, str]]:
    with IndexReader(index) as opened:
        return [(reject.path.name, reject.stage, reject.reason) for reject in opened.rejects()]


def test_three_files_that_crash_the_decoder(
    photos: Path, tmp_path: Path, sabotaged: dict[str, str]
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
        (name, "decode", f"the decoder crashed on it (signal {signal.SIGSEGV:d})")
        for name in ("05 bad.jpg", "20 bad.jpg", "35 bad.jpg", "a copy of 35 bad.jpg")
    ]
    assert len(content(tmp_path / "i")) == 40
    assert not (tmp_path / "i" / "decoding").exists()
    again = json.loads(embedtool(*command, "--json", **sabotaged).out)
    assert (again["unchanged"], again["rejected"]) == (40, 4)


def test_a_file_that_hangs_the_decoder(
    photos: Path, tmp_path: Path, sabotaged: dict[str, str]
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
    assert refusals(index) == [("07 bad.jpg", "decode", "no picture within 2 seconds")]
    assert len(content(index)) == 40


def test_a_tiff_that_crashes_the_decoder_takes_no_run_with_it(
    photos: Path, tmp_path: Path, sabotaged: dict[str, str]
) -> None:
    (photos / "01 bad.tif").write_bytes(encoded(picture(70), "TIFF") + b"CRASH")
    (photos / "02 good.tif").write_bytes(encoded(picture(71), "TIFF"))
    done = embedtool(
        "index", photos, "--index", tmp_path / "i", "--model", "builtin", "--json", **sabotaged
    )
    assert done.code == 0
    assert done.err == f"note: 1 rejected; why: embedtool rejects {tmp_path / 'i'}\n"
    assert refusals(tmp_path / "i")[0][2] == "the decoder crashed on it (signal 11)"
    assert len(content(tmp_path / "i")) == 41


# --- the record ---------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path: Path) -> Path:
    make_index(tmp_path / "index")
    return tmp_path / "index"


def named_by(*files: Path) -> bytes:
    return RECORD_HEAD + EMPTY + b"".join(hashlib.sha256(f.read_bytes()).digest() for f in files)


def test_an_innocent_suspect_is_embedded(index: Path, photos: Path, tmp_path: Path) -> None:
    (index / "decoding").write_bytes(named_by(photos / "03.png", photos / "04.png"))
    assert counts(run(index, photos)) == {"added": 40}
    make_index(tmp_path / "other")
    run(tmp_path / "other", photos)
    assert content(index) == content(tmp_path / "other")
    assert not (index / "decoding").exists()


@pytest.mark.parametrize(
    "left", [b"", RECORD_HEAD[:7], RECORD_HEAD, RECORD_HEAD + EMPTY * 2 + b"torn"]
)
def test_a_record_cut_short_is_one_of_ours(left: bytes, index: Path, photos: Path) -> None:
    (index / "decoding").write_bytes(left)
    assert counts(run(index, photos)) == {"added": 40}
    assert not (index / "decoding").exists()


def test_a_foreign_file_of_that_name_is_kept(index: Path, photos: Path) -> None:
    (index / "decoding").write_bytes(b"my notes")
    with pytest.raises(EmbedtoolError, match=r"found a file of another kind\. Move it"):
        run(index, photos)
    assert (index / "decoding").read_bytes() == b"my notes"


@pytest.mark.parametrize("suspects", [(), ("39.png",)])
def test_an_interrupted_run_forgets_no_suspect(
    suspects: tuple[str, ...], index: Path, photos: Path
) -> None:
    left = named_by(*(photos / name for name in suspects))
    if suspects:
        (index / "decoding").write_bytes(left)

    def interrupt(done: int, total: int, rejected: int) -> None:
        raise KeyboardInterrupt

    with Writer(index) as target, pytest.raises(KeyboardInterrupt):
        sync(target, [photos], MeanColourEmbedder, progress=interrupt)
    if suspects:
        kept = (index / "decoding").read_bytes()
        assert kept.startswith(left) and not any(kept[len(left) :])
        assert len(kept) % SLOT == 0
    else:
        assert not (index / "decoding").exists()
