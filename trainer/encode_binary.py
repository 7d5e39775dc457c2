"""Models of one bit as bytes: the "Binary model" of `contracts/README.md`, in NumPy.

`decode` and the binary engine's `validate` accept exactly the same byte strings. Use `trainer.encode`, which asks here
for networks with weights of one bit.
"""

from itertools import pairwise
from typing import Final

import numpy as np

from trainer.errors import EncodingError, NetworkError
from trainer.header import HEADER, LIFT, MAX_MODEL_BYTES, Header, pack_header
from trainer.integer import BINARY, Int64, Layer, Network

# the engine's gas, see `cost`: rows that meet a slot of inputs, and bytes of a slot, a word, a quarter
_PART: Final = 128
_SLOT_WORDS: Final = 3
_WORD_BYTES: Final = 32
_QUARTER_BYTES: Final = 8
# what one sample may take; less than in the dense engine, because `validate` takes more than the sample here
MAX_COST: Final = 10_000_000
_GAS_CALL: Final = 84_000
_GAS_LAYER: Final = 3_000
_GAS_SLOT: Final = 1_500
_GAS_INPUT: Final = 300
_GAS_GATHER: Final = 7_500
_GAS_ROW: Final = 60
_GAS_MEET: Final = 730
_GAS_CUT: Final = 170


def model_bytes(widths: tuple[int, ...]) -> int:
    """Length of the encoding of a network of these widths."""
    return HEADER.size + sum(rows * (4 + _row_bytes(inputs)) for inputs, rows in pairwise(widths))


def _row_bytes(inputs: int) -> int:
    return -(-inputs // 8)


def encode(network: Network) -> bytes:
    """The model file: the only encoding of this network; raises `EncodingError` where it has none."""
    header = pack_header(network)
    size = model_bytes(network.widths)
    if size > MAX_MODEL_BYTES:
        raise EncodingError(f"the model takes {size} bytes; at most {MAX_MODEL_BYTES} fit")
    gas = cost(network.widths)
    if gas > MAX_COST:
        raise EncodingError(f"one sample costs up to {gas} gas; at most {MAX_COST} are allowed")
    parts = [header]
    for layer in network.layers:
        ones = (layer.weights.T > 0).astype(np.uint8)
        thresholds = layer.bias + ones.sum(axis=1, dtype=np.int64)
        parts += [(thresholds + LIFT).astype(">u4").tobytes(), np.packbits(ones, axis=1).tobytes()]
    return b"".join(parts)


def decode(header: Header, data: bytes) -> Network:
    """The network of a model file with this header; raises `EncodingError` for every other byte string."""
    size = model_bytes(header.widths)
    if len(data) != size:
        raise EncodingError(f"{len(data)} bytes; the header asks for {size}")
    layers, at = [], HEADER.size
    count = len(header.widths) - 1
    for number, (inputs, rows) in enumerate(pairwise(header.widths)):
        thresholds = np.frombuffer(data, ">u4", rows, at).astype(np.int64) - LIFT
        at += 4 * rows
        packed = np.frombuffer(data, np.uint8, rows * _row_bytes(inputs), at).reshape(rows, -1)
        at += packed.size
        bits = np.unpackbits(packed, axis=1).astype(np.int64)
        if bits[:, inputs:].any():
            row = int(bits[:, inputs:].any(axis=1).argmax())
            raise EncodingError(f"layer {number}, neuron {row}: a bit behind the last weight is not zero")
        ones: Int64 = bits[:, :inputs]
        shift = 0 if number < count - 1 else None
        layers.append(
            Layer(weights=np.ascontiguousarray(2 * ones.T - 1), bias=thresholds - ones.sum(axis=1), shift=shift)
        )
    try:
        network = Network(layers=tuple(layers), input_bits=1, activation_bits=1, weight_bits=BINARY)
    except NetworkError as error:
        raise EncodingError(str(error)) from error
    gas = cost(network.widths)
    if gas > MAX_COST:
        raise EncodingError(f"one sample costs up to {gas} gas; at most {MAX_COST} are allowed")
    return network


def cost(widths: tuple[int, ...]) -> int:
    """Upper bound of the execution gas of `predict` for one sample: the contract's `cost`."""
    gas = _GAS_CALL
    for layer, (inputs, rows) in enumerate(pairwise(widths)):
        whole, rest = divmod(_row_bytes(inputs), _WORD_BYTES)
        # a quarter counts as a word
        words = whole + (rest > 0)
        slots = max(-(-(whole + (rest > _QUARTER_BYTES)) // _SLOT_WORDS), 1)
        # of inputs that fill one slot all rows are done at once
        parts = -(-rows // _PART) if slots > 1 else 1
        load = _GAS_GATHER if layer else _GAS_INPUT
        gas += _GAS_LAYER + parts * (_GAS_SLOT * slots + load * words)
        gas += rows * (_GAS_ROW + _GAS_MEET * slots + _GAS_CUT * words)
    return gas
