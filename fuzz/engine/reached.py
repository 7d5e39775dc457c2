"""What a run reached, and what it must have reached: a green run proves nothing until it counts."""

from collections import Counter

import numpy as np

from fuzz.engine import networks
from fuzz.engine.layouts import class_of
from fuzz.engine.networks import Case
from fuzz.engine.subject import Subject
from trainer.encode import model_bytes
from trainer.integer import MAX_ACCUMULATOR, Int64, Network, Uint8

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


class Reached(Counter[tuple[str, str]]):
    """How often each class of each dimension was met."""

    def model(self, subject: Subject, case: Case) -> None:
        """Count what a case that was compared stands for."""
        network = case.network
        self.update(case.tags)
        self["layers", str(len(network.layers))] += 1
        self["bits", f"{network.input_bits}/{network.activation_bits}/{network.weight_bits}"] += 1
        self["classes", class_of(network.classes, CLASS_CLASSES)] += 1
        self["batch", class_of(len(case.samples), BATCH_CLASSES)] += 1
        self.update(("rows", class_of(rows, ROW_CLASSES)) for rows in network.widths[1:-1])
        self.update(subject.layout.classes(network))
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
    zeros = any(0 in subject.levels(w) for _, _, w in subject.triples)
    styles = [s for s in networks.STYLES if zeros or s not in ("sparse", "single", "zero")]
    return {
        "layers": tuple(str(n) for n in range(1, 8)),
        "bits": tuple("/".join(map(str, t)) for t in subject.triples),
        "classes": CLASS_CLASSES,
        "batch": BATCH_CLASSES,
        "rows": ROW_CLASSES,
        "weights": tuple(styles),
        "biases": networks.BIASES,
        "shift": subject.shifts,
        "samples": networks.FEATURES,
        "mask": networks.MASKS,
        "near": ("twins", "tie", "one more", "one less", "free"),
        "event": tuple(event for event in EVENTS if event not in subject.never),
        **subject.layout.wanted(subject.triples),
    }
