"""TensorFlow and what of the house imports it, without its greeting on stderr."""

from embedtool.backbones.quiet import hushed

with hushed():
    import keras
    import tensorflow as tf

    from embedtool.backbones import network

    tf.zeros(1)  # it greets again at its first tensor

__all__ = ["keras", "network", "tf"]
