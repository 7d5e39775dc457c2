"""Floating-point operations of training, counted from the architecture: those of the products, forward and back.

A layer of m multiply-adds takes 2·m operations forward, 2·m for the gradient of its weights and 2·m for that of its
inputs, which the first layer does without. Norms, rounding and the optimiser are not counted; in the presets they are
a few per cent (`compiled` is what the compiler counts with all of it).
"""

from collections.abc import Sequence
from itertools import pairwise

from trainer.architecture import Architecture
from trainer.calibration.schedule import phases
from trainer.convolution import Halve
from trainer.presets import ConvolutionRecipe, Recipe

FORWARD = WEIGHTS = INPUTS = 2
"""Operations a multiply-add: of the layer, of the gradient of its weights, and of that of its inputs."""


def _trained(multiply_adds: Sequence[int]) -> int:
    """Operations of training on one sample, by the multiply-adds of each layer in order."""
    return (FORWARD + WEIGHTS) * sum(multiply_adds) + INPUTS * sum(multiply_adds[1:])


def _convolutional(architecture: Architecture, classes: int) -> list[int]:
    """Multiply-adds of each layer in training, where planes that a stride leaves out are not computed."""
    blank = architecture.blank(classes=classes)
    found = []
    for block, conv, (_, height, width) in zip(architecture.blocks, blank.convolutions, blank.shapes[:-1], strict=True):
        part = 2 if block.halve == Halve.STRIDE else 1
        found.append(int(conv.weights.size) * (height // part) * (width // part))
    return [*found, int(blank.head.weights.size)]


def by_phase(recipe: Recipe | ConvolutionRecipe, *, inputs: int, classes: int) -> dict[str, int]:
    """Operations of training on one sample once, by phase.

    inputs:  features of a sample.
    classes: of the data.
    """
    if isinstance(recipe, ConvolutionRecipe):
        own = _trained(_convolutional(recipe.architecture, classes))
    else:
        own = _trained([a * b for a, b in pairwise((inputs, *recipe.hidden, classes))])
    taught = 0 if recipe.teacher is None else _trained(_convolutional(recipe.teacher.architecture, classes))
    return {name: taught if name == "teacher" else own for name in phases(recipe)}


def per_sample(recipe: Recipe | ConvolutionRecipe, *, inputs: int, classes: int) -> float:
    """The same, mean of all epochs of a run."""
    found, epochs = by_phase(recipe, inputs=inputs, classes=classes), phases(recipe)
    return sum(found[name] * count for name, count in epochs.items()) / sum(epochs.values())


def compiled(recipe: Recipe | ConvolutionRecipe, *, inputs: int, classes: int) -> float | None:
    """What JAX counts for one sample of a batch in floats, loss, norms and gradients included, the optimiser not.

    None where this JAX counts nothing.
    """
    # JAX takes a moment to import
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx

    from trainer.convolution_models import FloatCNN
    from trainer.models import FloatMLP

    model: FloatMLP | FloatCNN
    if isinstance(recipe, ConvolutionRecipe):
        model = FloatCNN(recipe.architecture, classes=classes, input_bits=recipe.input_bits, rngs=nnx.Rngs(0))
    else:
        model = FloatMLP((inputs, *recipe.hidden, classes), input_bits=recipe.input_bits, rngs=nnx.Rngs(0))
    definition = nnx.graphdef(model)
    params, rest = nnx.state(model, nnx.Param, ...)

    def loss(params: object, x: jax.Array, y: jax.Array) -> jax.Array:
        logits = nnx.merge(definition, params, rest, copy=True).logits(x)
        found: jax.Array = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
        return found

    x, y = jnp.zeros((recipe.batch, inputs), jnp.uint8), jnp.zeros(recipe.batch, jnp.int32)
    counted = jax.jit(jax.grad(loss)).lower(params, x, y).cost_analysis()
    # older versions give a list, and some backends nothing
    table = counted[0] if isinstance(counted, list) and counted else counted
    flops = table.get("flops", 0.0) if isinstance(table, dict) else 0.0
    return float(flops) / recipe.batch if flops > 0 else None
