"""A name -> a network. Nothing here imports TensorFlow until something must be built."""

from embedtool.backbones.folder import ModelFolder
from embedtool.backbones.resolve import (
    Backbone,
    import_model,
    known_models,
    pull,
    reopen,
    resolve,
)

__all__ = [
    "Backbone",
    "ModelFolder",
    "import_model",
    "known_models",
    "pull",
    "reopen",
    "resolve",
]
