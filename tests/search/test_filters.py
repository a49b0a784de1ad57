"""Conditions that images must meet to be searched."""

import os

import pytest

from embedtool.errors import UsageError
from embedtool.search.filters import Filter, parse_filter


@pytest.mark.parametrize(
    ("conditions", "accepted"),
    [
        (["path=/photos/a"], ["/photos|a/1.jpg", "/photos|a/b/1.jpg", "/photos/a|1.jpg"]),
        (["path=/photos/a/"], ["/photos|a/1.jpg", "/photos|a/b/1.jpg", "/photos/a|1.jpg"]),
        (["path=/photos/ab/1.jpg"], ["/photos|ab/1.jpg"]),
        (["path=/photos/ab", "path=/photos/a/b"], ["/photos|a/b/1.jpg", "/photos|ab/1.jpg"]),
        (["label=a"], ["/photos|a/1.jpg", "/photos/a|1.jpg", "/other|photos/a/1.jpg"]),
        (["label=b", "label=ab"], ["/photos|a/b/1.jpg", "/photos|ab/1.jpg"]),
        (["label=a", "path=/photos"], ["/photos|a/1.jpg", "/photos/a|1.jpg"]),
        (["label=ab", "path=/photos/a"], []),
        (["label=photos"], ["/photos|1.jpg"]),
        (["label="], ["/|1.jpg"]),
    ],
)
def test_the_images_that_conditions_accept(conditions: list[str], accepted: list[str]) -> None:
    images = [
        "/photos|a/1.jpg",
        "/photos|a/b/1.jpg",
        "/photos/a|1.jpg",
        "/photos|ab/1.jpg",
        "/photos|1.jpg",
        "/other|photos/a/1.jpg",
        "/|1.jpg",
    ]
    chosen = parse_filter(conditions)
    assert chosen
    assert [
        image for image in images if chosen.accepts(*map(os.fsencode, image.split("|")))
    ] == accepted


def test_the_root_of_the_disk_accepts_all_and_no_condition_is_no_filter() -> None:
    everything = parse_filter(["path=/"])
    assert everything and everything.accepts(b"/photos", b"1.jpg")
    assert Filter().accepts(b"/photos", b"1.jpg")
    assert parse_filter([]) is None


@pytest.mark.parametrize("condition", ["size=3", "label", "path", "path=", ""])
def test_what_is_no_condition(condition: str) -> None:
    with pytest.raises(UsageError, match=f"FOLDER, received '{condition}'"):
        parse_filter([condition])
