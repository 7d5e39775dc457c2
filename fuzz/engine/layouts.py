"""How a kind of model lies in its file, and which widths and thresholds are at an edge of its engine."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Protocol

import numpy as np

from trainer import encode_binary
from trainer.encode import Plan, plan, plans
from trainer.header import HEADER, LIFT
from trainer.integer import MAX_WIDTH, Int64, Layer, Network

Bits = tuple[int, int, int]
"""Of inputs, activations, weights."""
Wanted = dict[str, tuple[str, ...]]

# kernels have 2, 4, 8, 13 or 25 terms, slots 24 or 16 and one more in the last
TERMS = (1, 2, 3, 4, 5, 8, 9, 13, 14, 16, 17, 18, 24, 25, 26, 49, 50, 17, 33, 25, 48, 49)
# terms of a layer whose lanes are as full as they can be: products are added until they might not fit
FULL_TERMS = (13, 14, 16, 17, 18, 19, 20, 22, 24, 25, 26, 50)
TERM_CLASSES = ("1", "2", "3-4", "5-8", "9-13", "14-16", "17", "18-24", "25", "26-48", "49", "50+")
THRESHOLD_CLASSES = ("below 0", "0", "1", "2-4095", "4096", "4097", "4098-8190", "8191", "8192+")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Where the rows of a layer stand: all its biases from byte `start` on, then row after row.

    fields: fields of a row in which a weight is looked for, from its first bits on.
    """

    start: int
    rows: int
    row_bytes: int
    fields: int

    @property
    def first(self) -> int:
        """Where the first row begins."""
        return self.start + 4 * self.rows


class Layout(Protocol):
    """One kind of model."""

    def rows(self, network: Network) -> list[Rows]:
        """Every layer of a model."""

    def size(self, widths: tuple[int, ...], bits: Bits) -> int:
        """Length of a file."""

    def sample_bytes(self, width: int, bits: int) -> int:
        """What `predict` takes for the bytes of a sample, whatever the header says."""

    def zero(self, layer: Layer, neuron: int) -> int:
        """What is stored for a bias of zero."""

    def inputs_at(self, rng: Random, deal: int, bits: Bits) -> int:
        """A number of inputs at which another kernel takes over; `deal` takes them in turn."""

    def hidden_at(self, deal: int, edge: int, bits: Bits) -> int:
        """The same of neurons, or one beside it."""

    def period(self, bits: Bits) -> int:
        """After so many inputs everything begins anew."""

    def full(self, rng: Random, edge: int, layer: int, bits: Bits) -> int:
        """A number of inputs of a layer that fills what is added before it is cut."""

    def nudge(self, bulk: np.random.Generator, bias: Int64, weights: Int64, room: Int64, *, last: bool) -> Int64:
        """The biases, some of them moved to where the engine treats them in another way; `last` is the last layer."""

    def classes(self, network: Network) -> Iterator[tuple[str, str]]:
        """The classes that a network is in, one of each dimension."""

    def wanted(self, triples: Iterable[Bits]) -> Wanted:
        """All of them."""


def class_of(value: int, classes: Iterable[str]) -> str:
    """The range of this table that a number is in, such as 9-13."""
    for text in classes:
        low, _, high = text.rstrip("+").partition("-")
        if int(low) <= value <= (int(high) if high else value if text[-1] == "+" else int(low)):
            return text
    raise ValueError(f"{value} is in none of {classes}")


class Dense:
    """Lanes and terms: `trainer/encode.py`."""

    def rows(self, network: Network) -> list[Rows]:
        result, start = [], HEADER.size
        for p in plans(network):
            fields = 8 * p.row_bytes // network.weight_bits
            result.append(Rows(start=start, rows=p.rows, row_bytes=p.row_bytes, fields=fields))
            start += p.layer_bytes
        return result

    def size(self, widths: tuple[int, ...], bits: Bits) -> int:
        return HEADER.size + sum(_plan(widths, i, bits).layer_bytes for i in range(len(widths) - 1))

    def sample_bytes(self, width: int, bits: int) -> int:
        return width * bits // 8

    def zero(self, layer: Layer, neuron: int) -> int:
        return LIFT

    def inputs_at(self, rng: Random, deal: int, bits: Bits) -> int:
        """Of so many terms, or as many as come next: pieces of a tail share terms."""
        terms, step = TERMS[deal % len(TERMS)], 8 // bits[0]
        found = {n: _plan((n, 1), 0, bits).terms for n in range(step, 16 * terms + 300, step)}
        nearest = min(t for t in found.values() if t >= terms)
        return rng.choice([n for n, t in found.items() if t == nearest])

    def hidden_at(self, deal: int, edge: int, bits: Bits) -> int:
        return _plan((8, 8, 8), 1, bits).lanes * TERMS[deal % len(TERMS)] + edge

    def period(self, bits: Bits) -> int:
        first = _plan((8, 1), 0, bits)
        return first.split * first.lanes

    def full(self, rng: Random, edge: int, layer: int, bits: Bits) -> int:
        return _plan((8, 8, 8), min(layer, 1), bits).lanes * rng.choice(FULL_TERMS) + edge

    def nudge(self, bulk: np.random.Generator, bias: Int64, weights: Int64, room: Int64, *, last: bool) -> Int64:
        return bias

    def classes(self, network: Network) -> Iterator[tuple[str, str]]:
        for number, p in enumerate(plans(network)):
            where = "inputs" if number == 0 else "hidden"
            yield f"terms of {p.lanes} lanes, {where}", class_of(p.terms, TERM_CLASSES)
            edge = {0: "multiple of lanes", 1: "one more", p.lanes - 1: "one less"}.get(p.inputs % p.lanes, "other")
            yield "width", edge
        tail = plans(network)[0]
        yield "tail", _tail(tail.whole, tail.rest, tail.merged)

    def wanted(self, triples: Iterable[Bits]) -> Wanted:
        triples = list(triples)
        lanes = {_plan((8, 1), 0, bits).lanes for bits in triples}
        later = {_plan((8, 8, 8), 1, bits).lanes for bits in triples}
        return {
            "width": ("multiple of lanes", "one more", "one less", "other"),
            "tail": TAILS,
            **{f"terms of {k} lanes, inputs": TERM_CLASSES for k in sorted(lanes)},
            **{f"terms of {k} lanes, hidden": TERM_CLASSES for k in sorted(later)},
        }


def _plan(widths: tuple[int, ...], layer: int, bits: Bits) -> Plan:
    return plan(widths, layer, input_bits=bits[0], activation_bits=bits[1], weight_bits=bits[2])


def _tail(whole: int, rest: int, merged: int) -> str:
    if rest == 0:
        return "none"
    return ("chunks and " if whole else "only ") + (
        "a tail of merged pieces" if merged > 1 else "a tail of lone pieces"
    )


TAILS = ("none", *(f"{a}a tail of {b} pieces" for a in ("chunks and ", "only ") for b in ("merged", "lone")))


# a slot is three words of 256 bits, the last one also a quarter of 64
WORD, QUARTER, SLOT = 256, 64, 768
SLOTS = tuple(str(n) for n in range(1, 7))
_ENDS = tuple(
    f"{words} {end}" for words in ("1 word", "2 words", "3 words") for end in ("whole", "cut", "and a quarter")
)
ENDS = ("a quarter", *_ENDS)
TAIL_BITS = ("0", "1-63", "64", "65-127", "128", "129-254", "255")
# a sample has whole bytes
INPUT_TAIL_BITS = ("0", "8", "16-56", "64", "72", "80-240", "248")
INPUT_TURNS = (
    *(slots + words + rest for slots in (0, SLOT) for words in (0, 256, 512) for rest in (8, 64, 72)),
    *(128, 248, 256, 512, 760, 768, 776, 824, 832, 840, 896, 1024, 1536, 1600, 1608, 2304, 2368, 2376),
)
HIDDEN_TURNS = (64, 128, 256, 320, 512, 576, 768, 832, 1, 63, 191, 255, 511, 767, 1024, 1088, 32, 16, 48, 200, 700, 900)
NEIGHBOURS = ("0", "1", "2-7", "8", "9-14", "15")
FULL = (832, 832, 768, 256, 320, 512, 576, 64, 264, 1600, 1664)


class Binary:
    """Bits, thresholds and counts: `trainer/encode_binary.py`."""

    def rows(self, network: Network) -> list[Rows]:
        result, start = [], HEADER.size
        for inputs, rows in pairwise(network.widths):
            result.append(Rows(start=start, rows=rows, row_bytes=-(-inputs // 8), fields=inputs))
            start = result[-1].first + rows * result[-1].row_bytes
        return result

    def size(self, widths: tuple[int, ...], bits: Bits) -> int:
        return encode_binary.model_bytes(widths)

    def sample_bytes(self, width: int, bits: int) -> int:
        return width // 8

    def zero(self, layer: Layer, neuron: int) -> int:
        return LIFT + int((layer.weights[:, neuron] > 0).sum())

    def inputs_at(self, rng: Random, deal: int, bits: Bits) -> int:
        return INPUT_TURNS[deal % len(INPUT_TURNS)]

    def hidden_at(self, deal: int, edge: int, bits: Bits) -> int:
        return HIDDEN_TURNS[deal % len(HIDDEN_TURNS)] + edge

    def period(self, bits: Bits) -> int:
        return SLOT

    def full(self, rng: Random, edge: int, layer: int, bits: Bits) -> int:
        return rng.choice(FULL)

    def nudge(self, bulk: np.random.Generator, bias: Int64, weights: Int64, room: Int64, *, last: bool) -> Int64:
        """Thresholds c around none and all of the inputs, and where lanes of 13 bits end: c = b + the ones of a row.

        In the last layer as far from zero as they may be; of 4096 inputs, which alone reach a clamp, all at it.
        """
        if last:
            return bulk.choice(np.array([-1, 1]), len(bias)) * room if bulk.random() < 0.5 else bias
        n = len(weights)
        if n == MAX_WIDTH:
            return bulk.choice(np.array([n - 1, *[n] * 8, n + 1]), len(bias)) - (weights > 0).sum(axis=0)
        edges = np.array([-1, 0, 1, n - 1, n, n, n + 1, 4095, 4096, 4097, 4098, 8190, 8191, 8192, 8193, 2**16 + 1])
        moved = np.clip(bulk.choice(edges, len(bias)) - (weights > 0).sum(axis=0), -room, room)
        return np.where(bulk.random(len(bias)) < 0.2, moved, bias)

    def classes(self, network: Network) -> Iterator[tuple[str, str]]:
        for number, (inputs, rows) in enumerate(pairwise(network.widths)):
            where = "hidden" if number else "inputs"
            words, rest = divmod(-(-inputs // 8) * 8, WORD)
            quarter = 0 < rest <= QUARTER
            words += rest > QUARTER
            slots = max(-(-words // 3), 1)
            last = words - 3 * (slots - 1)
            end = "and a quarter" if quarter else "cut" if rest else "whole"
            yield f"slots of {where}", str(slots)
            yield f"end of {where}", f"{last} word{'s' * (last > 1)} {end}" if last else "a quarter"
            yield f"tail bits of {where}", class_of(inputs % WORD, TAIL_BITS if number else INPUT_TAIL_BITS)
            if number:
                yield "unused bits", str(-inputs % 8)
            if number < len(network.layers) - 1:
                yield "neurons modulo 16", class_of(rows % 16, NEIGHBOURS)
                yield "groups of 16", "odd" if -(-rows // 16) % 2 else "even"
                layer = network.layers[number]
                for c in set((layer.bias + (layer.weights > 0).sum(axis=0)).tolist()):
                    yield "threshold", "below 0" if c < 0 else class_of(c, THRESHOLD_CLASSES[1:])

    def wanted(self, triples: Iterable[Bits]) -> Wanted:
        return {
            **{f"slots of {where}": SLOTS for where in ("inputs", "hidden")},
            **{f"end of {where}": ENDS for where in ("inputs", "hidden")},
            "tail bits of inputs": INPUT_TAIL_BITS,
            "tail bits of hidden": TAIL_BITS,
            "unused bits": tuple(str(n) for n in range(8)),
            "neurons modulo 16": NEIGHBOURS,
            "groups of 16": ("odd", "even"),
            "threshold": THRESHOLD_CLASSES,
        }
