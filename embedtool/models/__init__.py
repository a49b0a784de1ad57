"""A name -> a network. Nothing here imports TensorFlow until something must be built."""

from embedtool.models.backbone import Backbone, load_backbone, reopen

__all__ = ["Backbone", "load_backbone", "reopen"]
