"""The frozen layers of a network, below the cut, run by the fast CPU runtime."""

import hashlib
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from embedtool.core.types import Pixels
from embedtool.errors import UsageError
from embedtool.models import Backbone, load_backbone
from embedtool.models.litert import LiteRTNetwork
from embedtool.models.model_folder import FINAL_LAYER, MOBILENET, UNPOOLED

ALL, NONE = "all", "none"  # how much of the network is trained, below the head


class FrozenPart:
    """The frozen part of a network, from pixels to the input of the lowest trained layer.

    If all layers are trained, this input is the pixels; if none are, the pooled features. Safe to
    call from many threads.
    """

    def __init__(self, backbone: Backbone, unfreeze: str) -> None:
        """Raises UsageError if the network or the part cannot be trained."""
        folder = backbone.folder
        if folder.architecture != MOBILENET:
            raise UsageError(
                f"expected a MobileNetV2, but {backbone.spec} is another network. Run: "
                "embedtool finetune PHOTOS --out MODEL --model mobilenet_v2"
            )
        cuts = folder.cuts()
        if unfreeze not in (ALL, NONE, *cuts):
            raise UsageError(
                f"expected the lowest block to train ({ALL}, {', '.join(cuts)}, {NONE}), "
                f"received --unfreeze {unfreeze}"
            )
        self.size = folder.size
        self._network: LiteRTNetwork | None = None
        if unfreeze == ALL:
            self.shape: tuple[int, ...] = (folder.size, folder.size, 3)
            self.dtype: np.dtype[Any] = np.dtype(np.uint8)
            made_of = f"pixels {folder.size} {backbone.recipe.decode}"
        else:
            layer = cuts.get(unfreeze, FINAL_LAYER)
            part = load_backbone(backbone.spec, layer=layer, precision="float32")
            if unfreeze != NONE:
                part = replace(part, recipe=replace(part.recipe, pooling=UNPOOLED))
            self._network = LiteRTNetwork(part.compiled())
            blank = np.zeros((1, folder.size, folder.size, 3), np.uint8)
            self.shape = self._network.forward(blank).shape[1:]
            self.dtype = np.dtype(np.float16)
            made_of = str(asdict(part.recipe))
        self.fingerprint = hashlib.sha256(f"{made_of} {self.dtype}".encode()).hexdigest()

    def forward(self, pixels: Pixels) -> npt.NDArray[Any]:
        """Map pixels (n, s, s, 3), uint8, to rows (n, *shape) of self.dtype."""
        return self._network.forward(pixels).astype(self.dtype) if self._network else pixels
