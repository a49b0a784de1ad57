"""The mean of the weights over the latest steps: steadier than where the last step left them.

It is exponential (Polyak and Juditsky 1992), and at the beginning shorter, so that few steps do not
leave it where the weights began.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from embedtool.finetune.runtime import keras, tf

BEGINNING = 4.0  # after t steps it spans no more than about t / 3 of them


class Average:
    """Follows variables while they are trained."""

    def __init__(self, variables: Sequence[keras.Variable], momentum: float) -> None:
        self._own = variables
        self._kept = [keras.Variable(v.numpy(), trainable=False, name="average") for v in self._own]
        self._steps = keras.Variable(0.0, trainable=False, name="steps")
        self.variables = [*self._kept, self._steps]
        self._momentum = momentum
        self.follow = tf.function(self._follow)

    def _follow(self) -> None:
        self._steps.assign(self._steps + 1.0)
        grown = self._steps / (self._steps + (BEGINNING - 1))
        share = 1.0 - tf.minimum(self._momentum, grown)
        for kept, own in zip(self._kept, self._own, strict=True):
            kept.assign(kept + share * (own - kept))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model with the average for its weights, for the moment."""
        latest = [variable.numpy() for variable in self._own]
        self.settle()
        try:
            yield
        finally:
            for variable, values in zip(self._own, latest, strict=True):
                variable.assign(values)

    def settle(self) -> None:
        """Leave the model with the average for its weights."""
        for kept, own in zip(self._kept, self._own, strict=True):
            own.assign(kept)
