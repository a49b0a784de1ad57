"""`search`: JSON, tables, queries from everywhere, conditions, its page."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import embedtool, embedtool_here, fails
from support.pictures import encoded, picture, save
from support.vectors import built as built
from support.vectors import large as large

from embedtool.store.writer import Writer


def test_search_json(index: Path, drawn: Path) -> None:
    query = drawn / "city" / "city-01.jpg"
    done = embedtool("search", index, query, "-k", 3, "--json")
    answer = json.loads(done.out)
    assert done.code == 0 and done.err == ""
    assert set(answer) == {"schema", "queries", "search", "similarity"}
    assert answer["search"] == {"kind": "exact"}
    assert answer["similarity"] == "cosine of the vectors", "the index has 37 images"
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
    done = embedtool("search", index, "-", "--row", 2, "-k", 1, "--json", stdin=lines)
    queries = json.loads(done.out)["queries"]
    first = [Path(q["matches"][0]["path"]).name for q in queries]
    with Writer(index) as opened:
        second = Path(os.fsdecode(list(opened.rows())[1].path)).name
    assert first == ["face-01.jpg", "planet-02.jpg", second]
    by_nul = embedtool("search", index, "-", "-k", 1, "--json", stdin=lines.replace(b"\n", b"\0"))
    assert json.loads(by_nul.out)["queries"] == queries[:2]


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


def test_html_page_is_self_contained(index: Path, drawn: Path, tmp_path: Path) -> None:
    odd = tmp_path / "<b>&'\" odd.png"
    shutil.copy(drawn / "fish" / "fish-01.jpg", odd)
    page = tmp_path / "page.html"
    done = embedtool("search", index, odd, "--html", page, "-k", 4)
    assert done.code == 0 and done.err == f"page: {page}\n"
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 5
    assert "<b>&'" not in text and "&lt;b&gt;&amp;" in text
    assert "://" not in text.replace("file://", "") and 'src="file' not in text


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
    fails(2, "expected label=NAME", "search", index, query, "--where", "colour=red")
    fails(2, "received '5X'", "search", index, query, "--max-memory", "5X")
    fails(2, "expected a minimum recall", "search", index, query, "--min-recall", "7")


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
    assert done.err == "note: 1 of 1 queries matched no image (conditions: --where label=none)\n"


def test_more_matches_than_images_is_said(index: Path, drawn: Path) -> None:
    done = embedtool("search", index, drawn / "fish" / "fish-01.jpg", "-k", 500)
    assert len(done.out.splitlines()) == 37
    assert done.err == "note: the index has 37 images, which is fewer than -k 500\n"


def test_min_similarity(index: Path, drawn: Path) -> None:
    done = embedtool(
        "search", index, drawn / "fish" / "fish-01.jpg", "-k", 37, "--min-similarity", 0.9
    )
    found = [float(line.split("\t")[2]) for line in done.out.splitlines()]
    assert found and min(found) >= 0.9 and len(found) < 37


@pytest.mark.slow
def test_a_search_and_info_state_the_recall_and_for_which_queries(large: Path) -> None:
    certificate = json.loads(embedtool_here("info", large, "--json").out)["certificate"]
    recall = certificate["recall"]
    done = embedtool_here("search", large, "--row", "7", "-k", "5")
    assert (
        done.code == 0
        and (
            f"note: search is approximate: it finds at least {recall['10']:.1%} of the 10 nearest, "
            "measured with images of the collection and mixtures of four of them"
        )
        in done.err
    )
    done = embedtool_here("search", large, "--row", "7", "-k", "30")
    assert f"at least {recall['100']:.1%} of the 100 nearest" in done.err
    exact = embedtool_here("search", large, "--row", "7", "-k", "101")
    quiet = embedtool_here("search", large, "--row", "7", "--quiet")
    assert "approximate" not in exact.err + quiet.err
    info = " ".join(embedtool_here("info", large).out.split())
    assert f"recall: at least {recall['1']:.3f} of the 1, {recall['10']:.3f} of the 10" in info
    assert "mixtures of four of them (2,000 queries)" in info
