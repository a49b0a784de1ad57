"""Find the model folder of a name. An index may name a model; only the user may let one run.

A SavedModel is a program: it can read and write files. It runs when it is imported and when it is
compiled, so the user must name it on this machine: with --model, `model pull` or `model import`.
The user cache keeps the import, which serves every index with the same weights. The two modules of
the full MobileNetV2 need no permission, because they do not run: their tensors are read by name.
"""

import hashlib
import os
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from embedtool.errors import ModelOffline, ModelUnavailable, UsageError
from embedtool.models.cache import cache_folder, hub_folder
from embedtool.models.model_folder import ModelFolder, files_digest, read_folder
from embedtool.models.tensorflow_process import run_job

BUILTIN = Path(__file__).parent / "builtin"
FULL = "mobilenet_v2"
HUB_FOLDER = "https://tfhub.dev/google/imagenet/mobilenet_v2_100_224"
FULL_HANDLE = f"{HUB_FOLDER}/feature_vector/5"
CLASSIFIER_HANDLE = f"{HUB_FOLDER}/classification/5"
KERAS_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
REACH_TIMEOUT = 4.0  # seconds `auto` waits for a first answer before it uses the built-in network


def model_of_user(spec: str, *, run: bool = True) -> ModelFolder:
    """Return the model that the user names. A SavedModel runs when it is imported the first time.

    run: False raises ModelUnavailable instead of running a SavedModel. Raises ModelOffline, and
    UsageError for an unknown name.
    """
    if found := _find(spec):
        _remember(found)
        return found
    if "://" in spec:
        target = imported_folder(spec)
    elif _holds(spec, "saved_model.pb"):
        target = cache_folder() / "models" / files_digest(Path(spec))[:32]
    else:
        raise UsageError(
            f"expected auto, builtin, mobilenet_v2, a TF Hub handle (https://...), a SavedModel "
            f"folder or a model folder; received {spec!r}. List the models: embedtool model list"
        )
    if not target.exists():
        if not run:
            raise ModelUnavailable(f"{spec} has not been imported. {_permission(spec)}")
        if "://" in spec:
            _import_handle("import_handle", spec, target)
        else:
            path = os.path.abspath(spec)
            run_job("import_saved_model", path=path, name=path, target=str(target))
    return read_folder(target)


def names_folder(spec: str) -> bool:
    """Return whether a spec that was found is the path of a model, and no name: a folder of any
    kind may be named `builtin`."""
    named = spec == "builtin" or spec in (FULL, FULL_HANDLE, CLASSIFIER_HANDLE)
    return not named and (_holds(spec, "model.json") or _holds(spec, "saved_model.pb"))


def model_of_index(spec: str, weights: str) -> ModelFolder:
    """Return the model that an index names. A SavedModel that the user did not import never runs.

    weights: their digest in the recipe of the index. The result has other weights if the name now
    stands for another model. Raises ModelUnavailable, with the command that gives permission, and
    ModelOffline.
    """
    imported = [] if spec == "builtin" else list(imported_models())
    same_weights = [model for model in imported if model.weights == weights]
    same_name = [model for model in imported if model.name == spec]
    if found := next(iter(same_weights), None):
        return found
    if found := _find(spec):
        return found if spec == "builtin" else _with_known_programs(found)
    if found := next(iter(same_name), None):
        return found
    if "://" in spec or _holds(spec, "saved_model.pb"):
        raise ModelUnavailable(f"this index was made with the model {spec}. {_permission(spec)}")
    raise ModelUnavailable(
        f"this index was made with the model {spec}, which no longer exists. Restore it, import a "
        "copy of it (embedtool model import FOLDER), or index into a new folder: embedtool index "
        "PHOTOS --index indexes/NEW"
    )


def imported_models() -> Iterator[ModelFolder]:
    """Yield every model folder in the user cache, except those whose model.json is damaged."""
    for file in sorted((cache_folder() / "models").glob("*/model.json")):
        with suppress(ModelUnavailable):
            yield read_folder(file.parent)


def imported_folder(spec: str) -> Path:
    """Return the folder in the user cache for a handle or a name."""
    is_name = "/" not in spec and spec.strip(".")
    key = spec if is_name else hashlib.sha256(os.fsencode(spec)).hexdigest()[:32]
    return cache_folder() / "models" / (FULL if spec == FULL_HANDLE else key)


def is_available(spec: str) -> bool:
    """Return whether a handle can be loaded without a network connection."""
    if imported_folder(spec).exists():
        return True
    handle = FULL_HANDLE if spec == FULL else spec
    keras_home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    return (hub_folder() / hashlib.sha1(handle.encode()).hexdigest()).is_dir() or (
        spec == FULL and (keras_home / "models" / KERAS_FILE).is_file()
    )


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


def _find(spec: str) -> ModelFolder | None:
    """Return a model that can be read without running a SavedModel, or None."""
    if spec == "builtin":
        return read_folder(BUILTIN)
    target = imported_folder(spec)
    if spec in (FULL, FULL_HANDLE, CLASSIFIER_HANDLE):
        if not target.exists():
            _import_handle("import_mobilenet", spec, target)
    elif _holds(spec, "model.json"):
        target = Path(spec)
    elif _holds(spec, "saved_model.pb"):
        return None
    return read_folder(target) if os.path.exists(target) else None


def _remember(model: ModelFolder) -> None:
    """Record that the user named a model folder, so that its LiteRT files may run for an index."""
    with suppress(OSError):  # a cache that is read-only
        for sha256 in model.compiled.values():
            _note(sha256).parent.mkdir(parents=True, exist_ok=True)
            _note(sha256).touch()


def _with_known_programs(model: ModelFolder) -> ModelFolder:
    """Return a model folder without the LiteRT files that the user never named. A stranger's could
    be another network, or never end; the weights are compiled instead."""
    known = {file: sha256 for file, sha256 in model.compiled.items() if _note(sha256).exists()}
    return replace(model, compiled=known)


def _note(sha256: str) -> Path:
    """Return the file that says that the user named a LiteRT file. A stranger chose the text."""
    return cache_folder() / "named" / hashlib.sha256(os.fsencode(sha256)).hexdigest()


def _holds(folder: str, name: str) -> bool:
    return os.path.isfile(os.path.join(folder, name))


def _import_handle(job: str, spec: str, target: Path) -> None:
    handle = FULL_HANDLE if spec == FULL else spec
    if not is_available(spec):
        require_network(spec, handle)
    try:
        run_job(job, handle=handle, name=spec, target=str(target))
    except ModelOffline as error:
        raise _offline(spec, str(error)) from error


def _permission(spec: str) -> str:
    command = "pull" if "://" in spec else "import"
    return (
        "A SavedModel can read and write files, so embedtool runs it only if you name it. If you "
        f"trust it, run: embedtool model {command} {shlex.quote(spec)}"
    )


def _offline(spec: str, why: str) -> ModelOffline:
    why = " ".join(why.split())[:200]
    return ModelOffline(
        f"{spec} is not cached and cannot be downloaded ({why}). Use --model builtin, or set "
        "TFHUB_CACHE_DIR to a folder that contains it, or run: embedtool model import PATH"
    )
