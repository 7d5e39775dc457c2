"""Accuracy against gas of one sample, for every preset of Fashion-MNIST: writes `results/pareto.json`.

    make bench-pareto                      # every preset that has no figures for its recipe; then tables and picture
    python -m bench.pareto --preset NAME   # one of them
    python -m bench.pareto --gas           # gas anew, of the networks that are still in build/pareto

Each seed's figures are written as soon as they are there, and a seed that has them is not trained again unless the
recipe has changed. What a teacher says is kept in build/pareto/teachers: seconds include its training where it was not
there yet. Accuracy is the integer network's on the official test set. Gas is execution gas of the deployed
engine, cold, on revm: what a sample of a whole set adds to a call of none, on random inputs of which half are zero; of
a convolutional network, which runs samples one by one, what one adds. Of a network in segments it is that of all steps
of a sample and of the engine's answer behind them, on titanoboa; calls of none are not taken off.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np

from fuzz.engine.subject import calldata
from fuzz.native import Machine, Native, image
from trainer import datasets, fetch, networks, training
from trainer.chain import (
    TRANSACTION_CAP,
    Chain,
    deploy_binary_engine,
    deploy_convolution_engine,
    deploy_engine,
    deploy_segmented_engine,
)
from trainer.convolution import ConvolutionalNetwork
from trainer.encode import pack_samples
from trainer.encode_segments import files_of, model_of
from trainer.header import MAX_MODEL_BYTES
from trainer.integer import BINARY
from trainer.networks import AnyNetwork
from trainer.presets import PRESETS, Preset
from trainer.samples import Samples, from_dataset
from trainer.segments import SegmentedNetwork
from trainer.steps import Steps

RESULTS = Path(__file__).parent / "results" / "pareto.json"
BUILD = Path("build/pareto")
TEACHERS = BUILD / "teachers"
SEEDS = (0, 1, 2)
# samples: the most of a batch, and the sets in which dense engines run them, of 4 bits and of 8
BATCH, NARROW, WIDE = 48, 16, 24


def presets() -> list[Preset]:
    """Those of Fashion-MNIST, in their order."""
    return [preset for preset in PRESETS.values() if preset.dataset == datasets.FASHION_MNIST]


def recipe_of(preset: Preset) -> dict[str, Any]:
    """Everything that decides the networks, as JSON."""
    plain: dict[str, Any] = json.loads(json.dumps({"pooled": preset.pooled, **asdict(preset.recipe)}))
    return plain


def gas_of(machine: Machine, network: AnyNetwork) -> int:
    """Gas of one sample; the engine's answers are compared with the specification's."""
    model = networks.write(network)
    batch = _batch(network, len(model))
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 2**network.input_bits, (batch, network.inputs)).astype(np.uint8)
    samples[rng.random(samples.shape) < 0.5] = 0
    payload, gas = model + pack_samples(samples, network.input_bits), []
    for mask in ((1 << batch) - 1, 0):
        done = machine.call(calldata("predict", payload, len(model), mask))
        assert done.reason is None, done
        if mask:
            # behind the offset and the length of the answer
            assert (np.frombuffer(done.output[64:], np.uint8)[:batch] == networks.predict(network, samples)).all()
        gas.append(done.gas)
    return round((gas[0] - gas[1]) / batch)


def steps_gas(network: SegmentedNetwork) -> int:
    """Execution gas of one sample of a network in segments: of every step, and of the engine's answer behind them."""
    rng = np.random.default_rng(0)
    sample = rng.integers(0, 2**network.input_bits, (1, network.inputs)).astype(np.uint8)
    sample[rng.random(sample.shape) < 0.5] = 0
    chain, files = Chain(), files_of(network)
    sender, model = chain.account("somebody"), model_of(files)
    with chain.active():
        steps = Steps(chain, deploy_segmented_engine().address, gas_limit=TRANSACTION_CAP)
        registered = list(steps.register(files, sender=sender))
        taken = list(steps.run(network, sample[0], sender=sender))
        payload = model + pack_samples(sample, network.input_bits)
        asked = chain.send(steps.engine.predict, payload, len(model), 1, sender=sender)
    assert len(registered) == len(taken) == len(files)
    assert asked.result[0][0] == networks.predict(network, sample)[0], "the engine answers something else"
    return sum(step.execution_gas for step in taken) + asked.execution_gas


def _batch(network: AnyNetwork, model_bytes: int) -> int:
    """Samples of the batch whose gas is taken: one, or whole sets of what fits beside the model."""
    if isinstance(network, ConvolutionalNetwork):
        return 1
    fits = (MAX_MODEL_BYTES - model_bytes) // (network.inputs * network.input_bits // 8)
    whole = WIDE if max(network.input_bits, network.weight_bits, network.activation_bits) > 4 else NARROW
    return min(BATCH, fits) // whole * whole


class Machines:
    """An engine for each kind of network, deployed when it is first asked for."""

    def __init__(self) -> None:
        self._there: dict[Callable[[], Any], Machine] = {}

    def of(self, network: AnyNetwork) -> Machine:
        """The machine whose engine runs the network."""
        deploy = deploy_engine
        if isinstance(network, ConvolutionalNetwork):
            deploy = deploy_convolution_engine
        elif network.weight_bits == BINARY:
            deploy = deploy_binary_engine
        if deploy not in self._there:
            self._there[deploy] = Native(image(deploy))
        return self._there[deploy]

    def price(self, network: AnyNetwork) -> int:
        """Gas of one sample."""
        if isinstance(network, SegmentedNetwork):
            return steps_gas(network)
        return gas_of(self.of(network), network)


def load() -> dict[str, Any]:
    """What was measured so far, by preset."""
    rows: dict[str, Any] = json.loads(RESULTS.read_text())["presets"] if RESULTS.exists() else {}
    return rows


def store(rows: dict[str, Any]) -> None:
    """Write the figures, in the order of the presets."""
    order = {preset.name: rows[preset.name] for preset in presets() if preset.name in rows}
    RESULTS.write_text(json.dumps({"command": "make bench-pareto", "presets": order}, indent=1) + "\n")


def measure(preset: Preset, rows: dict[str, Any], machines: Machines) -> None:
    """Train what is missing, and write each seed's figures."""
    recipe, loaded = recipe_of(preset), datasets.load(datasets.FASHION_MNIST)
    old = rows.get(preset.name, {})
    runs = {run["seed"]: run for run in old["runs"]} if old.get("recipe") == recipe else {}
    data: Samples | None = None
    for seed in SEEDS:
        if seed in runs:
            continue
        if data is None:
            data = from_dataset(loaded, preset.quantiser(loaded), teacher=preset.recipe.teacher)
        result = training.train(
            data.x, data.y, recipe=preset.recipe, seed=seed, classes=data.classes, fine=data.fine, shelf=TEACHERS
        )
        network = networks.fitted(result.network)
        BUILD.mkdir(parents=True, exist_ok=True)
        (BUILD / f"{preset.name}-{seed}.bin").write_bytes(networks.write(network))
        right = networks.predict_jax(network, data.test_x) == data.test_y
        runs[seed] = {
            "seed": seed,
            "accuracy": float(right.mean()),
            "validation": result.validation_accuracy,
            "seconds": round(result.seconds, 1),
        }
        scores = [runs[number]["accuracy"] for number in SEEDS if number in runs]
        rows[preset.name] = {
            "net": networks.shape(network),
            "bits": f"{network.input_bits}/{network.weight_bits}/{network.activation_bits}",
            "macs": network.multiply_adds,
            "model_bytes": len(networks.write(network)),
            "gas_per_sample": machines.price(network),
            "mean": statistics.fmean(scores),
            "std": statistics.pstdev(scores),
            "runs": [runs[number] for number in SEEDS if number in runs],
            "device": f"{jax.devices()[0].device_kind}, {os.cpu_count()} cores",
            "command": preset.command,
            "recipe": recipe,
        }
        store(rows)
        print(json.dumps({"preset": preset.name, **runs[seed]}), file=sys.stderr)


def measure_gas(preset: Preset, rows: dict[str, Any], machines: Machines) -> None:
    """The gas of a network that was trained here, with the engine as it is now."""
    path = BUILD / f"{preset.name}-{rows[preset.name]['runs'][-1]['seed']}.bin"
    if not path.exists():
        print(f"{path} is not there: {preset.name} keeps its gas", file=sys.stderr)
        return
    network = networks.read(path.read_bytes())
    rows[preset.name]["gas_per_sample"] = machines.price(network)
    store(rows)


def main() -> None:
    """Measure what is asked for."""
    names = [preset.name for preset in presets()]
    parser = argparse.ArgumentParser(description="Accuracy against gas of the presets of Fashion-MNIST.")
    parser.add_argument("--preset", choices=names, help="only this one")
    parser.add_argument("--gas", action="store_true", help="measure gas anew, and train nothing")
    arguments = parser.parse_args()
    fetch.fetch()
    rows, machines = load(), Machines()
    for preset in presets():
        if arguments.preset not in (None, preset.name):
            continue
        if not arguments.gas:
            measure(preset, rows, machines)
        elif preset.name in rows:
            measure_gas(preset, rows, machines)


if __name__ == "__main__":
    main()
