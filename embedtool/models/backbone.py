"""Find the Backbone of a model spec. TensorFlow is used only to import or compile a network."""

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from embedtool.core.foreign_files import read_json
from embedtool.core.types import Recipe
from embedtool.errors import ModelMismatch, ModelOffline, ModelUnavailable, UsageError
from embedtool.images.decode import POLICY
from embedtool.models import int8_calibration
from embedtool.models.cache import cache_folder, hub_folder
from embedtool.models.model_folder import MOBILENET, POOLED, ModelFolder, files_digest, read_folder
from embedtool.models.tensorflow_process import run_job

BUILTIN = Path(__file__).parent / "builtin"
FULL = "mobilenet_v2"
FULL_HANDLE = "https://tfhub.dev/google/imagenet/mobilenet_v2_100_224/feature_vector/5"
KERAS_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
REACH_TIMEOUT = 4.0  # seconds `auto` waits for a first answer before it uses the built-in network
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
    spec: str = "auto", *, layer: str | None = None, precision: str | None = None
) -> Backbone:
    """Find the network that a spec names. The first time, it is imported into the user cache.

    spec: "auto", "builtin", "mobilenet_v2", a TF Hub handle, a SavedModel folder, a model folder,
    or the name of an imported model. layer: the layer to pool; default: the last. precision:
    "float32" or "int8"; default: that of the model.
    Raises ModelOffline, ModelUnavailable, or UsageError for an unknown spec, layer or precision.
    """
    if spec == "auto":
        return _auto(layer, precision)
    model = _folder(spec)
    layer, precision = layer or model.layer, precision or model.precision
    if layer not in model.layers:
        near = [name for name in model.layers if layer.split("_")[0] in name] or model.layers
        raise UsageError(
            f"expected a layer of {spec}, such as {', '.join(list(near)[:12])}; received "
            f"{layer!r}. List all layers: embedtool model info {spec}"
        )
    if precision not in PRECISIONS:
        raise UsageError(f"expected precision float32 or int8, received {precision!r}")
    recipe = Recipe(
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
    return Backbone(os.path.abspath(spec) if os.path.isdir(spec) else spec, model, recipe)


def reopen(spec: str, recipe: Recipe) -> Backbone:
    """Return the backbone of an index. Raises ModelMismatch if the spec now names another one."""
    precision = recipe.precision_name
    try:
        backbone = load_backbone(spec, layer=recipe.layer, precision=precision)
    except UsageError:  # the folder was moved: the cache may have what was imported from it
        backbone = _by_weights(spec, recipe)
    if backbone.recipe != recipe:
        old, new = asdict(recipe), asdict(backbone.recipe)
        differing = [key for key in old if old[key] != new[key]]
        raise ModelMismatch(
            f"{spec} is no longer the model that this index was made with ({', '.join(differing)} "
            "changed). Restore the old model, or index into a new folder: embedtool index PHOTOS "
            f"--model {spec} --layer {recipe.layer} --precision {precision} --index indexes/NEW"
        )
    return backbone


def _by_weights(spec: str, recipe: Recipe) -> Backbone:
    for model in imported_models():
        if model.weights == recipe.weights:
            return Backbone(spec, model, recipe)
    raise ModelUnavailable(
        f"this index was made with the model {spec}, which no longer exists. Restore it, or index "
        "into a new folder: embedtool index PHOTOS --index indexes/NEW"
    )


def is_available(spec: str) -> bool:
    """Return whether a handle can be loaded without a network connection."""
    if imported_folder(spec).exists():
        return True
    handle = FULL_HANDLE if spec == FULL else spec
    keras_home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    return (hub_folder() / hashlib.sha1(handle.encode()).hexdigest()).is_dir() or (
        spec == FULL and (keras_home / "models" / KERAS_FILE).is_file()
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


def _folder(spec: str) -> ModelFolder:
    if spec == "builtin":
        return read_folder(BUILTIN)
    if spec == FULL or "://" in spec:
        return _handle(spec)
    path = Path(spec)
    if (path / "model.json").is_file():
        return read_folder(path)
    if (path / "saved_model.pb").is_file():
        return read_folder(saved_model_folder(path))
    if spec and os.sep not in spec and imported_folder(spec).exists():
        return read_folder(imported_folder(spec))
    raise UsageError(
        f"expected auto, builtin, mobilenet_v2, a TF Hub handle (https://...), a SavedModel folder "
        f"or a model folder; received {spec!r}. List the models: embedtool model list"
    )


def imported_models() -> Iterator[ModelFolder]:
    """Yield every model folder in the user cache."""
    for file in sorted((cache_folder() / "models").glob("*/model.json")):
        yield read_folder(file.parent)


def imported_folder(spec: str) -> Path:
    """Return the folder in the user cache for a handle or a name."""
    key = spec if "/" not in spec else hashlib.sha256(spec.encode()).hexdigest()[:32]
    return cache_folder() / "models" / (FULL if spec == FULL_HANDLE else key)


def _handle(spec: str) -> ModelFolder:
    target = imported_folder(spec)
    if not target.exists():
        handle = FULL_HANDLE if spec == FULL else spec
        if not is_available(spec):
            require_network(spec, handle)
        try:
            run_job(
                "import_handle",
                handle=handle,
                name=spec,
                target=str(target),
                keras_too=handle == FULL_HANDLE,
            )
        except ModelOffline as error:
            raise _offline(spec, str(error)) from error
    return read_folder(target)


def saved_model_folder(path: Path) -> Path:
    """Return the model folder of a SavedModel, which is imported the first time."""
    target = cache_folder() / "models" / files_digest(path)[:32]
    if not target.exists():
        whole = os.path.abspath(path)
        run_job("import_saved_model", path=whole, name=whole, target=str(target))
    return target


def require_network(spec: str, handle: str) -> None:
    """Request the headers of a handle, so that a machine without a network fails in seconds.

    Raises ModelOffline."""
    import http.client  # takes 30 ms, needed only for a download
    import urllib.error
    import urllib.request

    try:
        request = urllib.request.Request(handle, method="HEAD")
        urllib.request.urlopen(request, timeout=REACH_TIMEOUT).close()
    except urllib.error.HTTPError:
        return  # a server answered: the download itself will report more
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _offline(spec, str(error)) from error


def _offline(spec: str, why: str) -> ModelOffline:
    why = " ".join(why.split())[:200]
    return ModelOffline(
        f"{spec} is not cached and cannot be downloaded ({why}). Use --model builtin, or set "
        "TFHUB_CACHE_DIR to a folder that contains it, or run: embedtool model import PATH"
    )


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
    return hashlib.sha256(file.read_bytes()).hexdigest() == sha256
