"""Operations of training: counted by hand, and by the compiler."""

import pytest

from trainer.architecture import Architecture, Block
from trainer.calibration import flops
from trainer.convolution import Halve
from trainer.presets import PRESETS, ConvolutionRecipe, Recipe


def test_a_dense_network_is_counted_by_hand() -> None:
    recipe = Recipe(hidden=(7, 6), input_bits=4, activation_bits=4, weight_bits=4)
    layers = [5 * 7, 7 * 6, 6 * 3]
    # forward and weights for all, inputs for all but the first, two operations a multiply-add
    expected = 4 * sum(layers) + 2 * (layers[1] + layers[2])
    assert flops.by_phase(recipe, inputs=5, classes=3) == {"float": expected, "quantised": expected}
    assert flops.per_sample(recipe, inputs=5, classes=3) == expected


def test_a_convolution_is_counted_by_hand() -> None:
    blocks = (
        Block(outputs=4, halve=Halve.MAX),
        Block(outputs=5, kernel=1, halve=Halve.STRIDE),
        Block(outputs=5, depthwise=True),
    )
    recipe = ConvolutionRecipe(
        architecture=Architecture(image=(2, 8, 8), blocks=blocks), input_bits=4, activation_bits=4, weight_bits=4
    )
    # the first at 8 x 8; the second leaves out three of four of its 4 x 4; the third at 2 x 2; then 20 inputs
    layers = [4 * 2 * 9 * 64, 5 * 4 * 4, 5 * 9 * 4, 20 * 3]
    expected = 4 * sum(layers) + 2 * sum(layers[1:])
    assert flops.by_phase(recipe, inputs=128, classes=3)["float"] == expected


def test_a_teacher_counts_for_its_epochs() -> None:
    recipe = PRESETS["fashion-196-112-taught"].recipe
    found = flops.by_phase(recipe, inputs=196, classes=10)
    assert found["teacher"] > 50 * found["float"] == 50 * found["quantised"] > 0
    assert flops.per_sample(recipe, inputs=196, classes=10) == (10 * found["teacher"] + 120 * found["float"]) / 130


@pytest.mark.parametrize(
    ("preset", "inputs", "more"),
    [("fashion-196-64", 196, 0.05), ("fashion-784-128", 784, 0.05), ("fashion-lenet", 784, 0.25)],
)
def test_the_compiler_counts_a_little_more(preset: str, inputs: int, more: float) -> None:
    recipe = PRESETS[preset].recipe
    ours = flops.by_phase(recipe, inputs=inputs, classes=10)["quantised"]
    theirs = flops.compiled(recipe, inputs=inputs, classes=10)
    assert theirs is not None
    assert ours < theirs < ours * (1 + more)
