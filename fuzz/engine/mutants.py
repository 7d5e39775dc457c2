"""Byte strings that are almost models, or almost something else."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from fuzz.engine.layouts import Rows
from fuzz.engine.subject import Subject
from trainer.header import LIFT
from trainer.integer import MAX_ACCUMULATOR, Network, accumulator_bounds

MAX_BYTES = 124 * 1024
FIELD_VALUES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 31, 32, 255)
WIDTHS = (0, 1, 2, 3, 7, 8, 9, 16, 17, 128, 255, 256, 257, 1000, 4095, 4096, 4097, 65535)


@dataclass(frozen=True)
class Base:
    """What a mutation works on: a model and its network, another network, and the draws."""

    model: bytes
    network: Network
    other: Network
    subject: Subject
    rng: Random


Mutation = Callable[[Base], bytes]


def _place(base: Base) -> Rows:
    """A layer."""
    return base.rng.choice(base.subject.layout.rows(base.network))


def flip(base: Base) -> bytes:
    model, rng = base.model, base.rng
    return _set(model, at := rng.randrange(len(model)), model[at] ^ 1 << rng.randrange(8))


def flip_header(base: Base) -> bytes:
    model, rng = base.model, base.rng
    return _set(model, at := rng.randrange(32), model[at] ^ 1 << rng.randrange(8))


def set_byte(base: Base) -> bytes:
    model, rng = base.model, base.rng
    return _set(model, rng.randrange(len(model)), rng.choice((0, 1, 0x80, 0x88, 0xAA, 0xFF, rng.randrange(256))))


def set_header(base: Base) -> bytes:
    """The bytes of the header one by one, most of them with numbers that mean something."""
    model, rng = base.model, base.rng
    at = rng.choice((rng.randrange(32), rng.randrange(4, 9), rng.randrange(24, 32)))
    return _set(model, at, rng.choice((*FIELD_VALUES, rng.randrange(256))))


def truncate(base: Base) -> bytes:
    model, rng = base.model, base.rng
    return model[: rng.choice((rng.randrange(len(model)), len(model) - 1, 32, 31, 33))]


def extend(base: Base) -> bytes:
    model, rng = base.model, base.rng
    return model + rng.choice((b"\0", bytes(32), model[-rng.randrange(1, 40) :], rng.randbytes(rng.randrange(1, 40))))


def resize(base: Base) -> bytes:
    """A field of the header changed, and the rest made as long as the header then asks for."""
    model, rng = base.model, base.rng
    out = bytearray(model)
    match rng.randrange(4):
        case 0:
            at = 9 + 2 * rng.randrange(out[5] + 1)
            old = int.from_bytes(out[at : at + 2])
            out[at : at + 2] = (max(0, rng.choice((old - 1, old + 1, old + 8, old - 8, rng.choice(WIDTHS))))).to_bytes(
                2
            )
        case 1:
            out[rng.choice((6, 7, 8))] = rng.choice((1, 2, 4, 8))
        case 2:
            out[5] = rng.randrange(9)
        case 3:
            # with its width, so that nothing is left unused
            out[5] = max(1, out[5] - 1)
            out[9 + 2 * (out[5] + 1) : 25] = bytes(25 - 9 - 2 * (out[5] + 1))
            out[25 + out[5] - 1 : 31] = bytes(6 - out[5] + 1)
            if out[5] == 1:
                out[7] = out[6]
    size = asked_length(bytes(out), base.subject)
    if size is None or size > MAX_BYTES:
        return bytes(out)
    body = bytes(out[32:]) or b"\0"
    return bytes(out[:32]) + (body * (size // len(body) + 1))[: size - 32]


def swap_rows(base: Base) -> bytes:
    """Two rows of a layer change places: often another network, with other classes."""
    model, rng = base.model, base.rng
    p = _place(base)
    a, b = (p.first + p.row_bytes * rng.randrange(p.rows) for _ in range(2))
    out = bytearray(model)
    out[a : a + p.row_bytes], out[b : b + p.row_bytes] = model[b : b + p.row_bytes], model[a : a + p.row_bytes]
    return bytes(out)


def swap_bytes(base: Base) -> bytes:
    model, rng = base.model, base.rng
    a, b = rng.randrange(len(model)), rng.randrange(len(model))
    return _set(_set(model, a, model[b]), b, model[a])


def write_lane(base: Base) -> bytes:
    """One field of a row, used or not, gets zero, the lowest or the highest weight, or anything."""
    model, network, rng = base.model, base.network, base.rng
    p = _place(base)
    w = network.weight_bits
    bit = 8 * (p.first + p.row_bytes * rng.randrange(p.rows)) + w * rng.randrange(8 * p.row_bytes // w)
    return _write(model, bit, w, rng.choice((0, 1, 1 << w - 1, (1 << w) - 1, rng.randrange(1 << w))))


def change_weight(base: Base) -> bytes:
    """A field that holds a weight gets another: a network as good as the first, unless an accumulator overflows."""
    model, network, rng = base.model, base.network, base.rng
    p = _place(base)
    w = network.weight_bits
    for _try in range(40):
        bit = 8 * (p.first + p.row_bytes * rng.randrange(p.rows)) + w * rng.randrange(p.fields)
        stored = int.from_bytes(model) >> 8 * len(model) - bit - w & (1 << w) - 1
        if stored in (weights := base.subject.stored(w)):
            return _write(model, bit, w, rng.choice(weights))
    return model


def bias_at_bound(base: Base) -> bytes:
    """A bias that takes its neuron to 2**24 - 1, which is allowed, or to 2**24, which is not; above zero or below."""
    model, network, rng = base.model, base.network, base.rng
    number = rng.randrange(len(network.layers))
    layer, p = network.layers[number], base.subject.layout.rows(network)[number]
    neuron = rng.randrange(p.rows)
    reach = int(accumulator_bounds(layer, network.activation_bits if number else network.input_bits)[neuron]) - abs(
        int(layer.bias[neuron])
    )
    size = MAX_ACCUMULATOR - reach - rng.choice((0, 1))
    return _write(
        model, 8 * (p.start + 4 * neuron), 32, base.subject.layout.zero(layer, neuron) + rng.choice((-size, size))
    )


def write_bias(base: Base) -> bytes:
    model, rng = base.model, base.rng
    p = _place(base)
    value = rng.choice((0, LIFT, LIFT - 1, 2**31, 2**32 - 1, LIFT + 2**24, LIFT - 2**24, rng.getrandbits(32)))
    return _write(model, 8 * (p.start + 4 * rng.randrange(p.rows)), 32, value)


def splice(base: Base) -> bytes:
    """The beginning of one model and the end of another."""
    model, rng = base.model, base.rng
    second = base.subject.encode(base.other)
    at = rng.choice((32, rng.randrange(len(model))))
    return rng.choice((model[:at] + second[at:], model[:at] + second[rng.randrange(len(second)) :], model + second))


def zero_span(base: Base) -> bytes:
    model, rng = base.model, base.rng
    at = rng.randrange(len(model))
    size = min(rng.randrange(1, 40), len(model) - at)
    return model[:at] + bytes(size) + model[at + size :]


def copy_span(base: Base) -> bytes:
    model, rng = base.model, base.rng
    at, size = rng.randrange(len(model)), rng.randrange(1, 64)
    return model[:at] + model[at : at + size] + model[at:]


def garbage(base: Base) -> bytes:
    model, rng = base.model, base.rng
    return rng.choice((b"", b"ASAY\x02", model[:32], model[:9])) + rng.randbytes(rng.randrange(200))


def hostile(base: Base) -> bytes:
    """A header that asks for as much work as it can, and a long file behind it."""
    rng = base.rng
    bits = [rng.choice((1, 2, 4, 8, 3, 5, 7, 0)) for _ in range(2)] + [rng.choice((2, 4, 8, 1, 3, 16, 24))]
    if rng.random() < 0.5:
        bits = [rng.choice(values) for values in base.subject.bits]
    widths = b"".join(rng.choice((0, 1, 2, 8, 16, 40, 4095, 4096, 3500)).to_bytes(2) for _ in range(8))
    layers = rng.randrange(1, 8)
    if rng.random() < 0.3:
        # nothing wrong with it but its size
        layers = rng.randrange(2, 8)
        bits = [rng.choice(values) for values in base.subject.bits]
        hidden = [rng.choice((8, 1000, 3496, 4096)).to_bytes(2) for _ in range(layers)]
        widths = b"".join([*hidden, rng.choice((2, 255, 256)).to_bytes(2)]).ljust(16, b"\0")
    head = b"ASAY" + bytes([2, layers, *bits]) + widths + bytes(7)
    return head + rng.choice((bytes, rng.randbytes))(rng.choice((1000, 30_000, 110_000)))


MUTATIONS: dict[str, Mutation] = {
    "flip a bit": flip,
    "flip a bit of the header": flip_header,
    "set a byte": set_byte,
    "set a byte of the header": set_header,
    "truncate": truncate,
    "extend": extend,
    "edit the header and resize": resize,
    "swap rows": swap_rows,
    "swap bytes": swap_bytes,
    "write a lane": write_lane,
    "change a weight": change_weight,
    "bias at the bound": bias_at_bound,
    "write a bias": write_bias,
    "splice": splice,
    "zero a span": zero_span,
    "copy a span": copy_span,
    "garbage": garbage,
    "hostile header": hostile,
}
ACCEPTABLE = (
    "flip a bit",
    "set a byte",
    "set a byte of the header",
    "swap rows",
    "swap bytes",
    "write a lane",
    "change a weight",
    "bias at the bound",
    "write a bias",
    "edit the header and resize",
)
"""Mutations that sometimes give a model; all but "change a weight" also give what is none."""


def asked_length(model: bytes, subject: Subject) -> int | None:
    """How long a file with this header is, if the header makes sense that far."""
    layers, a, b, w = model[5:9]
    widths = tuple(int.from_bytes(model[9 + 2 * i : 11 + 2 * i]) for i in range(8))
    if not 1 <= layers <= 7 or not {a, b} <= {1, 2, 4, 8} or w not in (1, 2, 4, 8) or 0 in widths[: layers + 1]:
        return None
    return subject.layout.size(widths[: layers + 1], (a, b, w))


def _set(model: bytes, at: int, value: int) -> bytes:
    return model[:at] + bytes([value]) + model[at + 1 :]


def _write(model: bytes, bit: int, size: int, value: int) -> bytes:
    """`size` bits from bit `bit` on, counted from the first byte's highest."""
    whole = int.from_bytes(model)
    below = 8 * len(model) - bit - size
    mask = ((1 << size) - 1) << below
    return ((whole & ~mask) | (value << below & mask)).to_bytes(len(model))
