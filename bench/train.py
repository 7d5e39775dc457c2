"""Training in JAX beside the same nets in PyTorch: samples a second of both phases, and seconds to an accuracy.

    make bench-train                                 # writes results/train.json and the README's table
    make bench-train PRESETS=fashion-784-64          # the same for these presets only; the others stay as they were
    taskset -c 0 python -m bench.train fashion-lenet # prints and writes nothing; both sides on one core

PyTorch computes in a process of its own (`bench/torch_side.py`), and takes turns with JAX, a pass over the rows each,
so that whatever else the machine does slows both down alike. Both start from the same arrays, with batches of the same
size, the same rates and the same decay. Before anything is timed, the first steps over the same rows must come to the
same loss; ends with 1 where they do not. Seconds are those of passes, JAX's compilation included; starting processes,
PyTorch's choice of threads, calibration and evaluation are not timed. The accuracy of both sides is that of the integer
network that the trainer exports from their weights.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from bench import torch_nets
from trainer import convolution_models, datasets, integer, models, networks, samples
from trainer.binary import BinaryMLP
from trainer.convolution_models import FloatCNN, QuantisedCNN
from trainer.datasets import DIGITS, FASHION_MNIST
from trainer.models import FloatMLP, QuantisedMLP
from trainer.phase import EXACT, FAST, Phase, Plan, place
from trainer.presets import PRESETS, ConvolutionRecipe, Preset, Recipe
from trainer.samples import Samples
from trainer.training import CALIBRATION_ROWS

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "train.json"
PYTHON = HERE.parent / "build" / "torch-venv" / "bin" / "python"
TARGETS = (0.88, 0.90, 0.92)
TO_THE_END = ("fashion-196-64", "fashion-784-64", "fashion-784-128", "fashion-lenet")
"""Presets whose expected accuracy is above the first target: only these train for all their epochs."""
PASSES, ROWS = 8, 12_500
TOLERANCES = {1: 1e-3, 4: 5e-3}
"""By how much the mean loss of so many first steps may differ: of one, the forward pass; of more, gradients, too."""
DENSE, CONVOLUTIONAL = 2.0, 0.9
"""What JAX is demanded to reach, in samples a second, as a multiple of PyTorch."""

Integer = QuantisedMLP | QuantisedCNN | BinaryMLP


class TorchSide:
    """A process that trains in PyTorch; a context manager, which ends it."""

    def __init__(self, x: integer.Uint8, y: integer.Uint8, *, threads: int | None = None) -> None:
        """Start it with rows.

        x, y:    uint8, shape (n, inputs), and their classes, uint8, shape (n,).
        threads: of PyTorch; by default it tries what is fastest.
        """
        if not PYTHON.exists():
            sys.exit(f"{PYTHON} is not there; use make bench-train, which installs PyTorch in it")
        self.threads = threads
        self.folder = tempfile.TemporaryDirectory()
        self.file = str(Path(self.folder.name) / "arrays.npz")
        rows = str(Path(self.folder.name) / "rows.npz")
        np.savez(rows, x=x, y=y)
        self.process = subprocess.Popen(
            [str(PYTHON), str(HERE / "torch_side.py"), rows], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "TorchSide":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()
        self.folder.cleanup()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Its answer to a request."""
        assert self.process.stdin is not None and self.process.stdout is not None, "pipes"  # noqa: PT018 (one fault: Popen was asked for both)
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{PYTHON.parent.parent}: PyTorch's side ended; its last words are above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def start(self, model: torch_nets.Model, plan: Plan) -> dict[str, Any]:
        """Have it train that model, of which it gets a copy, by that plan."""
        np.savez(self.file, **torch_nets.arrays(model))
        numbers = {"rate": plan.rate, "decay": plan.decay, "epochs": plan.epochs, "steps": plan.steps}
        device = "cpu" if jax.default_backend() == "cpu" else "cuda"
        return self.ask(
            {
                "start": torch_nets.net(model),
                "arrays": self.file,
                "plan": numbers | {"batch": plan.batch},
                "device": device,
                "threads": self.threads,
            }
        )

    def learn(self, order: Sequence[int] | None = None) -> dict[str, float]:
        """Seconds and mean loss of one pass, over rows in that order or a random one."""
        return self.ask({"pass": order})

    def give(self, model: torch_nets.Model) -> None:
        """Put what it has learnt into a model of the same net."""
        self.ask({"save": self.file})
        with np.load(self.file) as known:
            torch_nets.give(model, dict(known))


def clone(model: Any) -> Any:
    """The same model in arrays of its own, which a phase may take over."""
    definition, state = nnx.split(model)
    return nnx.merge(definition, jax.tree.map(jnp.copy, state))


def load(preset: Preset) -> Samples:
    """The quantised rows of a preset, as `trainer train` takes them."""
    assert preset.dataset is not None, "presets of a data set"
    loaded = datasets.load(preset.dataset)
    quantiser = preset.quantiser(loaded)
    return samples.from_dataset(loaded, quantiser)


def fresh(recipe: Recipe | ConvolutionRecipe, inputs: int, classes: int) -> FloatMLP | FloatCNN | BinaryMLP:
    """The model that training starts with."""
    rngs = nnx.Rngs(0)
    if isinstance(recipe, ConvolutionRecipe):
        return FloatCNN(recipe.architecture, classes=classes, input_bits=recipe.input_bits, rngs=rngs)
    widths = (inputs, *recipe.hidden, classes)
    if recipe.weight_bits == integer.BINARY:
        return BinaryMLP(widths, rngs=rngs)
    return FloatMLP(widths, input_bits=recipe.input_bits, rngs=rngs)


def calibrated(
    recipe: Recipe | ConvolutionRecipe, model: FloatMLP | FloatCNN, x: integer.Uint8
) -> QuantisedMLP | QuantisedCNN:
    """That model in integers."""
    bits = (recipe.input_bits, recipe.activation_bits, recipe.weight_bits)
    names = dict(zip(("input_bits", "activation_bits", "weight_bits"), bits, strict=True))
    if isinstance(model, FloatMLP):
        return models.calibrate(models.fold(model), x[:CALIBRATION_ROWS], **names)
    assert isinstance(recipe, ConvolutionRecipe), "the model was made of the recipe"
    layers = convolution_models.fold(model)
    return convolution_models.calibrate(
        recipe.architecture, layers, x, **names, accumulator_bits=recipe.accumulator_bits
    )


def plans(recipe: Recipe | ConvolutionRecipe, rows: int) -> dict[str, Plan]:
    """Both phases, or one of a binary network, as `trainer.training` plans them."""
    steps = rows // recipe.batch
    precision = None if jax.default_backend() == "cpu" else FAST
    plan = Plan(recipe.rate, recipe.decay, recipe.epochs, steps, recipe.batch, precision)
    tuned = plan._replace(rate=recipe.quantised_rate, decay=0.0, epochs=recipe.quantised_epochs, precision=EXACT)
    return {"quantised": tuned} if recipe.weight_bits == integer.BINARY else {"float": plan, "quantised": tuned}


def loss_differences(
    model: torch_nets.Model, plan: Plan, x: integer.Uint8, y: integer.Uint8, torch: TorchSide
) -> list[float]:
    """|JAX - PyTorch| of the mean loss of each epoch over the same first rows in the same order, from the same arrays.

    Halving by the largest of equal numbers shares the gradient among them in JAX, and gives it to one in PyTorch.
    """
    torch.start(model, plan)
    rows = np.arange(plan.steps * plan.batch, dtype=np.int32)
    phase = Phase([clone(model)], plan, [jax.random.key(0)], place(x, y, None), [rows])
    found = []
    for key in phase.keys:
        order = jax.random.permutation(jax.random.wrap_key_data(key), phase.rows)
        (loss,) = phase.epoch()
        found.append(abs(loss - torch.learn(np.asarray(order).tolist())["loss"]))
    return found


@dataclass(kw_only=True)
class Race:
    """Seconds of each pass on both sides, and accuracies where they were asked for.

    seconds, accuracies: by side, one a pass.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"jax": [], "torch": []})
    accuracies: dict[str, list[float | None]] = field(default_factory=lambda: {"jax": [], "torch": []})

    def reached(self, side: str, target: float) -> float | None:
        """Seconds of all passes up to the first after which the accuracy was reached; None where none was."""
        spent = 0.0
        for seconds, accuracy in zip(self.seconds[side], self.accuracies[side], strict=True):
            spent += seconds
            if accuracy is not None and accuracy >= target:
                return round(spent, 2)
        return None


def speeds(race: Race, first: int, plan: Plan) -> dict[str, Any]:
    """Samples a second of the passes from `first` on, but for the one in which JAX compiles."""
    ours, theirs = (race.seconds[side][first + 1 :] for side in ("jax", "torch"))
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    count = plan.steps * plan.batch
    return {
        "passes": len(ours),
        "jax_samples_per_second": round(count / statistics.median(ours)),
        "torch_samples_per_second": round(count / statistics.median(theirs)),
        "ratio": round(statistics.median(ratios), 2),
        "first_pass_seconds": round(race.seconds["jax"][first], 2),
    }


def measure(name: str, preset: Preset, rows: Samples, *, passes: int | None) -> dict[str, Any]:
    """All about one preset; passes: of each phase, and no accuracies; None for all epochs, with accuracies."""
    recipe = preset.recipe
    kept = len(rows.x) - int(len(rows.x) * recipe.validation)
    if passes is not None:
        kept = min(kept, ROWS)
    x, y = rows.x[:kept], rows.y[:kept]
    ours: Any = fresh(recipe, x.shape[1], rows.classes)
    theirs = clone(ours)
    demanded = CONVOLUTIONAL if isinstance(recipe, ConvolutionRecipe) else DENSE
    device = jax.devices()[0]
    row: dict[str, Any] = {
        "preset": name,
        "rows": kept,
        "batch": recipe.batch,
        "device": processor() if device.platform == "cpu" else device.device_kind,
        "jax": jax.__version__,
        "demanded": demanded,
        "phases": [],
    }
    race, data, every = Race(), place(x, y, None), np.arange(kept, dtype=np.int32)

    def accuracy(model: Integer) -> float:
        return float((networks.predict_jax(model.export(), rows.test_x) == rows.test_y).mean())

    with TorchSide(torch_nets.samples(x, ours), y) as torch:
        for phase_name, plan in plans(recipe, kept).items():
            if phase_name == "quantised" and not isinstance(ours, BinaryMLP):
                ours, theirs = calibrated(recipe, ours, x), calibrated(recipe, theirs, x)
            checks = {
                str(steps): loss_differences(ours, plan._replace(epochs=1, steps=steps), x, y, torch)[0]
                for steps in TOLERANCES
            }
            started = torch.start(theirs, plan)
            phase = Phase([clone(ours)], plan, [jax.random.key(1)], data, [every])
            first = len(race.seconds["jax"])
            for _ in range(plan.epochs if passes is None else min(passes + 1, plan.epochs)):
                start = time.perf_counter()
                phase.epoch()
                race.seconds["jax"].append(time.perf_counter() - start)
                race.seconds["torch"].append(torch.learn()["seconds"])
                judged: tuple[float | None, float | None] = None, None
                if passes is None and phase_name == "quantised":
                    torch.give(theirs)
                    judged = accuracy(phase.model(0)), accuracy(theirs)
                for side, found in zip(("jax", "torch"), judged, strict=True):
                    race.accuracies[side].append(found)
            ours = phase.model(0)
            torch.give(theirs)
            row["phases"].append(
                {"phase": phase_name, "loss_differences": checks, "torch": started} | speeds(race, first, plan)
            )
            print(json.dumps({"preset": name} | row["phases"][-1]), file=sys.stderr, flush=True)
    if passes is None:
        sides = ("jax", "torch")
        row["seconds"] = {side: round(sum(race.seconds[side]), 1) for side in sides}
        row["accuracy"] = {side: race.accuracies[side][-1] for side in sides}
        row["best_accuracy"] = {
            side: max(found for found in race.accuracies[side] if found is not None) for side in sides
        }
        row["seconds_to"] = {
            f"{target:.2f}": {side: race.reached(side, target) for side in sides} for target in TARGETS
        }
    return row


def processor() -> str:
    """What the CPU calls itself, with the number of cores that this process may use."""
    cores = len(os.sched_getaffinity(0))
    count = f"{cores} core{'s' if cores > 1 else ''}"
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return f"{names[0].partition(':')[2].strip() if names else 'CPU'}, {count}"


def recorded(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is written: these rows, and of other presets those that were there, in the order of presets."""
    before = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    known = {row["preset"]: row for row in [*before, *rows]}
    return {"targets": TARGETS, "rows": [known[name] for name in PRESETS if name in known]}


def differences(rows: Sequence[dict[str, Any]]) -> list[str]:
    """In words, every phase in which both sides do not come to the same loss."""
    return [
        f"{row['preset']}, {phase['phase']} phase: losses of {steps} steps differ by {difference:.2g}"
        for row in rows
        for phase in row["phases"]
        for steps, difference in phase["loss_differences"].items()
        if not difference <= TOLERANCES[int(steps)]
    ]


def is_compared(preset: Preset) -> bool:
    """Whether both sides know all of its recipe, which has labels alone, and anyone can fetch its data."""
    plain = preset.recipe.teacher is None and not preset.recipe.smoothing
    return plain and preset.dataset in (FASHION_MNIST, DIGITS)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", metavar="PRESET", help="by default all of a data set")
    parser.add_argument("--short", action="store_true", help="speeds only, of a few passes over a part of the rows")
    parser.add_argument("--record", action="store_true", help="write them to results/train.json")
    arguments = parser.parse_args()
    every = [name for name, preset in PRESETS.items() if is_compared(preset)]
    unknown = sorted(set(arguments.presets) - set(every))
    if unknown:
        sys.exit(f"no preset {', '.join(unknown)}; use {', '.join(every)}")
    rows = []
    for name in arguments.presets or every:
        passes = None if name in TO_THE_END and not arguments.short else PASSES
        rows.append(measure(name, PRESETS[name], load(PRESETS[name]), passes=passes))
    print(json.dumps(rows, indent=1))
    wrong = differences(rows)
    if wrong:
        sys.exit("; ".join(wrong))
    if arguments.record:
        RESULTS.write_text(json.dumps(recorded(rows), indent=1) + "\n")


if __name__ == "__main__":
    main()
