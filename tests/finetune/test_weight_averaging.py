"""The mean of the weights: what it is after some steps, and that looking at it changes nothing."""

import numpy as np
import pytest

from embedtool.finetune.settings import FinetuneSettings
from embedtool.finetune.trained_part import TrainedPart
from embedtool.finetune.weight_averaging import Average
from embedtool.models import load_backbone
from embedtool.models.keras_runtime import keras


def small() -> "keras.Model":
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])


def test_it_follows_with_a_share_that_shrinks_to_the_momentum() -> None:
    model = small()
    [kernel] = model.trainable_variables
    kernel.assign([[0.0], [0.0]])
    average = Average(model.trainable_variables, 0.6)
    expected = 0.0
    for step in range(1, 7):
        kernel.assign([[float(step)], [0.0]])
        average.update()
        share = 1 - min(0.6, step / (step + 3))  # 3/4, 3/5, 1/2, 3/7, then 0.4
        expected += share * (step - expected)
        with average.applied():
            assert np.allclose(kernel.numpy(), [[expected], [0.0]], atol=1e-6)
        assert kernel.numpy()[0, 0] == step
    average.apply()
    assert np.allclose(kernel.numpy()[0, 0], expected, atol=1e-6)


def test_a_part_of_the_way_from_where_the_weights_began() -> None:
    model = small()
    [kernel] = model.trainable_variables
    kernel.assign([[1.0], [-2.0]])
    average = Average(model.trainable_variables, 0.0, 0.75)
    kernel.assign([[5.0], [2.0]])
    average.update()
    with average.applied():
        assert kernel.numpy().ravel().tolist() == [4.0, 1.0]
    kernel.assign([[9.0], [2.0]])
    average.update()
    average.apply()
    assert kernel.numpy().ravel().tolist() == [7.0, 1.0], "of the way to the last weights"


@pytest.mark.parametrize("scratch", [True, False])
def test_averages_of_batch_norm_follow_where_they_change(scratch: bool) -> None:
    settings = FinetuneSettings(unfreeze="all", from_scratch=scratch)
    trained_part = TrainedPart(load_backbone("builtin").folder, (96, 96, 3), 2, settings)
    trained_part.freeze(False)
    names = {variable.path.split("/")[-1] for variable in trained_part.trained_variables()}
    assert names == {"kernel", "bias"} | (
        {"gamma", "beta", "moving_mean", "moving_variance"} if scratch else set()
    )
    trained_part.freeze(True)
    assert [v.path for v in trained_part.trained_variables()] == ["logits/kernel", "logits/bias"]
