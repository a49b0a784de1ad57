"""The Backbone of a model spec. TensorFlow is used only to import or compile a network."""

import hashlib
import os
import shlex
import shutil
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from embedtool.core.foreign_files import open_regular, read_json
from embedtool.core.types import Recipe
from embedtool.errors import ModelMismatch, ModelOffline, ModelUnavailable, UsageError
from embedtool.images.decode import POLICY
from embedtool.models import int8_calibration
from embedtool.models.cache import cache_folder
from embedtool.models.find_model import (
    BUILTIN,
    FULL,
    model_of_index,
    model_of_user,
    names_folder,
)
from embedtool.models.model_folder import MOBILENET, POOLED, ModelFolder, read_folder
from embedtool.models.tensorflow_process import run_job

PRECISIONS = ("float32", "int8")


@dataclass(frozen=True)
class Backbone:
    """A network with one layer and one precision: everything that a fingerprint covers."""

    spec: str  # pass this as model to get it again
    folder: ModelFolder
    recipe: Recipe
    note: str = ""  # one line for the user, if the choice needs an explanation

    @property
    def fingerprint(self) -> str:
        return self.recipe.fingerprint

    @property
    def precision(self) -> str:
        return self.recipe.precision_name

    @property
    def dim(self) -> int:
        return self.folder.layers[self.recipe.layer]

    def compiled(self) -> Path:
        """Return the LiteRT file, checked against its SHA-256. Compile it if it is not cached."""
        shipped = self.folder.path / f"{self.precision}.tflite"
        usual = (self.recipe.layer, self.recipe.pooling) == (self.folder.layer, POOLED)
        if usual and shipped.name in self.folder.compiled:
            if _intact(shipped, self.folder.compiled[shipped.name]):
                return shipped
            mend = "install embedtool again" if self.spec == "builtin" else "copy its folder again"
            raise ModelUnavailable(f"{shipped} is damaged: {mend}")
        target = cache_folder() / "compiled" / self.fingerprint
        if not _compiled_intact(target):
            shutil.rmtree(target, ignore_errors=True)
            _compile(
                folder=str(self.folder.path),
                layer=self.recipe.layer,
                precision=self.precision,
                pooling=self.recipe.pooling,
                target=str(target),
                about={"spec": self.spec, "dim": self.dim, "recipe": asdict(self.recipe)},
            )
        return target / "model.tflite"


def load_backbone(
    spec: str = "auto",
    *,
    layer: str | None = None,
    precision: str | None = None,
    run: bool = True,
) -> Backbone:
    """Find the network that the user names. The first time, it is imported into the user cache.

    spec: "auto", "builtin", "mobilenet_v2", a TF Hub handle, a SavedModel folder, a model folder,
    or the name of an imported model. A SavedModel that an index names is opened by `reopen`. layer:
    the layer to pool; default: the last. precision: "float32" or "int8"; default: that of the
    model. run: False raises ModelUnavailable instead of running a SavedModel to import it.
    Raises ModelOffline, ModelUnavailable, or UsageError for an unknown spec, layer or precision.
    """
    if spec == "auto":
        return _auto(layer, precision)
    model = model_of_user(spec, run=run)
    layer, precision = layer or model.layer, precision or model.precision
    if layer not in model.layers:
        near = [name for name in model.layers if layer.split("_")[0] in name] or model.layers
        raise UsageError(
            f"expected a layer of {spec}, such as {', '.join(list(near)[:12])}; received "
            f"{layer!r}. List all layers: embedtool model info {spec}"
        )
    if precision not in PRECISIONS:
        raise UsageError(f"expected precision float32 or int8, received {precision!r}")
    recipe = _recipe(model, layer, precision)
    return Backbone(os.path.abspath(spec) if names_folder(spec) else spec, model, recipe)


def reopen(spec: str, recipe: Recipe) -> Backbone:
    """Return the backbone of an index, without running a SavedModel that only the index names.

    Raises ModelMismatch if the spec now names another model, ModelOffline, and ModelUnavailable
    with the command that gives permission to run a SavedModel.
    """
    model = model_of_index(spec, recipe.weights)
    precision = recipe.precision_name
    old, new = asdict(recipe), asdict(_recipe(model, recipe.layer, precision))
    known = {"layer": recipe.layer in model.layers, "precision": precision in PRECISIONS}
    differing = [key for key in old if old[key] != new[key] or not known.get(key, True)]
    if differing:
        model_name, layer, precision = map(shlex.quote, (spec, recipe.layer, precision))
        raise ModelMismatch(
            f"{spec} is no longer the model that this index was made with ({', '.join(differing)} "
            "changed). Restore the old model, or index into a new folder: embedtool index PHOTOS "
            f"--model {model_name} --layer {layer} --precision {precision} --index indexes/NEW"
        )
    return Backbone(spec, model, recipe)


def _recipe(model: ModelFolder, layer: str, precision: str) -> Recipe:
    return Recipe(
        weights=model.weights,
        architecture=f"{model.architecture} {model.alpha:g}"
        if model.architecture == MOBILENET
        else model.architecture,
        layer=layer,
        pooling=POOLED,
        size=model.size,
        low=model.low,
        high=model.high,
        decode=POLICY,
        precision=f"int8 {int8_calibration.VERSION}" if precision == "int8" else precision,
    )


def _auto(layer: str | None, precision: str | None) -> Backbone:
    try:
        return load_backbone(FULL, layer=layer, precision=precision)
    except ModelOffline as error:
        cards = read_folder(BUILTIN).card["measured"]["clothing"]
        small, full = cards["builtin int8"], cards["full network float32"]
        note = (
            f"auto: mobilenet_v2 is not cached and cannot be downloaded, so the built-in network "
            f"is used. On a set of clothing photos, its precision@10 is "
            f"{small['precision_at_10']:.0%}; that of mobilenet_v2 is {full['precision_at_10']:.0%}"
        )
        try:
            return replace(load_backbone("builtin", layer=layer, precision=precision), note=note)
        except UsageError:
            raise error from None


def _compile(**request: Any) -> None:
    if "tensorflow" in sys.modules:  # a child would load it again, which takes longer
        from embedtool.models.tensorflow_jobs import compile_folder

        compile_folder(**request)
    else:
        run_job("compile_folder", **request)


def _compiled_intact(target: Path) -> bool:
    try:
        about = read_json(target / "compiled.json", follow=True)
        return _intact(target / "model.tflite", about["sha256"])
    except (OSError, ValueError, KeyError):
        return False


def _intact(file: Path, sha256: str) -> bool:
    try:
        with open_regular(file, follow=True) as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == sha256
    except OSError:
        return False
