"""What a run reached, and what it must have reached: a green run proves nothing until it counts."""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from fuzz.engine import networks
from fuzz.engine.networks import Case
from fuzz.engine.subject import Subject
from trainer.encode import model_bytes, plan, plans
from trainer.integer import MAX_ACCUMULATOR, Int64, Network, Uint8

TERM_CLASSES = ("1", "2", "3-4", "5-8", "9-13", "14-16", "17", "18-24", "25", "26-48", "49", "50+")
BATCH_CLASSES = ("1", "2-7", "8", "9-15", "16", "17", "18-31", "32", "33", "34-254", "255", "256")
ROW_CLASSES = ("1", "2-7", "8", "9-127", "128", "129", "130-255", "256", "257+")
CLASS_CLASSES = ("2", "3-16", "17-127", "128", "129-254", "255", "256")
EVENTS = (
    "last layer reaches 2**24 - 1",
    "last layer reaches 1 - 2**24",
    "hidden layer reaches 2**24 - 1",
    "hidden layer reaches 1 - 2**24",
    "activation is cut",
    "activation is zero",
    "activation is between",
    "a tie decides",
    "one unit decides",
    "two classes in a batch",
    "4096 inputs",
    "2048 rows or more",
    "file above 100 KiB",
    "answer outside the mask is zero",
)


def class_of(value: int, classes: Iterable[str]) -> str:
    """The range of this table that a number is in, such as 9-13."""
    for text in classes:
        low, _, high = text.rstrip("+").partition("-")
        if int(low) <= value <= (int(high) if high else value if text[-1] == "+" else int(low)):
            return text
    raise ValueError(f"{value} is in none of {classes}")


class Reached(Counter[tuple[str, str]]):
    """How often each class of each dimension was met."""

    def model(self, case: Case) -> None:
        """Count what a case that was compared stands for."""
        network = case.network
        self.update(case.tags)
        self["layers", str(len(network.layers))] += 1
        self["bits", f"{network.input_bits}/{network.activation_bits}/{network.weight_bits}"] += 1
        self["classes", class_of(network.classes, CLASS_CLASSES)] += 1
        self["batch", class_of(len(case.samples), BATCH_CLASSES)] += 1
        for number, p in enumerate(plans(network)):
            where = "inputs" if number == 0 else "hidden"
            self[f"terms of {p.lanes} lanes, {where}", class_of(p.terms, TERM_CLASSES)] += 1
            if number < len(network.layers) - 1:
                self["rows", class_of(p.rows, ROW_CLASSES)] += 1
            edge = {0: "multiple of lanes", 1: "one more", p.lanes - 1: "one less"}.get(p.inputs % p.lanes, "other")
            self["width", edge] += 1
        tail = plans(network)[0]
        self["tail", _tail(tail.whole, tail.rest, tail.merged)] += 1
        self._events(case)

    def _events(self, case: Case) -> None:
        network, most = case.network, MAX_ACCUMULATOR - 1
        sums = accumulators(network, case.samples)
        top = 2**network.activation_bits - 1
        for layer, acc in zip(network.layers, sums, strict=True):
            where = "last layer" if layer.shift is None else "hidden layer"
            self["event", f"{where} reaches 2**24 - 1"] += bool((acc == most).any())
            self["event", f"{where} reaches 1 - 2**24"] += bool((acc == -most).any())
            if layer.shift is not None:
                y = np.maximum(acc, 0) >> layer.shift
                self["event", "activation is cut"] += bool((y > top).any())
                self["event", "activation is zero"] += bool((y == 0).any())
                self["event", "activation is between"] += bool(((y > 0) & (y < top)).any())
        best = np.sort(sums[-1], axis=1)
        self["event", "a tie decides"] += bool((best[:, -1] == best[:, -2]).any())
        self["event", "one unit decides"] += bool((best[:, -1] == best[:, -2] + 1).any())
        self["event", "two classes in a batch"] += len(set(sums[-1].argmax(axis=1).tolist())) > 1
        self["event", "4096 inputs"] += network.widths[0] == 4096
        self["event", "2048 rows or more"] += max(network.widths[1:]) >= 2048
        self["event", "file above 100 KiB"] += model_bytes(network) > 100 * 1024
        self["event", "answer outside the mask is zero"] += case.mask != (1 << len(case.samples)) - 1

    def missing(self, wanted: dict[str, tuple[str, ...]]) -> list[str]:
        """The classes that were never met."""
        return [f"{name}: {value}" for name, values in wanted.items() for value in values if not self[name, value]]

    def table(self) -> str:
        """All counts, a line a dimension."""
        lines = []
        for name in sorted({name for name, _ in self}):
            # ranges such as 9-13 by where they begin
            found = sorted((k for k in self.items() if k[0][0] == name and k[1]), key=lambda k: _order(k[0][1]))
            lines.append(f"{name:<30} " + "  ".join(f"{value} {count:,}" for (_, value), count in found))
        return "\n".join(lines)


def _order(value: str) -> tuple[bool, int, str]:
    head = value.rstrip("+").partition("-")[0]
    return (not head.isdigit(), int(head) if head.isdigit() else 0, value)


def _tail(whole: int, rest: int, merged: int) -> str:
    if rest == 0:
        return "none"
    return ("chunks and " if whole else "only ") + (
        "a tail of merged pieces" if merged > 1 else "a tail of lone pieces"
    )


TAILS = ("none", *(f"{a}a tail of {b} pieces" for a in ("chunks and ", "only ") for b in ("merged", "lone")))


def accumulators(network: Network, samples: Uint8) -> list[Int64]:
    """Every layer's sums, as `integer.logits` has them on the way: int64, shape (n, outputs) each."""
    x, sums = samples.astype(np.int64), []
    for layer in network.layers:
        # exact: every sum is below 2**24
        product = (x.astype(np.float64) @ layer.weights.astype(np.float64)).astype(np.int64)
        sums.append(product + layer.bias)
        if layer.shift is not None:
            x = np.minimum(np.maximum(sums[-1], 0) >> layer.shift, 2**network.activation_bits - 1)
    return sums


def wanted_of_models(subject: Subject) -> dict[str, tuple[str, ...]]:
    """What a thousand models must have reached."""
    bits = [{"input_bits": a, "activation_bits": b, "weight_bits": w} for a, b, w in subject.triples]
    lanes = {plan((8, 1), 0, **triple).lanes for triple in bits}
    later = {plan((8, 8, 8), 1, **triple).lanes for triple in bits}
    zeros = any(0 in subject.levels(w) for _, _, w in subject.triples)
    styles = [s for s in networks.STYLES if zeros or s not in ("sparse", "single", "zero")]
    return {
        "layers": tuple(str(n) for n in range(1, 8)),
        "bits": tuple("/".join(map(str, t)) for t in subject.triples),
        "classes": CLASS_CLASSES,
        "batch": BATCH_CLASSES,
        "rows": ROW_CLASSES,
        "width": ("multiple of lanes", "one more", "one less", "other"),
        "tail": TAILS,
        "weights": tuple(styles),
        "biases": networks.BIASES,
        "shift": networks.SHIFTS,
        "samples": networks.FEATURES,
        "mask": networks.MASKS,
        "near": ("twins", "tie", "one more", "one less", "free"),
        "event": tuple(event for event in EVENTS if event not in subject.never),
        **{f"terms of {k} lanes, inputs": TERM_CLASSES for k in sorted(lanes)},
        **{f"terms of {k} lanes, hidden": TERM_CLASSES for k in sorted(later)},
    }
