"""The weights that are saved: their mean over the latest steps, and a part of where they began.

The mean is steadier than where the last step left them. It is exponential (Polyak and Juditsky
1992), and at the beginning shorter, so that few steps do not leave it where the weights began. A
network on the way from its pretrained weights to it is as accurate and less sure of its mistakes
(Wortsman et al. 2022, Robust fine-tuning of zero-shot models).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from embedtool.models.keras_runtime import keras, tf

WARM_UP = 4.0  # after t steps it spans no more than about t / 3 of them


class Average:
    """Follows variables while they are trained."""

    def __init__(
        self, variables: Sequence[keras.Variable], momentum: float, interpolation: float = 1.0
    ) -> None:
        """momentum: 0 takes the last weights. interpolation: of the way from where they are now."""
        self._own = variables
        self._began = [keras.Variable(v.numpy(), trainable=False, name="began") for v in self._own]
        self._mean = [keras.Variable(v.numpy(), trainable=False, name="mean") for v in self._own]
        self._steps = keras.Variable(0.0, trainable=False, name="steps")
        self.variables = [*self._began, *self._mean, self._steps]
        self._momentum = momentum
        self._interpolation = interpolation
        self.update = tf.function(self._update)

    def _update(self) -> None:
        self._steps.assign(self._steps + 1.0)
        grown = self._steps / (self._steps + (WARM_UP - 1))
        share = 1.0 - tf.minimum(self._momentum, grown)
        for mean, own in zip(self._mean, self._own, strict=True):
            mean.assign(mean + share * (own - mean))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the weights that are saved, for the moment."""
        latest = [variable.numpy() for variable in self._own]
        self.apply()
        try:
            yield
        finally:
            for variable, values in zip(self._own, latest, strict=True):
                variable.assign(values)

    def apply(self) -> None:
        """Give the model the weights that are saved."""
        for began, mean, own in zip(self._began, self._mean, self._own, strict=True):
            own.assign(began + self._interpolation * (mean - began))
