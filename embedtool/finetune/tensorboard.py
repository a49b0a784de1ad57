"""Write TensorBoard logs without the package tensorboard."""

from pathlib import Path

from embedtool.finetune.checkpoint import Epoch
from embedtool.models.keras_runtime import tf

FIGURES = ("loss", "accuracy", "validation_loss", "validation_accuracy", "seconds")


def write_epoch(folder: Path, epoch: Epoch) -> None:
    """Write one TensorBoard point for each figure of an epoch."""
    about = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
    )
    with tf.summary.create_file_writer(str(folder)).as_default():
        for name in FIGURES:
            if (value := getattr(epoch, name)) is not None:
                tf.summary.write(name, tf.constant(value, tf.float32), epoch.epoch, about)
