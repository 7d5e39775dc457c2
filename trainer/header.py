"""The first 32 bytes of a model, which all models share: the format is in `contracts/README.md`."""

import struct
from dataclasses import dataclass
from typing import Final

from trainer.errors import EncodingError
from trainer.integer import (
    BINARY,
    INPUT_BITS,
    MAX_CLASSES,
    MAX_LAYERS,
    MAX_SHIFT,
    MAX_WIDTH,
    WEIGHT_BITS,
    Network,
)

MAGIC: Final = b"ASAY"
VERSION: Final = 2
HEADER: Final = struct.Struct(">4s5B8H6BB")
MAX_MODEL_BYTES: Final = 124 * 1024

# what a stored bias or threshold is above its value
LIFT: Final = 2**30
# gas that one sample may take
MAX_COST: Final = 11_500_000


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the header says: widths from the inputs to the classes, a shift for each hidden layer."""

    input_bits: int
    activation_bits: int
    weight_bits: int
    widths: tuple[int, ...]
    shifts: tuple[int, ...]


def pack_header(network: Network) -> bytes:
    """The header of a network; raises `EncodingError` where its input does not fill its last byte."""
    if network.widths[0] * network.input_bits % 8:
        raise EncodingError(
            f"{network.widths[0]} inputs of {network.input_bits} bits end inside a byte; pad them to padded_width()"
        )
    shifts = [layer.shift or 0 for layer in network.layers[:-1]]
    return HEADER.pack(
        MAGIC,
        VERSION,
        len(network.layers),
        network.input_bits,
        network.activation_bits,
        network.weight_bits,
        *network.widths,
        *[0] * (MAX_LAYERS - len(network.layers)),
        *shifts,
        *[0] * (MAX_LAYERS - 1 - len(shifts)),
        0,
    )


def read_header(data: bytes) -> Header:
    """The header of a model file; raises `EncodingError`, which names the fault and its place."""
    if len(data) < HEADER.size:
        raise EncodingError(f"a model has at least {HEADER.size} bytes, not {len(data)}")
    if len(data) > MAX_MODEL_BYTES:
        raise EncodingError(f"a model has at most {MAX_MODEL_BYTES} bytes, not {len(data)}")
    magic, version, count, input_bits, activation_bits, weight_bits, *rest = HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise EncodingError(f"magic and version are {magic!r} and {version}, not {MAGIC!r} and {VERSION}")
    if not 1 <= count <= MAX_LAYERS:
        raise EncodingError(f"byte 5: {count} layers; 1 to {MAX_LAYERS} are possible")
    if input_bits not in INPUT_BITS:
        raise EncodingError(f"byte 6: {input_bits} input bits; use one of {INPUT_BITS}")
    if activation_bits not in INPUT_BITS or (count == 1 and activation_bits != input_bits):
        raise EncodingError(f"byte 7: {activation_bits} activation bits with {count} layers, {input_bits} input bits")
    if weight_bits not in (BINARY, *WEIGHT_BITS):
        raise EncodingError(f"byte 8: {weight_bits} weight bits; use one of {(BINARY, *WEIGHT_BITS)}")
    widths, shifts, last = tuple(rest[: count + 1]), tuple(rest[MAX_LAYERS + 1 : MAX_LAYERS + count]), rest[-1]
    if not all(1 <= width <= MAX_WIDTH for width in widths):
        raise EncodingError(f"widths {widths}; 1 to {MAX_WIDTH} are possible")
    if any(rest[count + 1 : MAX_LAYERS + 1]) or any(rest[MAX_LAYERS + count : -1]) or last:
        raise EncodingError("an unused field of the header is not zero")
    if any(shift > MAX_SHIFT for shift in shifts):
        raise EncodingError(f"shifts {shifts}; 0 to {MAX_SHIFT} are possible")
    if weight_bits == BINARY and ((input_bits, activation_bits) != (1, 1) or any(shifts)):
        raise EncodingError(
            f"byte 8: 1 weight bits with {input_bits} input bits, {activation_bits} activation bits and shifts "
            f"{shifts}; use 1 bit everywhere and no shift"
        )
    if not 2 <= widths[-1] <= MAX_CLASSES:
        raise EncodingError(f"{widths[-1]} classes; 2 to {MAX_CLASSES} are possible")
    if widths[0] * input_bits % 8:
        raise EncodingError(f"{widths[0]} inputs of {input_bits} bits end inside a byte")
    return Header(
        input_bits=input_bits,
        activation_bits=activation_bits,
        weight_bits=weight_bits,
        widths=widths,
        shifts=shifts,
    )
