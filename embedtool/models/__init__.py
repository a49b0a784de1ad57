"""Find a network by name. TensorFlow is imported only if something must be built."""

from embedtool.models.backbone import Backbone, load_backbone, reopen

__all__ = ["Backbone", "load_backbone", "reopen"]
