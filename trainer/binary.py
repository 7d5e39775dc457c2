"""A network of one bit in training: weights -1 and 1 and activations 0 and 1 in the forward pass, floats behind them.

Batch norm makes the activations: a neuron is 1 where its normalised sum is not negative. All that a norm does to a sum
of signs is to move the threshold, so the integer network has a bias instead. Rounding to a sign is invisible to the
gradient (straight-through estimator) where the rounded number is in [-1, 1].
"""

from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from trainer import integer
from trainer.models import EPSILON, MOMENTUM, straight_through


def sign(x: jax.Array) -> jax.Array:
    """-1 below zero, else 1, with the gradient of x clipped to [-1, 1]."""
    return straight_through(jnp.where(x >= 0, 1.0, -1.0), jnp.clip(x, -1.0, 1.0))


class BinaryMLP(nnx.Module):
    """Dense layers of signs: inputs 0 and 1 count as -1 and 1, and so do activations.

    With s = 2 x - 1, `sum(s * w) = 2 * sum(x * w) - sum(w)`: what the contract sums, but for a factor and a constant.
    """

    def __init__(self, widths: Sequence[int], *, rngs: nnx.Rngs) -> None:
        """Fresh weights for `widths`: inputs, hidden widths, classes."""
        start = nnx.initializers.uniform(0.2)
        self.weights = nnx.List([nnx.Param(start(rngs.params(), (a, b)) - 0.1) for a, b in pairwise(widths)])
        self.norms = nnx.List(
            [nnx.BatchNorm(width, momentum=MOMENTUM, epsilon=EPSILON, rngs=rngs) for width in widths[1:-1]]
        )
        self.bias = nnx.Param(jnp.zeros(widths[-1]))
        # one scale for all classes: it changes no arg-max
        self.gain = nnx.Param(jnp.zeros(()))

    def __call__(self, x: jax.Array, *, training: bool) -> jax.Array:
        """Logits, float32, shape (n, classes), of samples of 0 and 1, shape (n, inputs)."""
        x = 2.0 * x.astype(jnp.float32) - 1.0
        for weights, norm in zip(self.weights, self.norms, strict=False):
            x = sign(norm(x @ sign(weights[...]), use_running_average=not training))
        scale = jnp.exp(self.gain[...]) / np.sqrt(x.shape[1])
        logits: jax.Array = x @ sign(self.weights[-1][...]) * scale + self.bias[...]
        return logits

    def logits(self, x: jax.Array) -> jax.Array:
        """Logits for a loss: those of training."""
        return self(x, training=True)

    def export(self) -> integer.Network:
        """The integer network of the running statistics."""
        layers = []
        for number, parameter in enumerate(self.weights):
            weights = np.where(np.asarray(parameter[...]) >= 0, 1, -1).astype(np.int64)
            total = weights.sum(axis=0)
            if number < len(self.norms):
                norm = self.norms[number]
                assert norm.scale is not None, "every norm has a scale"
                assert norm.bias is not None, "every norm has a bias"
                mean, variance = np.asarray(norm.mean[...], np.float64), np.asarray(norm.var[...], np.float64)
                scale, offset = np.asarray(norm.scale[...], np.float64), np.asarray(norm.bias[...], np.float64)
                # A neuron of a negative scale is 1 below its threshold: with its weights turned, above. Without a scale
                # it is always the same.
                turned = np.where(scale < 0, -1, 1)
                weights, total = weights * turned, total * turned
                steps = offset * np.sqrt(variance + EPSILON) / np.maximum(np.abs(scale), 1e-9)
                threshold = mean * turned - steps
                # sum(s * w) >= threshold where sum(x * w) >= (threshold + sum(w)) / 2
                bias = 1 - np.ceil((threshold + total) / 2)
                shift: int | None = 0
            else:
                scale = float(np.exp(np.asarray(self.gain[...]))) / np.sqrt(len(weights))
                bias = np.rint((np.asarray(self.bias[...], np.float64) / scale - total) / 2)
                shift = None
            # beyond twice the inputs nothing changes any more
            limit = 2 * len(weights)
            layers.append(
                integer.Layer(weights=weights, bias=np.clip(bias, -limit, limit).astype(np.int64), shift=shift)
            )
        return integer.Network(layers=tuple(layers), input_bits=1, activation_bits=1, weight_bits=integer.BINARY)
