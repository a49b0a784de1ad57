"""embedtool: index a folder of photos, then search it by picture.

Every public name is imported when it is first used, so `import embedtool` is fast. All errors are
in `embedtool.errors`, the scikit-learn transformer is in `embedtool.sklearn`.

The examples in the docstrings need these lines first:

>>> import embedtool
>>> embedtool.draw_photos("photos")
362
>>> embedtool.index_photos("photos", index="indexes/photos", model="builtin").added
360
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedtool.collection.index_photos import index_photos as index_photos
    from embedtool.demo import run_demo as run_demo
    from embedtool.duplicates.move_files import move_duplicates as move_duplicates
    from embedtool.duplicates.move_files import undo_moves as undo_moves
    from embedtool.errors import EmbedtoolError as EmbedtoolError
    from embedtool.finetune.run import finetune_model as finetune_model
    from embedtool.finetune.settings import FinetuneSettings as FinetuneSettings
    from embedtool.finetune.tune import tune_model as tune_model
    from embedtool.images.drawn import draw_photos as draw_photos
    from embedtool.interchange.import_vectors import import_vectors as import_vectors
    from embedtool.library.functions import cluster_index as cluster_index
    from embedtool.library.functions import compact_index as compact_index
    from embedtool.library.functions import compare_indexes as compare_indexes
    from embedtool.library.functions import doctor_index as doctor_index
    from embedtool.library.functions import evaluate_probe as evaluate_probe
    from embedtool.library.functions import export_index as export_index
    from embedtool.library.functions import find_duplicates as find_duplicates
    from embedtool.library.functions import find_outliers as find_outliers
    from embedtool.library.functions import index_info as index_info
    from embedtool.library.functions import index_rejects as index_rejects
    from embedtool.library.functions import map_index as map_index
    from embedtool.library.functions import open as open
    from embedtool.library.functions import predict_images as predict_images
    from embedtool.library.functions import search_photos as search_photos
    from embedtool.library.functions import train_probe as train_probe
    from embedtool.library.functions import verify_index as verify_index
    from embedtool.library.index import Index as Index
    from embedtool.models.embed_photos import embed_photos as embed_photos
    from embedtool.models.library import import_model as import_model
    from embedtool.models.library import known_models as known_models
    from embedtool.models.library import model_info as model_info

    __version__: str

_MODULES = {
    "collection.index_photos": "index_photos",
    "demo": "run_demo",
    "duplicates.move_files": "move_duplicates undo_moves",
    "errors": "EmbedtoolError",
    "finetune.run": "finetune_model",
    "finetune.settings": "FinetuneSettings",
    "finetune.tune": "tune_model",
    "images.drawn": "draw_photos",
    "interchange.import_vectors": "import_vectors",
    "library.functions": "cluster_index compact_index compare_indexes doctor_index evaluate_probe "
    "export_index find_duplicates find_outliers index_info index_rejects "
    "map_index open predict_images search_photos train_probe verify_index",
    "library.index": "Index",
    "models.embed_photos": "embed_photos",
    "models.library": "import_model known_models model_info",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("embedtool")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'embedtool' has no attribute {name!r}")
    return getattr(import_module(f"embedtool.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
