"""Convolutional models and trunks as bytes: "Convolutional model" and "Trunk" of `contracts/README.md`, in NumPy.

`decode` and `validate` of the validator accept exactly the same byte strings, as do `decode_trunk` and
`validate_trunk`.
"""

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from trainer.convolution import (
    KERNELS,
    MAX_CHANNELS,
    MAX_CONVOLUTIONS,
    MAX_SIDE,
    WEIGHT_BITS,
    Convolution,
    ConvolutionalNetwork,
    Halve,
    Trunk,
    bounds,
    stages,
)
from trainer.errors import EncodingError, NetworkError
from trainer.header import LIFT, MAGIC, MAX_COST, MAX_MODEL_BYTES
from trainer.integer import Int64, Layer

VERSION: Final = 3
TRUNK_VERSION: Final = 4
HEADER: Final = struct.Struct(">4s5BHBBH17s")
DESCRIPTOR: Final = struct.Struct(">H6B")

WORD_BITS: Final = 256
MAX_LANE: Final = 32
MAX_RUN: Final = 16
"""Pixels of a row that share a word, at most."""
MAX_SPLIT: Final = 4
PATCH: Final = 3
"""Side of the patches that kernels are cut into, but for those of one weight."""
PAIR: Final = 2
DOZEN: Final = 12
"""Patches of a chunk of a row, and weights of one where kernels have one weight."""
BLOCK: Final = 8
"""Rows of a plane that the engine holds together."""
MAX_BLOCKS: Final = 384
MAX_TRUNK_BLOCKS: Final = 1024
MAX_TRUNK_COST: Final = 15_500_000
"""Gas of one sample, with 16 a byte of it and of the file."""
MAX_PLANES_BYTES: Final = 16_384
"""Bytes of the last planes of a trunk."""
MAX_SLOTS: Final = 128
MAX_HEAD: Final = 1024
HEAD_LANE: Final = 32
HEAD_RUN: Final = 8

# the engine's gas, see `cost`
_GAS_CALL: Final = 330_000
_GAS_TRUNK: Final = 720_000
_GAS_LAYER: Final = 6_000
_GAS_SAMPLE_WORD: Final = 620
_GAS_KERNEL: Final = 1_750
_GAS_POINT: Final = 250
_GAS_SEEN: Final = 800
_GAS_SEEN_BESIDE: Final = 700
_GAS_TILE: Final = 1_200
_GAS_SLOT: Final = 600
_GAS_PRODUCT: Final = 160
_GAS_FINISH: Final = 1_400
_GAS_SKIP: Final = 400
_GAS_HALVED: Final = 1_850
_GAS_MADE: Final = 600
_GAS_HEAD_PART: Final = 550
_GAS_HEAD_WORD: Final = 560
_GAS_CLASS: Final = 500
_GAS_PACKED: Final = 650


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """How rows of one width lie in words.

    split: words of a row.
    run:   pixels of a word, even.
    lane:  bits of a pixel.
    """

    split: int
    run: int
    lane: int


def geometry(width: int, bound: int) -> Geometry:
    """The fewest words for rows of that width whose lanes hold sums up to `bound` of either sign, below 2**24."""
    for split in range(1, MAX_SPLIT + 1):
        run = -(-width // split)
        run += run % 2
        lane = min(WORD_BITS // (run + 2), MAX_LANE)
        if run <= MAX_RUN and bound < 2 ** (lane - 1):
            return Geometry(split=split, run=run, lane=lane)
    raise AssertionError(f"no geometry for {width} and {bound}")


def geometries(network: Trunk) -> list[Geometry]:
    """Of the sample and of the planes behind each convolution; planes of one height and width lie alike."""
    found: list[Geometry] = []
    for stage in stages(network):
        bound = max(int(bounds(network, number).max()) for number in stage)
        found += [geometry(network.shapes[stage.start][2], bound)] * len(stage)
    if network.convolutions[-1].halve:
        return [*found, geometry(network.shapes[-1][2], 0)]
    return [*found, found[-1]]


def patches(conv: Convolution) -> Int64:
    """The kernels of each output, cut: int64, shape (outputs, patches, 3, 3), or (outputs, inputs, 1, 1) of 1 x 1."""
    outputs, inputs, size, _ = conv.weights.shape
    if size == 1:
        return conv.weights
    side = -(-size // PATCH)
    whole = np.zeros((outputs, inputs, side * PATCH, side * PATCH), np.int64)
    whole[:, :, :size, :size] = conv.weights
    cut = whole.reshape(outputs, inputs, side, PATCH, side, PATCH).transpose(0, 1, 2, 4, 3, 5)
    return cut.reshape(outputs, inputs * side * side, PATCH, PATCH)


def _chunked(size: int, count: int) -> tuple[int, int]:
    """Fields of a chunk, and chunks of a row of so many inputs."""
    if size == 1:
        return DOZEN, -(-count // DOZEN)
    return PAIR * PATCH * PATCH, -(-count * (-(-size // PATCH)) ** 2 // PAIR)


def row_bytes(size: int, inputs: int, weight_bits: int) -> int:
    """Bytes of the kernels of one output that sees so many inputs."""
    fields, chunks = _chunked(size, inputs)
    return chunks * fields * weight_bits // 8


def head_terms(shape: tuple[int, int, int]) -> int:
    """Words of 8 pixels in the planes that the head sees."""
    channels, height, width = shape
    return channels * height * -(-width // HEAD_RUN)


def head_bytes(shape: tuple[int, int, int], weight_bits: int) -> int:
    """Bytes of the weights of one class."""
    return -(-head_terms(shape) * weight_bits // HEAD_LANE) * 32


def start(count: int) -> int:
    """Bytes before the first layer of so many convolutions."""
    return 32 + -(-count * DESCRIPTOR.size // 32) * 32


def blocks(network: Trunk) -> int:
    """Blocks of 8 rows that the engine holds for one sample, and the empty ones between planes."""
    found, total, waiting = geometries(network), 1, 0
    for number, (channels, height, _) in enumerate(network.shapes):
        planes = found[number].split * (-(-height // BLOCK) + 1)
        total += channels * planes
        if number < len(network.convolutions) and network.convolutions[number].halve:
            # before they are halved: room that the format asks for, though the engine halves a tile at a time
            waiting = max(waiting, len(network.convolutions[number].weights) * planes)
    return total + waiting


def encode(network: Trunk) -> bytes:
    """The file of a network, or of a trunk: its only encoding; raises `EncodingError` where it has none."""
    head = network if isinstance(network, ConvolutionalNetwork) else None
    if network.inputs * network.input_bits % 8:
        raise EncodingError(f"{network.inputs} inputs of {network.input_bits} bits end inside a byte")
    _check_limits(network)
    count, bits = len(network.convolutions), network.weight_bits
    parts = [
        HEADER.pack(
            MAGIC,
            VERSION if head else TRUNK_VERSION,
            count,
            network.input_bits,
            network.activation_bits,
            bits,
            network.channels,
            network.height,
            network.width,
            head.classes if head else 0,
            bytes(17),
        )
    ]
    for conv, place in zip(network.convolutions, geometries(network), strict=False):
        parts.append(
            DESCRIPTOR.pack(
                len(conv.weights),
                conv.weights.shape[-1],
                conv.depthwise,
                conv.shift,
                conv.halve,
                0 if conv.skip is None else conv.skip + 1,
                place.split << 4 | conv.lift,
            )
        )
    parts.append(bytes(-count * DESCRIPTOR.size % 32))
    for conv in network.convolutions:
        parts += [(conv.bias + LIFT).astype(">u4").tobytes(), _pack_rows(conv, bits)]
    if head:
        parts += [(head.head.bias + LIFT).astype(">u4").tobytes(), _pack_head(head)]
    model = b"".join(parts)
    if len(model) > MAX_MODEL_BYTES:
        raise EncodingError(f"the model takes {len(model)} bytes; at most {MAX_MODEL_BYTES} fit")
    return model


def _pack_rows(conv: Convolution, bits: int) -> bytes:
    cut = patches(conv)
    fields, chunks = _chunked(conv.weights.shape[-1], conv.weights.shape[1])
    zero = 2 ** (bits - 1)
    flat = np.full((len(cut), chunks * fields), zero, np.int64)
    flat[:, : cut[0].size] = cut.reshape(len(cut), -1) + zero
    # the first field in the lowest bits of a chunk, whose bytes are big-endian
    backwards = flat.reshape(-1, fields)[:, ::-1].astype(np.uint8)
    return _join(backwards, bits)


def _join(fields: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], bits: int) -> bytes:
    """Fields of 4 or 8 bits, the first in the highest bits; an even number of them."""
    if bits == 8:
        return fields.tobytes()
    flat = fields.reshape(-1, 2)
    return (flat[:, 0] << 4 | flat[:, 1]).astype(np.uint8).tobytes()


def _split(data: bytes, bits: int) -> Int64:
    raw = np.frombuffer(data, np.uint8)
    if bits == 8:
        return raw.astype(np.int64)
    return np.stack([raw >> 4, raw & 15], axis=1).reshape(-1).astype(np.int64)


def _unpack_rows(data: bytes, size: int, inputs: int, outputs: int, bits: int, where: str) -> Int64:
    fields, chunks = _chunked(size, inputs)
    stored = _split(data, bits).reshape(-1, fields)[:, ::-1].reshape(outputs, chunks * fields)
    weights = stored - 2 ** (bits - 1)
    if (stored == 0).any():
        raise EncodingError(f"{where}: a weight is {-(2 ** (bits - 1))}")
    if size == 1:
        out, blank = weights[:, :inputs].reshape(outputs, inputs, 1, 1), weights[:, inputs:]
        if blank.any():
            raise EncodingError(f"{where}: a field behind the last weight is not zero")
        return np.ascontiguousarray(out)
    side = -(-size // PATCH)
    used = inputs * side * side * PATCH * PATCH
    whole = weights[:, :used].reshape(outputs, inputs, side, side, PATCH, PATCH).transpose(0, 1, 2, 4, 3, 5)
    whole = whole.reshape(outputs, inputs, side * PATCH, side * PATCH)
    out = whole[:, :, :size, :size]
    if weights[:, used:].any() or whole[:, :, size:].any() or whole[:, :, :, size:].any():
        raise EncodingError(f"{where}: a field without a weight is not zero")
    return np.ascontiguousarray(out)


def _head_places(shape: tuple[int, int, int], bits: int) -> Int64:
    """The field of each input of the head, in the order of fields; int64, shape (inputs,)."""
    channels, height, width = shape
    parts, depth = -(-width // HEAD_RUN), HEAD_LANE // bits
    row, x = np.divmod(np.arange(channels * height * width), width)
    term, lane = row * parts + x // HEAD_RUN, x % HEAD_RUN
    word, j = np.divmod(term, depth)
    # bit 32 * lane + bits * j of a word whose first field is its highest
    place: Int64 = word * (WORD_BITS // bits) + (WORD_BITS // bits - 1 - depth * lane - j)
    return place


def _pack_head(network: ConvolutionalNetwork) -> bytes:
    bits, shape = network.weight_bits, network.shapes[-1]
    fields = np.zeros((network.classes, head_bytes(shape, bits) * 8 // bits), np.uint8)
    fields[:, _head_places(shape, bits)] = (network.head.weights.T + 2 ** (bits - 1)).astype(np.uint8)
    return _join(fields, bits)


def decode(data: bytes) -> ConvolutionalNetwork:
    """The network of a model file; raises `EncodingError`, which names the fault, for every other byte string."""
    fields, splits, at, classes = _read(data, VERSION)
    trunk = _trunk(fields)
    bits, shape = trunk.weight_bits, trunk.shapes[-1]
    took = classes * (4 + head_bytes(shape, bits))
    if len(data) != at + took:
        raise EncodingError(f"{len(data)} bytes; the header asks for {at + took}")
    bias = np.frombuffer(data, ">u4", classes, at).astype(np.int64) - LIFT
    packed = _split(data[at + 4 * classes :], bits).reshape(classes, -1)
    places = _head_places(shape, bits)
    stored = packed[:, places]
    if (stored == 0).any() or np.delete(packed, places, axis=1).any():
        raise EncodingError("head: a field with a weight is zero, or one without is not")
    head = Layer(weights=np.ascontiguousarray(stored.T) - 2 ** (bits - 1), bias=bias, shift=None)
    try:
        network = ConvolutionalNetwork(head=head, **fields)
    except NetworkError as error:
        raise EncodingError(str(error)) from error
    _check_rest(network, splits)
    return network


def decode_trunk(data: bytes) -> Trunk:
    """The trunk of a file; raises `EncodingError`, which names the fault, for every other byte string."""
    fields, splits, at, classes = _read(data, TRUNK_VERSION)
    trunk = _trunk(fields)
    if classes:
        raise EncodingError(f"bytes 13 and 14: {classes} classes; a trunk has none")
    if len(data) != at:
        raise EncodingError(f"{len(data)} bytes; the header asks for {at}")
    _check_rest(trunk, splits)
    return trunk


def _trunk(fields: dict[str, Any]) -> Trunk:
    try:
        return Trunk(**fields)
    except NetworkError as error:
        raise EncodingError(str(error)) from error


def _read(data: bytes, wanted: int) -> tuple[dict[str, Any], list[int], int, int]:
    """Fields of `Trunk`, the words of a row of each convolution, where the head would be, and its classes."""
    if len(data) < HEADER.size:
        raise EncodingError(f"a model has at least {HEADER.size} bytes, not {len(data)}")
    if len(data) > MAX_MODEL_BYTES:
        raise EncodingError(f"a model has at most {MAX_MODEL_BYTES} bytes, not {len(data)}")
    magic, version, count, input_bits, activation_bits, bits, channels, height, width, classes, rest = (
        HEADER.unpack_from(data)
    )
    if magic != MAGIC or version != wanted:
        raise EncodingError(f"magic and version are {magic!r} and {version}, not {MAGIC!r} and {wanted}")
    if not 1 <= count <= MAX_CONVOLUTIONS:
        raise EncodingError(f"byte 5: {count} convolutions; 1 to {MAX_CONVOLUTIONS} are possible")
    if bits not in WEIGHT_BITS:
        raise EncodingError(f"byte 8: {bits} weight bits; use one of {WEIGHT_BITS}")
    if not (1 <= channels <= MAX_CHANNELS and 1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise EncodingError(f"bytes 9 to 12: {channels} channels of {height} x {width}")
    if any(rest):
        raise EncodingError("an unused byte of the header is not zero")
    at = start(count)
    if len(data) < at or any(data[HEADER.size + count * DESCRIPTOR.size : at]):
        raise EncodingError(f"{len(data)} bytes; {count} descriptors take {at}, and what is unused of them is zero")
    convolutions, splits = [], []
    shape = (channels, height, width)
    for number in range(count):
        where = f"convolution {number + 1}"
        outputs, size, depthwise, shift, halve, skip, last = DESCRIPTOR.unpack_from(
            data, HEADER.size + number * DESCRIPTOR.size
        )
        if size not in KERNELS or depthwise > 1 or halve not in list(Halve) or not 1 <= outputs <= MAX_CHANNELS:
            raise EncodingError(f"{where}: {outputs} outputs of {size} x {size}, depthwise {depthwise}, halve {halve}")
        if skip == 0 and last & 15:
            raise EncodingError(f"{where}: lift is {last & 15} without a skip")
        inputs = 1 if depthwise else shape[0]
        took = outputs * row_bytes(size, inputs, bits)
        if len(data) < at + 4 * outputs + took:
            raise EncodingError(f"{where}: the file ends inside it")
        bias = np.frombuffer(data, ">u4", outputs, at).astype(np.int64) - LIFT
        at += 4 * outputs
        weights = _unpack_rows(data[at : at + took], size, inputs, outputs, bits, where)
        at += took
        convolutions.append(
            Convolution(
                weights=weights,
                bias=bias,
                shift=shift,
                halve=Halve(halve),
                depthwise=bool(depthwise),
                skip=skip - 1 if skip else None,
                lift=last & 15,
            )
        )
        splits.append(last >> 4)
        part = 2 if halve else 1
        shape = (outputs, shape[1] // part, shape[2] // part)
    fields = {
        "channels": channels,
        "height": height,
        "width": width,
        "convolutions": tuple(convolutions),
        "input_bits": input_bits,
        "activation_bits": activation_bits,
        "weight_bits": bits,
    }
    return fields, splits, at, classes


def _check_rest(network: Trunk, splits: list[int]) -> None:
    """What a network or a trunk that is within its bounds must be besides."""
    if splits != [place.split for place in geometries(network)][: len(splits)]:
        raise EncodingError(f"rows lie in {splits} words; the sums of the network ask for other numbers")
    if network.inputs * network.input_bits % 8:
        raise EncodingError(f"{network.inputs} inputs of {network.input_bits} bits end inside a byte")
    _check_limits(network)


def file_bytes(network: Trunk) -> int:
    """Bytes of the file of a network or a trunk."""
    bits, total = network.weight_bits, start(len(network.convolutions))
    for conv in network.convolutions:
        outputs, inputs, size, _ = conv.weights.shape
        total += outputs * (4 + row_bytes(size, inputs, bits))
    if isinstance(network, ConvolutionalNetwork):
        total += network.classes * (4 + head_bytes(network.shapes[-1], bits))
    return total


def planes_bytes(trunk: Trunk) -> int:
    """Bytes of the last planes of a trunk, packed as a sample is; rounded up."""
    return -(-int(np.prod(trunk.shapes[-1])) * trunk.activation_bits // 8)


def _check_limits(network: Trunk) -> None:
    """What the engine has room for."""
    head = isinstance(network, ConvolutionalNetwork)
    room = MAX_BLOCKS if head else MAX_TRUNK_BLOCKS
    if blocks(network) > room:
        raise EncodingError(f"planes take {blocks(network)} blocks of 8 rows; at most {room} fit")
    if head and head_terms(network.shapes[-1]) > MAX_HEAD:
        raise EncodingError(f"the head sees {head_terms(network.shapes[-1])} words of 8 pixels; at most {MAX_HEAD} fit")
    if not head and np.prod(network.shapes[-1]) * network.activation_bits % 8:
        raise EncodingError(f"planes {network.shapes[-1]} of {network.activation_bits} bits end inside a byte")
    if not head and planes_bytes(network) > MAX_PLANES_BYTES:
        raise EncodingError(f"the last planes take {planes_bytes(network)} bytes; at most {MAX_PLANES_BYTES} fit")
    for number, conv in enumerate(network.convolutions):
        if _slots(conv)[1] > MAX_SLOTS:
            raise EncodingError(
                f"convolution {number + 1}: kernels of {conv.weights.shape[2]} x {conv.weights.shape[3]} over "
                f"{conv.weights.shape[1]} channels; 5 x 5 fits over 128"
            )
    taken = file_bytes(network) + network.inputs * network.input_bits // 8
    if not head and taken > MAX_MODEL_BYTES:
        raise EncodingError(f"the trunk and a sample take {taken} bytes; at most {MAX_MODEL_BYTES} fit")
    if not head and cost(network) + 16 * taken > MAX_TRUNK_COST:
        raise EncodingError(
            f"one sample costs up to {cost(network)} gas, and {taken} bytes; at most {MAX_TRUNK_COST} gas are allowed, "
            "with 16 a byte"
        )
    if head and cost(network) > MAX_COST:
        raise EncodingError(f"one sample costs up to {cost(network)} gas; at most {MAX_COST} are allowed")


def _slots(conv: Convolution) -> tuple[int, int, int]:
    """Patches of an output (weights, of 1 x 1 kernels), the slots they take, and the products of a row with those."""
    _, inputs, size, _ = conv.weights.shape
    step = DOZEN if size == 1 else 4
    count = inputs * (-(-size // PATCH)) ** 2
    # channels of 1 x 1 are asked about by fours, patches are one, three or four
    products = -(-count // 4) * 4 if size == 1 else (count // 4 * 4 + (0, 1, 3, 3)[count % 4]) * PATCH
    return count, -(-count // step), products


def cost(network: Trunk) -> int:
    """Upper bound of the execution gas of one sample, of `predict` or of a trunk's `run`: the contract's `cost`."""
    found, shapes = geometries(network), network.shapes
    gas = _GAS_CALL if isinstance(network, ConvolutionalNetwork) else _GAS_TRUNK
    gas += network.channels * (network.height + 1) * found[0].split * _GAS_SAMPLE_WORD
    for number, conv in enumerate(network.convolutions):
        outputs, _, size, _ = conv.weights.shape
        count, slots, products = _slots(conv)
        split = found[number].split
        tiles = split * -(-shapes[number][1] // BLOCK)
        bunches = outputs if conv.depthwise else -(-outputs // (MAX_SLOTS // slots))
        seen = _GAS_POINT
        if size > 1:
            seen = _GAS_SEEN + (_GAS_SEEN_BESIDE if split > 1 else 0)
        finish = _GAS_FINISH + (_GAS_SKIP if conv.skip is not None else 0)
        gas += _GAS_LAYER + outputs * slots * _GAS_KERNEL + bunches * tiles * (_GAS_TILE + count * seen)
        gas += outputs * tiles * (finish + slots * _GAS_SLOT + products * _GAS_PRODUCT)
        if conv.halve:
            gas += outputs * tiles * (_GAS_HALVED + _GAS_MADE * found[number + 1].split)
    channels, height, width = shapes[-1]
    if not isinstance(network, ConvolutionalNetwork):
        return gas + channels * (height + 1) * found[-1].split * _GAS_PACKED
    # words of a row that have pixels in common, of the planes and of the head
    gas += channels * (height + 1) * (-(-width // HEAD_RUN) + found[-1].split - 1) * _GAS_HEAD_PART
    words = -(-head_terms(shapes[-1]) * network.weight_bits // HEAD_LANE)
    return gas + network.classes * (_GAS_CLASS + words * _GAS_HEAD_WORD)
