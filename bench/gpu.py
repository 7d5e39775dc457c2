"""An accelerator beside NumPy and the CPU: the same predictions, and how long training takes.

    python -m bench.gpu             # on an accelerator: writes results/gpu.json; elsewhere says so and ends
    python -m bench.gpu --anyway    # on whatever there is, a CPU, too; prints and writes nothing

Ends with 1 where a single bit differs. Times are of second calls: everything is compiled by then.
"""

import argparse
import json
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from trainer import datasets, integer, integer_jax, samples
from trainer.integer import Layer, Network, Uint8
from trainer.models import FloatMLP, calibrate, fold
from trainer.presets import PRESETS, Recipe
from trainer.training import train, train_seeds

RESULTS = Path(__file__).parent / "results" / "gpu.json"
NOTHING = "no accelerator"
SEEDS = (1, 8, 32)
EPOCHS = 5
ROWS = 10_000


def hard_cases(rows: int) -> dict[str, tuple[Network, Uint8]]:
    """Networks whose sums can come near 2**24, where rounded arithmetic would show, each with samples."""
    cases = {}
    for widths in ((784, 128, 10), (4096, 64, 10)):
        rng = np.random.default_rng(0)
        x = rng.integers(0, 256, (rows, widths[0]), np.uint8)
        layers: list[Layer] = []
        for number, (inputs, outputs) in enumerate(pairwise(widths)):
            largest = min(127, (integer.MAX_ACCUMULATOR - 1) // (255 * inputs))
            weights = rng.choice(np.array([-largest, largest]), (inputs, outputs))
            layers.append(Layer(weights=weights, bias=np.zeros(outputs, np.int64), shift=None if number else 12))
        network = Network(layers=tuple(layers), input_bits=8, activation_bits=8, weight_bits=8)
        # no class wins everywhere
        middle = np.median(integer.logits(network, x), axis=0).astype(np.int64)
        last = replace(layers[-1], bias=-middle)
        cases["-".join(map(str, widths))] = replace(network, layers=(layers[0], last)), x
    return cases


def digests(rows: int) -> list[dict[str, Any]]:
    """Digests of predictions in NumPy, on one device, on all of them, and on the CPU."""
    found = []
    for name, (network, x) in hard_cases(rows).items():
        everywhere = {
            "numpy": integer.predict(network, x),
            "device": integer_jax.predict(network, x),
            "batches of 1000": integer_jax.predict(network, x, batch=1000),
            "all devices": integer_jax.predict(network, x, devices=jax.devices()),
            "cpu": integer_jax.predict(network, x, devices=jax.devices("cpu")[:1]),
        }
        with jax.disable_jit():
            everywhere["not compiled"] = integer_jax.predict(network, x)
        found.append({"net": name, "samples": rows} | {way: integer.digest(c) for way, c in everywhere.items()})
    return found


def forward_errors(rows: int) -> int:
    """How many logits the quantised phase computes otherwise than the integer network does."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (rows, 784), dtype=np.uint8)
    floats = FloatMLP((784, 128, 10), input_bits=8, rngs=nnx.Rngs(0))
    model = calibrate(fold(floats), x[:1000], input_bits=8, activation_bits=8, weight_bits=8)
    compiled = jax.jit(lambda x: model(x))
    return int((np.asarray(compiled(jnp.asarray(x))) != integer.logits(model.export(), x)).sum())


def times(name: str, recipe: Recipe, x: Uint8, y: Uint8, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Seconds of training one seed on the device, with bfloat16 and without, and of several seeds side by side."""
    epochs = recipe.epochs + recipe.quantised_epochs
    row: dict[str, Any] = {"recipe": name, "rows": len(x), "batch": recipe.batch, "epochs": epochs, "seeds": []}

    def seconds(count: int, fast: bool | None = None) -> float:
        for _ in range(2):
            results = train_seeds(x, y, recipe=recipe, seeds=range(count), fast=fast)
        return results[0].seconds

    row["full_seconds"], row["bfloat16_seconds"] = round(seconds(1, False), 3), round(seconds(1, True), 3)
    alone = seconds(1)
    for count in seeds:
        together = seconds(count)
        row["seeds"].append(
            {
                "seeds": count,
                "seconds": round(together, 3),
                "times_faster_than_in_turn": round(count * alone / together, 2),
            }
        )
    with jax.default_device(jax.devices("cpu")[0]):
        row["cpu_seconds"] = round(min(train(x, y, recipe=recipe, seed=0, fast=False).seconds for _ in range(2)), 3)
    return row


def recipes() -> dict[str, tuple[Recipe, Uint8, Uint8]]:
    """Presets cut to a few epochs, with their rows; Fashion-MNIST where it was fetched."""
    chosen = {}
    for name in ("digits-64-32", "fashion-196-64", "fashion-784-128"):
        preset = PRESETS[name]
        assert preset.dataset is not None, "presets of a data set"
        if preset.dataset == datasets.FASHION_MNIST and not datasets.FASHION_DIRECTORY.is_dir():
            continue
        loaded = datasets.load(preset.dataset)
        quantiser = preset.quantiser(loaded)
        rows = samples.from_dataset(loaded, quantiser)
        recipe = replace(preset.recipe, epochs=EPOCHS, quantised_epochs=EPOCHS, validation=0.0)
        chosen[name] = recipe, rows.x[:ROWS], rows.y[:ROWS]
    return chosen


def report(*, rows: int = ROWS, seeds: tuple[int, ...] = SEEDS) -> dict[str, Any]:
    """All that is measured."""
    device = jax.devices()[0]
    return {
        "device": {"kind": device.device_kind, "platform": device.platform, "count": len(jax.devices())},
        "jax": jax.__version__,
        "digests": digests(rows),
        "forward_errors": forward_errors(rows),
        "training": [times(name, *case, seeds) for name, case in recipes().items()],
    }


def differences(found: dict[str, Any]) -> list[str]:
    """In words, every bit that differs."""
    wrong = [
        f"{row['net']}: {way} predicts otherwise than NumPy"
        for row in found["digests"]
        for way, digest in row.items()
        if way not in ("net", "samples") and digest != row["numpy"]
    ]
    if found["forward_errors"]:
        wrong.append(f"quantised phase: {found['forward_errors']} logits are not those of the integer network")
    return wrong


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anyway", action="store_true", help="on a CPU, too; writes nothing")
    arguments = parser.parse_args()
    if jax.default_backend() == "cpu" and not arguments.anyway:
        print(NOTHING)
        return
    found = report(seeds=SEEDS[:2] if arguments.anyway else SEEDS)
    print(json.dumps(found, indent=1))
    wrong = differences(found)
    if wrong:
        sys.exit("; ".join(wrong))
    if not arguments.anyway:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
