"""embedtool: index a folder of photos, then search it by picture.

Every public name is imported when it is first used, so `import embedtool` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedtool.api import (
        default_index,
        doctor_index,
        embed_photos,
        import_model,
        index_info,
        index_photos,
        index_rejects,
        known_models,
        load_backbone,
        model_info,
        open_embedder,
        run_bench,
        run_demo,
        search_photos,
        verify_index,
        write_search_page,
    )
    from embedtool.backbones.resolve import Backbone
    from embedtool.bench import BenchReport
    from embedtool.decode import decode_image
    from embedtool.demo import draw_photos
    from embedtool.embed import Embedder, MeanColourEmbedder, NetworkEmbedder
    from embedtool.errors import (
        EmbedtoolError,
        ImageRejected,
        IndexDamaged,
        IndexLocked,
        IndexTooNew,
        ModelMismatch,
        ModelOffline,
        ModelUnavailable,
        NotAnIndex,
        PhotosMissing,
        TooManyRejects,
        UsageError,
    )
    from embedtool.store import Index
    from embedtool.types import IndexReport, Match, QueryMatches, Recipe, Reject

_ROOMS = {
    "api": (
        "default_index",
        "doctor_index",
        "embed_photos",
        "import_model",
        "index_info",
        "index_photos",
        "index_rejects",
        "known_models",
        "load_backbone",
        "model_info",
        "open_embedder",
        "run_bench",
        "run_demo",
        "search_photos",
        "verify_index",
        "write_search_page",
    ),
    "backbones.resolve": ("Backbone",),
    "bench": ("BenchReport",),
    "decode": ("decode_image",),
    "demo": ("draw_photos",),
    "embed": ("Embedder", "MeanColourEmbedder", "NetworkEmbedder"),
    "errors": (
        "EmbedtoolError",
        "ImageRejected",
        "IndexDamaged",
        "IndexLocked",
        "IndexTooNew",
        "ModelMismatch",
        "ModelOffline",
        "ModelUnavailable",
        "NotAnIndex",
        "PhotosMissing",
        "TooManyRejects",
        "UsageError",
    ),
    "store": ("Index",),
    "types": ("IndexReport", "Match", "QueryMatches", "Recipe", "Reject"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}
__all__ = sorted(_ROOM_OF)


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'embedtool' has no attribute {name!r}")
    return getattr(import_module(f"embedtool.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
