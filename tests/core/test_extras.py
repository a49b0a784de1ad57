"""A missing library is named with the line that installs it."""

import pytest

from embedtool.core import extras
from embedtool.errors import EmbedtoolError


def test_what_is_missing_is_named_with_the_versions_that_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extras.require("numpy", "pathlib")
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name != "numpy" else object())
    with pytest.raises(EmbedtoolError) as caught:
        extras.require("numpy", "pyarrow", "h5py", "nothing")
    assert str(caught.value) == (
        "this needs libraries that are not installed (pyarrow and h5py and nothing). Run: "
        "pip install 'pyarrow>=16' 'h5py>=3.11' 'nothing'"
    )
