"""TensorFlow and Keras, loaded without TensorFlow's greeting where the process is our own.

In a host's process they are imported and nothing else: TensorFlow writes there what it always does.
"""

from embedtool.core.own_process import quiet_stderr

with quiet_stderr() as quiet:
    import keras
    import tensorflow as tf

    from embedtool.models import mobilenet

    if quiet:
        tf.zeros(1)  # it greets again at its first tensor
__all__ = ["keras", "mobilenet", "tf"]
