"""Import TensorFlow and Keras. In embedtool's own processes, hide the start-up messages.

In the process of a host program they are only imported, and TensorFlow writes its usual messages.
"""

from embedtool.core.own_process import quiet_stderr

with quiet_stderr() as quiet:
    import keras
    import tensorflow as tf

    from embedtool.models import mobilenet

    if quiet:
        tf.zeros(1)  # TensorFlow writes more messages at its first tensor
__all__ = ["keras", "mobilenet", "tf"]
