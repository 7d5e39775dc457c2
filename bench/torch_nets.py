"""Models of the trainer as `bench/torch_side.py` has them: their nets in JSON, their arrays in PyTorch's layouts."""

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from trainer import integer
from trainer.architecture import Architecture
from trainer.binary import BinaryMLP
from trainer.convolution import Halve
from trainer.convolution_models import FloatCNN, QuantisedCNN
from trainer.models import FloatMLP, QuantisedMLP

Model = FloatMLP | QuantisedMLP | BinaryMLP | FloatCNN | QuantisedCNN
Array = npt.NDArray[np.float32]
Planes = tuple[int, int, int]


def _to_torch(array: Array, planes: Planes | None) -> Array:
    """Outputs first; inputs of a head behind planes (channels, height, width) in the order of those."""
    if array.ndim == 4:
        array = array.transpose(3, 2, 0, 1)
    elif planes is not None:
        channels, height, width = planes
        array = array.reshape(height, width, channels, -1).transpose(3, 2, 0, 1).reshape(-1, channels * height * width)
    elif array.ndim == 2:
        array = array.T
    # a number alone would become an array of one
    return np.ascontiguousarray(array) if array.ndim else array


def _from_torch(array: Array, planes: Planes | None) -> Array:
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    if planes is not None:
        return array.reshape(-1, *planes).transpose(2, 3, 1, 0).reshape(-1, len(array))
    return array.T if array.ndim == 2 else array


def _places(model: Model) -> Iterator[tuple[str, nnx.Variable[Any], Planes | None]]:
    """Every array that is trained or a running statistic: its name, the variable, and planes before a head."""
    planes = None
    if isinstance(model, FloatMLP | FloatCNN):
        linears = list(model.linears) if isinstance(model, FloatMLP) else [model.head]
        kernels = list(model.kernels) if isinstance(model, FloatCNN) else []
        weights = [*kernels, *(linear.kernel for linear in linears)]
        biases = [*(None for _ in kernels), *(linear.bias for linear in linears)]
    elif isinstance(model, BinaryMLP):
        weights, biases = list(model.weights), [*(None for _ in model.norms), model.bias]
        yield "gain", model.gain, None
    else:
        weights, biases = list(model.weights), list(model.biases)
    if isinstance(model, FloatCNN | QuantisedCNN):
        planes = model.architecture.shapes[-1]
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        yield f"weights{number}", weight, planes if number == len(weights) - 1 else None
        if bias is not None:
            yield f"bias{number}", bias, None
    if not isinstance(model, QuantisedMLP | QuantisedCNN):
        for number, norm in enumerate(model.norms):
            for name, variable in (
                ("scale", norm.scale),
                ("offset", norm.bias),
                ("mean", norm.mean),
                ("var", norm.var),
            ):
                yield f"{name}{number}", variable, None


def arrays(model: Model) -> dict[str, Array]:
    """What the model knows, by name, as PyTorch lays it out."""
    return {name: _to_torch(np.asarray(variable[...]), planes) for name, variable, planes in _places(model)}


def give(model: Model, known: dict[str, Array]) -> None:
    """Overwrite what the model knows."""
    for name, variable, planes in _places(model):
        variable[...] = jnp.asarray(_from_torch(known[name], planes))


def net(model: Model) -> dict[str, Any]:
    """The net of a model, in JSON; convolutions without a stride, a skip or means only."""
    if isinstance(model, FloatMLP):
        widths = [linear.kernel.shape[0] for linear in model.linears] + [model.linears[-1].kernel.shape[1]]
        return {"kind": "float", "widths": widths, "scale": 2.0**-model.input_bits, "offset": 0.0}
    if isinstance(model, BinaryMLP):
        widths = [weights.shape[0] for weights in model.weights] + [model.weights[-1].shape[1]]
        return {"kind": "binary", "widths": widths, "scale": 2.0, "offset": -1.0}
    if isinstance(model, FloatCNN):
        known = {"kind": "float", "scale": 2.0**-model.input_bits, "offset": 0.0}
        return known | _shape(model.architecture) | {"classes": model.head.kernel.shape[1]}
    known = {"kind": "quantised", "scale": 1.0, "offset": 0.0, "top": 2**model.activation_bits - 1}
    if isinstance(model, QuantisedCNN):
        known |= _shape(model.architecture)
    shapes = [arrays(model)[f"weights{number}"].shape for number in range(len(model.weights))]
    return known | {"layers": [_layer(model, number) | {"shape": shape} for number, shape in enumerate(shapes)]}


def _shape(architecture: Architecture) -> dict[str, Any]:
    blocks = []
    for block in architecture.blocks:
        assert block.halve in (Halve.NOT, Halve.MAX), "PyTorch's side knows no other"
        assert block.skip is None, "PyTorch's side knows no skip"
        assert not block.depthwise, "PyTorch's side knows no depthwise convolution"
        blocks.append({"outputs": block.outputs, "kernel": block.kernel, "halved": block.halve == Halve.MAX})
    return {"image": architecture.image, "blocks": blocks}


def _layer(model: QuantisedMLP | QuantisedCNN, number: int) -> dict[str, Any]:
    """How a layer is rounded."""
    if isinstance(model, QuantisedMLP):
        hidden = number < model.hidden
        shift = int(model.shifts[...][number]) if hidden else 0
        return {
            "weight_exponent": int(model.weight_exponents[...][number]),
            "accumulator_exponent": int(model.accumulator_exponents[...][number]),
            "half": 2.0 ** (shift - 1) if shift else 0.0,
            "largest": integer.quantum(model.weight_bits),
            "rest": None,
            "shift": shift,
        }
    rounding = model.roundings[number]
    largest = integer.quantum(rounding.weight_bits)
    room = rounding.limit - 1 - rounding.added
    reach = int(np.prod(model.weights[number].shape[:-1])) * largest * rounding.top
    assert 2 * reach <= room, "PyTorch's side shrinks no weights"
    return {
        "weight_exponent": rounding.weight_exponent,
        "accumulator_exponent": rounding.accumulator_exponent,
        "half": 2.0 ** (rounding.shift - 1) if rounding.shift else 0.0,
        "largest": largest,
        "rest": room - reach,
        "shift": rounding.shift,
    }


def samples(x: integer.Uint8, model: Model) -> integer.Uint8:
    """Rows as PyTorch's side takes them: channels, height, width where there are planes."""
    if not isinstance(model, FloatCNN | QuantisedCNN):
        return x
    channels, height, width = model.architecture.image
    return np.ascontiguousarray(x.reshape(-1, height, channels, width).swapaxes(1, 2).reshape(x.shape))
