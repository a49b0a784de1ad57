"""Import TensorFlow and Keras, without TensorFlow's start-up messages if the process is our own.

In a host's process they are only imported, and TensorFlow writes its usual messages.
"""

from embedtool.core.own_process import quiet_stderr

with quiet_stderr() as quiet:
    import keras
    import tensorflow as tf

    from embedtool.models import mobilenet

    if quiet:
        tf.zeros(1)  # TensorFlow writes more messages at its first tensor
__all__ = ["keras", "mobilenet", "tf"]
