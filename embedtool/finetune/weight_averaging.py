"""The saved weights: an average over the last steps, interpolated with the initial weights.

The average varies less than the weights of the last step. It is exponential (Polyak and Juditsky
1992), and shorter at first, so that after few steps it is not still near the initial weights. A
network between its pretrained weights and the average is as accurate and less confident in its
mistakes (Wortsman et al. 2022, Robust fine-tuning of zero-shot models).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from embedtool.models.keras_runtime import keras, tf

WARM_UP = 4.0  # after t steps, the average spans at most about t / 3 of them


class Average:
    """The moving average of variables during training."""

    def __init__(
        self, variables: Sequence[keras.Variable], momentum: float, interpolation: float = 1.0
    ) -> None:
        """momentum: 0 uses the last weights. interpolation: from the current weights (0) to the
        average (1)."""
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
        """Give the model the weights to save while the context is open."""
        latest = [variable.numpy() for variable in self._own]
        self.apply()
        try:
            yield
        finally:
            for variable, values in zip(self._own, latest, strict=True):
                variable.assign(values)

    def apply(self) -> None:
        """Give the model the weights to save."""
        for began, mean, own in zip(self._began, self._mean, self._own, strict=True):
            own.assign(began + self._interpolation * (mean - began))
