"""A compiled network with a valid digest that LiteRT refuses."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from embedtool.errors import ModelUnavailable
from embedtool.models import load_backbone
from embedtool.models.embedder import NetworkEmbedder
from embedtool.models.find_model import BUILTIN
from embedtool.models.model_folder import read_folder


@pytest.mark.parametrize("content", [b"", b"no network", b"\x1c\0\0\0TFL3" + bytes(100)])
def test_a_file_that_litert_refuses_is_an_error(tmp_path: Path, content: bytes) -> None:
    model = Path(shutil.copytree(BUILTIN, tmp_path / "model"))
    card = json.loads((model / "model.json").read_text())
    [name] = card["compiled"]
    (model / name).write_bytes(content)
    card["compiled"][name] = hashlib.sha256(content).hexdigest()
    (model / "model.json").write_text(json.dumps(card))
    embedder = NetworkEmbedder(load_backbone(str(model)))
    size = read_folder(model).size
    with pytest.raises(ModelUnavailable, match="LiteRT cannot run"):
        embedder.embed(np.zeros((1, size, size, 3), np.uint8))
