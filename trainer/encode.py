"""Models and samples as bytes: the formats of `contracts/README.md`, in NumPy.

`decode` and the contract's `validate` accept exactly the same byte strings. Dense models are encoded here, those of
one bit in `trainer/encode_binary.py`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from trainer import encode_binary
from trainer.errors import EncodingError, NetworkError
from trainer.header import HEADER, LIFT, MAX_COST, MAX_MODEL_BYTES, Header, pack_header, read_header
from trainer.integer import BINARY, INPUT_BITS, Layer, Network, Uint8, accumulator_bounds

MAX_GROUP: Final = 32

# the dense engine's gas, see `cost`
_GAS_CALL: Final = 142_500
_GAS_WIDE_CALL: Final = 430_000
_GAS_LAYER: Final = 1_550
_GAS_SLOT: Final = 3_300
_GAS_INPUT: Final = 180
_GAS_PIECE: Final = 350
_GAS_TURNED: Final = 2_750
_GAS_ROW: Final = 680
_GAS_MEET: Final = 1_100
_GAS_TERM: Final = 58
_GAS_FIELD: Final = 210
_KEPT_BEHIND: Final = 60

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How one layer's rows lie in the file.

    inputs, rows: shape of the layer.
    bits:         bits of an input.
    stride:       bits of a lane; `lanes` lanes make a word.
    split:        words of inputs cut from one chunk of a sample (layer 0; 0 in others, like all that follow).
    whole, rest:  whole chunks of a sample, inputs behind them: the tail.
    run:          lanes that the tail takes of a word cut from it.
    merged:       such words that share a term.
    pieces:       such words that hold an input.
    terms:        words that a row multiplies.
    slots:        rounds in which a row multiplies them; nothing in the file depends on it.
    depth:        terms in a chunk of the file.
    chunks:       chunks of a row, each `chunk_bytes` long.
    """

    inputs: int
    rows: int
    bits: int
    stride: int
    lanes: int
    split: int
    whole: int
    rest: int
    run: int
    merged: int
    pieces: int
    terms: int
    slots: int
    depth: int
    chunks: int

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a chunk: 32 or 30."""
        return self.stride * self.lanes // 8

    @property
    def row_bytes(self) -> int:
        """Bytes of a row without its bias."""
        return self.chunks * self.chunk_bytes

    @property
    def layer_bytes(self) -> int:
        """Bytes of the layer: all biases, all rows."""
        return self.rows * (4 + self.row_bytes)


def plan(widths: tuple[int, ...], layer: int, *, input_bits: int, activation_bits: int, weight_bits: int) -> Plan:
    """Geometry of one layer of a network of these widths."""
    bits = activation_bits if layer else input_bits
    if max(input_bits, activation_bits, weight_bits) <= 4:
        stride, lanes = 16, 16
    else:
        stride, lanes = (32, 8) if layer else (24, 10)
    inputs = widths[layer]
    split = whole = rest = run = merged = pieces = 0
    if layer:
        terms = -(-inputs // lanes)
    else:
        split = stride // bits
        whole, rest = divmod(inputs, split * lanes)
        terms = whole * split
        if rest:
            run = -(-rest // split)
            merged = lanes // run
            pieces = min(rest, split)
            terms += -(-pieces // merged)
    depth = stride // weight_bits
    step = 27 if split == depth == 3 else 16 if split == 16 or depth == 16 else 24
    return Plan(
        inputs=inputs,
        rows=widths[layer + 1],
        bits=bits,
        stride=stride,
        lanes=lanes,
        split=split,
        whole=whole,
        rest=rest,
        run=run,
        merged=merged,
        pieces=pieces,
        terms=terms,
        slots=max(-(-(terms - (stride == 16)) // step), 1),
        depth=depth,
        chunks=-(-terms // depth),
    )


def plans(network: Network) -> tuple[Plan, ...]:
    """Geometry of every layer of a dense model."""
    return tuple(
        plan(
            network.widths,
            layer,
            input_bits=network.input_bits,
            activation_bits=network.activation_bits,
            weight_bits=network.weight_bits,
        )
        for layer in range(len(network.layers))
    )


def model_bytes(network: Network) -> int:
    """Length of the encoding."""
    if network.weight_bits == BINARY:
        return encode_binary.model_bytes(network.widths)
    return HEADER.size + sum(p.layer_bytes for p in plans(network))


def _fields(p: Plan, layer: int) -> Int64:
    """Position of every input in a row, counted in fields of one weight from the row's first bits; (inputs,).

    A chunk is `lanes * depth` fields without gaps, so lane and term of an input say which field it is.
    """
    i = np.arange(p.inputs, dtype=np.int64)
    if layer == 0:
        period = p.split * p.lanes
        e = period - 1 - i % period
        term = i // period * p.split + e % p.split
        lane = e // p.split
        # the tail: piece after piece, `merged` of them in a term
        piece = i % period % p.split
        beside = piece % max(p.merged, 1)
        tail = i >= p.whole * period
        term = np.where(tail, p.whole * p.split + piece // max(p.merged, 1), term)
        lane = np.where(tail, lane - p.run * beside, lane)
    else:
        term = i // p.lanes
        lane = i % p.lanes
    field_from_right = (p.lanes - 1 - lane) * p.depth + term % p.depth
    per_chunk = p.lanes * p.depth
    result: Int64 = term // p.depth * per_chunk + (per_chunk - 1 - field_from_right)
    return result


def _pack(values: Uint8, bits: int) -> Uint8:
    """(..., n) values of `bits` bits to (..., n * bits / 8) bytes, the first value in the highest bits."""
    per = 8 // bits
    grouped = values.reshape(*values.shape[:-1], -1, per)
    packed = np.zeros(grouped.shape[:-1], np.uint8)
    for j in range(per):
        packed |= grouped[..., j] << np.uint8(8 - bits * (j + 1))
    return packed


def _unpack(data: Uint8, bits: int) -> Uint8:
    """Inverse of `_pack`."""
    per = 8 // bits
    out = np.empty((*data.shape, per), np.uint8)
    for j in range(per):
        out[..., j] = data >> np.uint8(8 - bits * (j + 1)) & np.uint8((1 << bits) - 1)
    return out.reshape(*data.shape[:-1], -1)


def encode(network: Network) -> bytes:
    """The model file: the only encoding of this network.

    Raises `EncodingError` where the network has none: an input that does not fill its last byte, a file above 124 KiB,
    or a sample that costs more gas than an audit may.
    """
    if network.weight_bits == BINARY:
        return encode_binary.encode(network)
    bits = network.weight_bits
    zero = 1 << (bits - 1)
    header = pack_header(network)
    size = model_bytes(network)
    if size > MAX_MODEL_BYTES:
        raise EncodingError(f"the model takes {size} bytes; at most {MAX_MODEL_BYTES} fit")
    gas = cost(network)
    if gas > MAX_COST:
        raise EncodingError(f"one sample costs up to {gas} gas; at most {MAX_COST} are allowed")
    parts = [header]
    for number, (layer, p) in enumerate(zip(network.layers, plans(network), strict=True)):
        fields = np.zeros((p.rows, p.chunks * p.lanes * p.depth), np.uint8)
        fields[:, _fields(p, number)] = (layer.weights.T + zero).astype(np.uint8)
        parts += [(layer.bias + LIFT).astype(">u4").tobytes(), _pack(fields, bits).tobytes()]
    return b"".join(parts)


def decode(data: bytes) -> Network:
    """The network of a model file.

    Raises `EncodingError`, which names the fault and its place, for every other byte string.
    """
    header = read_header(data)
    if header.weight_bits == BINARY:
        return encode_binary.decode(header, data)
    return _decode_dense(header, data)


def _decode_dense(header: Header, data: bytes) -> Network:
    input_bits, activation_bits, weight_bits = header.input_bits, header.activation_bits, header.weight_bits
    widths, count = header.widths, len(header.widths) - 1
    zero = 1 << (weight_bits - 1)
    geometry = tuple(
        plan(widths, i, input_bits=input_bits, activation_bits=activation_bits, weight_bits=weight_bits)
        for i in range(count)
    )
    size = HEADER.size + sum(p.layer_bytes for p in geometry)
    if len(data) != size:
        raise EncodingError(f"{len(data)} bytes; the header asks for {size}")
    layers, at = [], HEADER.size
    for number, p in enumerate(geometry):
        bias = np.frombuffer(data, ">u4", p.rows, at).astype(np.int64) - LIFT
        rows = np.frombuffer(data, np.uint8, p.rows * p.row_bytes, at + 4 * p.rows).reshape(p.rows, p.row_bytes)
        at += p.layer_bytes
        fields = _unpack(rows, weight_bits)
        used: Bool = np.zeros(fields.shape[1], np.bool_)
        places = _fields(p, number)
        used[places] = True
        if fields[:, ~used].any():
            row = int(fields[:, ~used].any(axis=1).argmax())
            raise EncodingError(f"layer {number}, neuron {row}: a lane without input is not zero")
        stored = fields[:, places]
        if not stored.all():
            row = int((stored == 0).any(axis=1).argmax())
            raise EncodingError(f"layer {number}, neuron {row}: a lane with input is zero")
        layer = Layer(
            weights=np.ascontiguousarray(stored.astype(np.int64).T) - zero,
            bias=bias,
            shift=header.shifts[number] if number < count - 1 else None,
        )
        bound = accumulator_bounds(layer, p.bits)
        if bound.max() >= 2**24:
            row = int(bound.argmax())
            raise EncodingError(f"layer {number}, neuron {row} can reach {int(bound[row])}; keep it under 2**24")
        layers.append(layer)
    try:
        network = Network(
            layers=tuple(layers), input_bits=input_bits, activation_bits=activation_bits, weight_bits=weight_bits
        )
    except NetworkError as error:
        raise EncodingError(str(error)) from error
    gas = cost(network)
    if gas > MAX_COST:
        raise EncodingError(f"one sample costs up to {gas} gas; at most {MAX_COST} are allowed")
    return network


def cost(network: Network) -> int:
    """Upper bound of the execution gas of `predict` for one sample: the contract's `cost`."""
    if network.weight_bits == BINARY:
        return encode_binary.cost(network.widths)
    wide = max(network.input_bits, network.activation_bits, network.weight_bits) > 4
    gas = _GAS_WIDE_CALL if wide else _GAS_CALL
    for layer, p in enumerate(plans(network)):
        parts = -(-p.rows // 128)
        load = _GAS_TURNED if layer else _GAS_INPUT
        term = _GAS_TERM if p.depth <= 4 else _GAS_FIELD
        gas += _GAS_LAYER + parts * (_GAS_SLOT * p.slots + load * p.terms + _GAS_PIECE * p.pieces)
        gas += p.rows * (_GAS_ROW + _GAS_MEET * p.slots + term * p.terms)
    return gas + gas // _KEPT_BEHIND if wide else gas


def padded_width(features: int, bits: int) -> int:
    """Smallest width >= features that fills the last byte of a sample; the added features are always zero."""
    if bits not in INPUT_BITS:
        raise EncodingError(f"{bits} input bits; use one of {INPUT_BITS}")
    per = 8 // bits
    return -(-features // per) * per


def pack_samples(samples: Uint8, bits: int) -> bytes:
    """Samples as the engine reads them.

    samples: uint8, shape (n, inputs), values below 2**bits; inputs must fill the last byte.
    Returns n * inputs * bits / 8 bytes. Raises `EncodingError` otherwise.
    """
    if bits not in INPUT_BITS:
        raise EncodingError(f"{bits} input bits; use one of {INPUT_BITS}")
    if samples.ndim != 2 or samples.dtype != np.uint8:
        raise EncodingError(f"samples are {samples.dtype} {samples.shape}; pass uint8 (n, inputs)")
    if samples.shape[1] == 0 or samples.shape[1] * bits % 8:
        raise EncodingError(f"{samples.shape[1]} features of {bits} bits end inside a byte; pad them to padded_width()")
    if samples.size and int(samples.max()) >> bits:
        raise EncodingError(f"feature {int(samples.max())} needs more than {bits} bits")
    return _pack(samples, bits).tobytes()


def unpack_samples(data: bytes, count: int, bits: int) -> Uint8:
    """Inverse of `pack_samples`: uint8, shape (count, 8 * len(data) / count / bits)."""
    if bits not in INPUT_BITS:
        raise EncodingError(f"{bits} input bits; use one of {INPUT_BITS}")
    if count < 1 or not data or len(data) % count:
        raise EncodingError(f"{len(data)} bytes are not {count} samples")
    return _unpack(np.frombuffer(data, np.uint8).reshape(count, -1), bits)


def class_word(classes: Uint8) -> bytes:
    """Classes of a group as one word: byte i is the class of sample i, later bytes are zero.

    classes: integers from 0 to 255, shape (n,), n <= 32.
    """
    values = np.asarray(classes)
    if values.ndim != 1 or len(values) > MAX_GROUP:
        raise EncodingError(f"a word holds the classes of at most {MAX_GROUP} samples, not {values.shape}")
    if values.size and not (int(values.min()) >= 0 and int(values.max()) <= 255):
        raise EncodingError("a class is a number from 0 to 255")
    return values.astype(np.uint8).tobytes().ljust(32, b"\0")


def classes_of(word: bytes, count: int) -> Uint8:
    """Inverse of `class_word`: uint8, shape (count,). Raises `EncodingError` where a later byte is not zero."""
    if len(word) != 32 or not 0 <= count <= MAX_GROUP:
        raise EncodingError(
            f"{len(word)} bytes and {count} samples; a word has 32 bytes and at most {MAX_GROUP} samples"
        )
    if any(word[count:]):
        raise EncodingError(f"a byte after the first {count} is not zero")
    return np.frombuffer(word, np.uint8)[:count].copy()
