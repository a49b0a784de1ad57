"""The mean of the weights: what it is after some steps, and that looking at it changes nothing."""

import numpy as np

from embedtool.finetune.averaging import Average
from embedtool.finetune.runtime import keras


def small() -> "keras.Model":
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])


def test_it_follows_with_a_share_that_shrinks_to_the_momentum() -> None:
    model = small()
    [kernel] = model.trainable_variables
    kernel.assign([[0.0], [0.0]])
    average = Average(model, 0.6)
    expected = 0.0
    for step in range(1, 7):
        kernel.assign([[float(step)], [0.0]])
        average.follow()
        share = 1 - min(0.6, step / (step + 3))  # 3/4, 3/5, 1/2, 3/7, then 0.4
        expected += share * (step - expected)
        with average.in_place():
            assert np.allclose(kernel.numpy(), [[expected], [0]], atol=1e-6)
        assert kernel.numpy()[0, 0] == step
    average.settle()
    assert np.allclose(kernel.numpy()[0, 0], expected, atol=1e-6)


def test_batch_norm_follows_too() -> None:
    keras.utils.set_random_seed(0)
    norm = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((2,)), norm])
    average = Average(model, 0.9)
    norm.moving_mean.assign([4.0, 8.0])
    average.follow()
    with average.in_place():
        assert np.allclose(norm.moving_mean.numpy(), [3.0, 6.0])  # the first step counts 3/4
    assert norm.moving_mean.numpy().tolist() == [4.0, 8.0]


def test_frozen_weights_are_not_followed() -> None:
    model = small()
    model.layers[-1].trainable = False
    assert len(Average(model, 0.9).variables) == 1  # its own count of steps
