"""The commands as a user meets them: output, JSON shapes, exit codes, one clear line on errors."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import embedtool
from support.pictures import encoded, picture, save

from embedtool.store.writer import Writer

INDEX_KEYS = {
    "schema", "index", "model", "added", "updated", "renamed", "removed", "unchanged",
    "duplicates", "rejected", "total", "seconds", "images_per_second",
}  # fmt: skip


@pytest.fixture(scope="module")
def index(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "index"
    done = embedtool("index", drawn, "--index", path, "--model", "builtin", "--json")
    report = json.loads(done.out)
    assert done.code == 0 and set(report) == INDEX_KEYS
    assert report["schema"] == 1
    assert (report["added"], report["duplicates"], report["rejected"]) == (36, 1, 1)
    assert report["total"] == 38 and report["model"] == "builtin"
    assert done.err == f"note: 1 rejected; why: embedtool rejects {path}\n"
    return path


def test_search_json(index: Path, drawn: Path) -> None:
    query = drawn / "city" / "city-01.jpg"
    done = embedtool("search", index, query, "-k", 3, "--json")
    answer = json.loads(done.out)
    assert done.code == 0 and done.err == ""
    assert set(answer) == {"schema", "queries", "search"}
    assert answer["search"] == {"kind": "exact"}
    [result] = answer["queries"]
    assert set(result) == {"query", "matches"} and result["query"] == str(query)
    assert [set(m) for m in result["matches"]] == [{"rank", "path", "similarity"}] * 3
    assert [m["rank"] for m in result["matches"]] == [1, 2, 3]
    assert result["matches"][0]["path"] == str(query)
    assert result["matches"][0]["similarity"] == pytest.approx(1, abs=1e-5)
    assert {Path(m["path"]).parent.name for m in result["matches"]} == {"city"}
    similarities = [m["similarity"] for m in result["matches"]]
    assert similarities == sorted(similarities, reverse=True)


def test_search_in_a_pipe_is_tab_separated(index: Path, drawn: Path) -> None:
    done = embedtool("search", index, drawn / "fish" / "fish-01.jpg", "-k", 2)
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [line[1] for line in lines] == ["1", "2"] and len(lines[0]) == 4
    assert lines[0][2] == "1.0000"


def test_copies_are_both_found(index: Path, drawn: Path) -> None:
    done = embedtool("search", index, drawn / "sunset" / "sunset-01.jpg", "-k", 2, "--json")
    names = [Path(m["path"]).name for m in json.loads(done.out)["queries"][0]["matches"]]
    assert sorted(names) == ["copy of sunset-01.jpg", "sunset-01.jpg"]


def test_queries_from_stdin_rows_and_files_outside_the_index(
    index: Path, drawn: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "turned.png"
    shutil.copy(drawn / "planet" / "planet-02.jpg", outside)
    lines = f"{drawn / 'face' / 'face-01.jpg'}\n{outside}\n".encode()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "embedtool",
            "search",
            index,
            "-",
            "--row",
            "2",
            "-k",
            "1",
            "--json",
        ],
        input=lines,
        capture_output=True,
        check=True,
    )
    first = [Path(q["matches"][0]["path"]).name for q in json.loads(done.stdout)["queries"]]
    with Writer(index) as opened:
        second = Path(os.fsdecode(list(opened.rows())[1].path)).name
    assert first == ["face-01.jpg", "planet-02.jpg", second]
    by_nul = subprocess.run(
        [sys.executable, "-m", "embedtool", "search", index, "-", "-k", "1", "--json"],
        input=lines.replace(b"\n", b"\0"),
        capture_output=True,
        check=True,
    )
    assert json.loads(by_nul.stdout)["queries"] == json.loads(done.stdout)["queries"][:2]


def test_a_stored_query_loads_no_model_and_no_query_loads_tensorflow(
    index: Path, drawn: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "new.png"
    outside.write_bytes(encoded(picture(1), "PNG"))
    script = (
        "import sys; from embedtool import search_photos\n"
        "search_photos(sys.argv[1], [sys.argv[2]]); print('\\n'.join(sys.modules))"
    )
    for query, loads in ((drawn / "city" / "city-01.jpg", False), (outside, True)):
        done = subprocess.run(
            [sys.executable, "-c", script, index, query], capture_output=True, check=True, text=True
        )
        modules = set(done.stdout.split())
        assert ("ai_edge_litert.interpreter" in modules) == loads
        assert "tensorflow" not in modules and "keras" not in modules


def test_a_second_run_loads_no_decoder_and_no_model(index: Path, drawn: Path) -> None:
    script = (
        "import sys; from embedtool import index_photos\n"
        "print(index_photos(sys.argv[1], index=sys.argv[2]).unchanged)\n"
        "print('\\n'.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, drawn, index], capture_output=True, check=True, text=True
    )
    assert done.stdout.startswith("37\n")
    modules = set(done.stdout.split())
    assert not modules & {"PIL", "faiss", "ai_edge_litert", "tensorflow", "embedtool.models"}


def test_html_page_is_self_contained(index: Path, drawn: Path, tmp_path: Path) -> None:
    odd = tmp_path / "<b>&'\" odd.png"
    shutil.copy(drawn / "fish" / "fish-01.jpg", odd)
    page = tmp_path / "page.html"
    done = embedtool("search", index, odd, "--html", page, "-k", 4)
    assert done.code == 0 and done.err == f"page: {page}\n"
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 5
    assert "<b>&'" not in text and "&lt;b&gt;&amp;" in text
    assert "http" not in text and 'src="file' not in text


def test_info_rejects_verify_doctor(index: Path, drawn: Path) -> None:
    info = json.loads(embedtool("info", index, "--json").out)
    assert (info["images"], info["vectors"], info["rejects"]) == (37, 36, 1)
    assert info["model"] == "builtin" and info["dim"] == 1280 and info["roots"] == [str(drawn)]
    [reject] = json.loads(embedtool("rejects", index, "--json").out)["rejects"]
    assert reject["path"] == str(drawn / "sunset" / "cut off.jpg") and reject["stage"] == "decode"
    assert "truncated" in reject["reason"]
    assert json.loads(embedtool("verify", index, "--json").out)["whole"] is True
    cosines = json.loads(embedtool("doctor", index, "--json").out)["golden_cosines"]
    assert len(cosines) == 3 and min(cosines) > 0.9999


def test_verify_embeds_a_sample_again(index: Path, drawn: Path, tmp_path: Path) -> None:
    done = embedtool("verify", index, "--deep", "--json")
    deep = json.loads(done.out)["deep"]
    assert done.code == 0 and deep["faults"] == []
    assert (deep["compared"], deep["skipped"]) == (36, 0), "of two copies one is compared"
    assert deep["lowest_cosine"] > 0.9999
    photos, other = tmp_path / "photos", tmp_path / "other"
    shutil.copytree(drawn / "fish", photos)
    assert embedtool("index", photos, "--index", other, "--model", "builtin").code == 0
    one, two, _ = sorted(photos.iterdir())
    status = one.stat()
    data = bytearray(two.read_bytes()[: status.st_size].ljust(status.st_size, b"\0"))
    one.write_bytes(data)  # another picture, with nothing to show it from outside
    os.utime(one, ns=(status.st_atime_ns, status.st_mtime_ns))
    two.unlink()
    done = embedtool("verify", other, "--deep", "--json")
    deep = json.loads(done.out)["deep"]
    assert done.code == 3 and str(one) in deep["faults"][0]
    assert deep["skipped"] == 1 and embedtool("verify", other).code == 0


def test_compact_gives_room_back(drawn: Path, tmp_path: Path) -> None:
    photos, index = tmp_path / "photos", tmp_path / "index"
    shutil.copytree(drawn, photos)
    assert embedtool("index", photos, "--index", index, "--model", "builtin").code == 0
    shutil.rmtree(photos / "fish")
    assert embedtool("index", photos, "--index", index).code == 0
    info = json.loads(embedtool("info", index, "--json").out)
    assert info["dead_rows"] == 3
    report = json.loads(embedtool("compact", index, "--json").out)
    assert report["bytes_before"] - report["bytes_after"] == 3 * 1280 * 2
    info = json.loads(embedtool("info", index, "--json").out)
    assert (info["dead_rows"], info["vectors"]) == (0, 33) and info["certificate"] is None
    assert json.loads(embedtool("verify", index, "--json").out)["whole"] is True


def test_search_takes_conditions_and_says_how_it_found(index: Path, drawn: Path) -> None:
    query = drawn / "fish" / "fish-01.jpg"
    done = embedtool("search", index, query, "--where", "label=city", "--json")
    found = json.loads(done.out)
    assert found["search"] == {"kind": "exact"}
    assert {Path(m["path"]).parent.name for m in found["queries"][0]["matches"]} == {"city"}
    [all_] = json.loads(embedtool("search", index, query, "-k", 37, "--json").out)["queries"]
    line = ("search", index, query, "--min-similarity", all_["matches"][14]["similarity"] - 1e-4)
    [ranged] = json.loads(embedtool(*line, "--json").out)["queries"]
    paths = [m["path"] for m in all_["matches"]]
    assert [m["path"] for m in ranged["matches"]] == paths[:15]
    [few] = json.loads(embedtool(*line, "-k", 2, "--json").out)["queries"]
    assert [m["path"] for m in few["matches"]] == paths[:2]
    failing(2, "expected label=NAME", "search", index, query, "--where", "colour=red")
    failing(2, "received '5X'", "search", index, query, "--max-memory", "5X")
    failing(2, "expected a recall", "search", index, query, "--min-recall", "7")


def test_model_commands() -> None:
    listed = json.loads(embedtool("model", "list", "--json").out)["models"]
    assert {"builtin"} <= {m["model"] for m in listed}
    info = json.loads(embedtool("model", "info", "builtin", "--json").out)
    assert info["layers"]["out_relu"] == 1280 and info["card"]["measured"]
    pulled = embedtool("model", "pull", "builtin")
    assert pulled.code == 0 and info["fingerprint"] in pulled.out


def failing(code: int, text: str, *arguments: object, **environment: str) -> None:
    done = embedtool(*arguments, **environment)
    assert done.code == code, done.err
    assert text in done.err and "Traceback" not in done.err
    assert done.out == ""
    if code != 2:
        assert done.err.count("\n") == 1, "one line"


def test_bad_input_is_one_clear_line(index: Path, drawn: Path, tmp_path: Path) -> None:
    failing(1, "embedtool index PHOTOS", "search", tmp_path, drawn / "fish" / "fish-01.jpg")
    failing(1, "does not exist", "index", tmp_path / "nothing", "--index", tmp_path / "i")
    empty = tmp_path / "empty"
    empty.mkdir()
    failing(1, "found no image", "index", empty, "--index", tmp_path / "i")
    assert not (tmp_path / "i").exists()
    failing(1, "cannot use the query image", "search", index, tmp_path / "gone.jpg")
    failing(1, "cannot use the query image", "search", index, drawn / "sunset" / "cut off.jpg")
    failing(2, "k of at least 1", "search", index, drawn / "fish" / "fish-01.jpg", "-k", 0)
    failing(2, "at least one query", "search", index)
    failing(2, "no image with row 999", "search", index, "--row", 999)
    failing(2, "no image with row 9999", "search", index, "--row", "9" * 30)
    failing(1, "this is a folder", "search", index, "--row", 1, "--html", tmp_path)
    for limit in ("few", "nan", "-1", "%"):
        failing(2, "--max-rejects", "index", drawn, "--index", index, f"--max-rejects={limit}")
    failing(2, "received 'resnet'", "index", drawn, "--index", tmp_path / "i", "--model", "resnet")
    failing(2, "runtime", "index", drawn, "--index", tmp_path / "i", "--model", "builtin",
            "--runtime", "onnx")  # fmt: skip
    done = embedtool("indx")
    assert done.code == 2 and "indx" in done.err
    failing(2, "--seed", "cluster", index, "--seed", -1)
    failing(2, "--seed", "map", index, "--seed", 2**32)
    failing(2, "stands twice", "map", index, "--html", tmp_path / "m", "--png", tmp_path / "m")
    failing(2, "from -1 to 1", "search", index, "--row", 1, "--min-similarity", "nan")
    failing(1, "expected a folder", "search", index, "--row", 1, "--html", tmp_path / "no" / "p")


def test_a_folder_of_other_files_becomes_no_index(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    failing(1, "holds other files (notes.txt)", "index", drawn, "--index", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_line_is_a_line_whatever_a_file_is_called(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for number, name in enumerate(("line\nbreak.png", "tab\there.png", "\x1b[31mred.png")):
        save(photos / name, picture(number))
    embedtool("index", photos, "--index", tmp_path / "i", "--model", "builtin")
    done = embedtool("search", tmp_path / "i", "--row", 1, "-k", 3)
    names = {line.split("\t")[3].rpartition("/")[2] for line in done.out.splitlines()}
    assert names == {r"line\nbreak.png", r"tab\there.png", r"\x1b[31mred.png"}
    [found] = json.loads(embedtool("search", tmp_path / "i", "--row", 1, "--json").out)["queries"]
    assert {Path(match["path"]) for match in found["matches"]} == set(photos.iterdir())


def test_a_condition_that_no_image_meets_is_said(index: Path) -> None:
    done = embedtool("search", index, "--row", 1, "--where", "label=none")
    assert (done.out, done.code) == ("", 0)
    assert done.err == "note: 1 of 1 queries found no image: --where label=none\n"


def test_more_matches_than_images_is_said(index: Path, drawn: Path) -> None:
    done = embedtool("search", index, drawn / "fish" / "fish-01.jpg", "-k", 500)
    assert len(done.out.splitlines()) == 37
    assert done.err == "note: 500 matches were asked for, the index holds 37 images\n"


def test_min_similarity(index: Path, drawn: Path) -> None:
    done = embedtool(
        "search", index, drawn / "fish" / "fish-01.jpg", "-k", 37, "--min-similarity", 0.9
    )
    found = [float(line.split("\t")[2]) for line in done.out.splitlines()]
    assert found and min(found) >= 0.9 and len(found) < 37


def test_max_rejects(index: Path, drawn: Path) -> None:
    for limit, code in (("1", 0), ("0", 1), ("5%", 0), ("1%", 1)):
        done = embedtool("index", drawn, "--index", index, "--max-rejects", limit)
        assert done.code == code and "rejected\t1" in done.out
        assert ("--max-rejects" in done.err) == bool(code)


def test_a_locked_index_exits_4(index: Path, drawn: Path) -> None:
    with Writer(index):
        failing(4, "another embedtool", "index", drawn, "--index", index)
        assert embedtool("search", index, "--row", 1).code == 0


def test_a_damaged_index_exits_3(index: Path, drawn: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(index, broken)
    segment = broken / "vectors" / "000001.npy"
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(data)
    failing(3, "is damaged", "search", broken, "--row", 1)
    done = embedtool("verify", broken)
    assert done.code == 3 and "000001.npy" in done.err


def test_a_full_disk_is_one_line_and_loses_nothing(drawn: Path, tmp_path: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    index = tmp_path / "index"
    first = drawn / "fish"
    assert embedtool("index", first, "--index", index, "--model", "builtin").code == 0
    done = subprocess.run(
        [sys.executable, "-m", "embedtool", "index", drawn, "--index", index],
        capture_output=True,
        preexec_fn=small_files,
        check=False,
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr and b"error: " in done.stderr
    assert json.loads(embedtool("info", index, "--json").out)["images"] == 3
    assert json.loads(embedtool("verify", index, "--json").out)["whole"] is True
    report = json.loads(embedtool("index", drawn, "--index", index, "--json").out)
    assert (report["added"], report["unchanged"]) == (33, 3)


def test_an_unwritable_folder(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        done = embedtool("index", drawn, "--index", place, "--model", "builtin")
        assert done.code == 1 and done.err.startswith("error: ") and done.err.count("\n") == 1


def test_auto_offline_says_what_it_costs(drawn: Path, tmp_path: Path) -> None:
    nowhere = {
        "EMBEDTOOL_CACHE_DIR": str(tmp_path / "cache"),
        "TFHUB_CACHE_DIR": str(tmp_path / "hub"),
        "KERAS_HOME": str(tmp_path / "keras"),
    }
    done = embedtool("index", drawn, "--json", cwd=tmp_path, **nowhere)
    assert done.code == 0 and json.loads(done.out)["model"] == "builtin"
    assert done.err.splitlines()[0].startswith("note: auto: mobilenet_v2 is in no cache")
    assert (tmp_path / "indexes" / "photos" / "catalog.sqlite").exists()
    failing(1, "TFHUB_CACHE_DIR", "index", drawn, "--index", tmp_path / "full",
            "--model", "mobilenet_v2", **nowhere)  # fmt: skip


def test_photo_lists_on_stdin(drawn: Path, tmp_path: Path) -> None:
    names = sorted((drawn / "city").iterdir())
    done = subprocess.run(
        [sys.executable, "-m", "embedtool", "index", "-", "--index", tmp_path / "i",
         "--model", "builtin", "--json"],
        input=b"\n".join(map(os.fsencode, [*names, drawn / "gone.jpg"])),
        capture_output=True,
        check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["added"] == 3
    assert (
        done.stderr.decode() == f"note: 1 listed paths do not exist, the first {drawn}/gone.jpg\n"
    )


def test_demo(tmp_path: Path) -> None:
    done = embedtool("demo", "--out", tmp_path / "demo", "--json")
    result = json.loads(done.out)
    assert done.code == 0
    assert (result["images"], result["rejected"]) == (362, 1)
    assert result["neighbours_of_own_kind"] > 0.9
    assert Path(result["page"]).read_text().count("<img") == 12 * 11
    assert result["clusters"] == 12
    assert "<title>Map of index</title>" in Path(result["map"]).read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_number_of_images(clothing: Path, tmp_path: Path) -> None:
    """Peak resident memory of indexing 500 photos and of 3,000, in MB."""
    everything = sorted((clothing / "train").rglob("*.jpg"))

    def peak(count: int) -> float:
        names = tmp_path / f"{count}.txt"
        names.write_text("\n".join(map(str, everything[:count])))
        script = (
            "import re, sys; from embedtool import index_photos\n"
            "report = index_photos(open(sys.argv[1]).read().splitlines(), index=sys.argv[2],\n"
            "                      model='builtin')\n"
            # Not ru_maxrss: that begins at what the process which started this one had.
            "peak = re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1]\n"
            "print(report.total, int(peak) / 1024)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, names, tmp_path / f"index {count}"],
            capture_output=True,
            check=True,
        )
        total, megabytes = done.stdout.split()
        assert int(total) == count
        return float(megabytes)

    few, many = peak(500), peak(3000)
    print(f"peak memory: {few:.0f} MB for 500 photos, {many:.0f} MB for 3,000")
    assert many < few + 40 and many < 1000
