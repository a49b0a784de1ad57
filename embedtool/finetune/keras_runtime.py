"""TensorFlow and what of the house imports it, without its greeting on stderr."""

import os

from embedtool.models.quiet import hushed

# Warnings, no news: it tells later, too, what it has done about malloc.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
with hushed():
    import keras
    import tensorflow as tf

    from embedtool.models import mobilenet

    tf.zeros(1)  # it greets again at its first tensor
tf.get_logger().setLevel("ERROR")  # it warns of functions traced anew, as each trial must
__all__ = ["keras", "mobilenet", "tf"]
