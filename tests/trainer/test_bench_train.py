"""`bench.train`: PyTorch's nets are the trainer's, weights come and go unharmed, and what is told of a race is so."""

import copy
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

from bench import torch_nets, train
from trainer import convolution_models, integer
from trainer.architecture import Architecture, Block
from trainer.binary import BinaryMLP
from trainer.convolution import Halve
from trainer.convolution_models import FloatCNN
from trainer.models import FloatMLP
from trainer.phase import Plan
from trainer.presets import ConvolutionRecipe, Recipe

CLASSES, BATCH = 3, 25
DENSE = Recipe(hidden=(7, 6), input_bits=4, activation_bits=4, weight_bits=4)
CONVOLUTIONAL = ConvolutionRecipe(
    # three numbers that differ in every place where they could be confused
    architecture=Architecture(
        image=(2, 4, 6), blocks=(Block(outputs=5, halve=Halve.MAX), Block(outputs=4, kernel=1), Block(outputs=3))
    ),
    input_bits=4,
    activation_bits=4,
    weight_bits=4,
)
KINDS = ("float", "quantised", "binary", "float convolutions", "quantised convolutions")


def rows(kind: str) -> tuple[integer.Uint8, integer.Uint8]:
    """Samples whose class can be learnt."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, 200, dtype=np.uint8)
    centres = rng.integers(0, 16, (CLASSES, 48))
    x = np.clip(centres[y] + rng.integers(-3, 4, (200, 48)), 0, 15).astype(np.uint8)
    return (x >= 8).astype(np.uint8) if kind == "binary" else x, y


def model(kind: str) -> Any:
    x, _ = rows(kind)
    if kind == "binary":
        return BinaryMLP((48, 7, 6, CLASSES), rngs=nnx.Rngs(0))
    recipe: Recipe | ConvolutionRecipe = CONVOLUTIONAL if "convolutions" in kind else DENSE
    floats = train.fresh(recipe, 48, CLASSES)
    assert isinstance(floats, FloatMLP | FloatCNN)
    return train.calibrated(recipe, floats, x) if kind.startswith("quantised") else floats


def torch_side(kind: str) -> train.TorchSide:
    if not train.PYTHON.exists():
        pytest.skip("PyTorch is not installed: make build/torch-venv/.ready")
    x, y = rows(kind)
    # on a busy machine several threads wait for each other
    return train.TorchSide(torch_nets.samples(x, model(kind)), y, threads=1)


@pytest.mark.parametrize("kind", KINDS)
def test_both_sides_come_to_the_same_losses(kind: str) -> None:
    """Of the forward pass alone, of gradients, and of rates that rise and fall."""
    with torch_side(kind) as torch:
        found = train.loss_differences(model(kind), Plan(1e-2, 0.1, 10, 1, BATCH), *rows(kind), torch)
    assert found[0] < train.TOLERANCES[1]
    assert max(found[:4]) < train.TOLERANCES[4]
    if kind == "float":
        # without rounding or equal numbers, which turn a last bit into more
        assert max(found) < 1e-4


def test_another_net_comes_to_another_loss() -> None:
    other = model("quantised")
    other.shifts[...] = other.shifts[...] + 1
    with torch_side("quantised") as torch:
        spoilt = copy.copy(torch)
        spoilt.start = lambda _, plan: torch.start(other, plan)  # type: ignore[method-assign]
        (found,) = train.loss_differences(model("quantised"), Plan(1e-2, 0.1, 1, 1, BATCH), *rows("quantised"), spoilt)
    assert found > train.TOLERANCES[1]


@pytest.mark.parametrize("kind", ["quantised", "binary", "quantised convolutions"])
def test_what_pytorch_has_learnt_is_an_integer_network(kind: str) -> None:
    x, y = rows(kind)
    learnt = model(kind)
    with torch_side(kind) as torch:
        torch.start(learnt, Plan(1e-2, 0.0, 12, 8, BATCH))
        for _ in range(12):
            torch.learn()
        torch.give(learnt)
    assert (train.networks.predict_jax(learnt.export(), x) == y).mean() > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_come_and_go_unharmed(kind: str) -> None:
    taken, changed = model(kind), model(kind)
    trained = nnx.state(changed, nnx.Any(nnx.Param, nnx.BatchStat))
    nnx.update(changed, jax.tree.map(lambda leaf: leaf * 0 + 7, trained))
    torch_nets.give(changed, torch_nets.arrays(taken))
    for before, after in zip(
        jax.tree.leaves(nnx.state(taken, nnx.Any(nnx.Param, nnx.BatchStat))),
        jax.tree.leaves(nnx.state(changed, nnx.Any(nnx.Param, nnx.BatchStat))),
        strict=True,
    ):
        assert (np.asarray(before) == np.asarray(after)).all()


def test_a_net_that_pytorch_does_not_know_is_refused() -> None:
    architecture = Architecture(image=(1, 4, 4), blocks=(Block(outputs=2, halve=Halve.MEAN),))
    floats = FloatCNN(architecture, classes=2, input_bits=4, rngs=nnx.Rngs(0))
    assert convolution_models.fold(floats)
    with pytest.raises(AssertionError, match="PyTorch's side knows no other"):
        torch_nets.net(floats)


def test_an_accuracy_is_reached_after_all_passes_before() -> None:
    race = train.Race(
        seconds={"jax": [5.0, 1.0, 1.0, 1.0], "torch": [2.0, 2.0, 2.0, 2.0]},
        accuracies={"jax": [None, 0.5, 0.9, 0.7], "torch": [None, 0.5, 0.6, 0.7]},
    )
    assert [race.reached("jax", target) for target in (0.5, 0.88, 0.92)] == [6.0, 7.0, None]
    assert [race.reached("torch", target) for target in (0.7, 0.88)] == [8.0, None]
    plan = Plan(1e-2, 0.0, 3, 4, BATCH)
    found = train.speeds(race, 1, plan)
    assert (found["passes"], found["ratio"], found["first_pass_seconds"]) == (2, 2.0, 1.0)
    assert (found["jax_samples_per_second"], found["torch_samples_per_second"]) == (100, 50)


def test_losses_that_differ_end_it() -> None:
    phase = {"phase": "float", "loss_differences": {"1": 2e-3, "4": 4e-3}}
    nothing = {"phase": "quantised", "loss_differences": {"1": float("nan"), "4": 0.0}}
    found = train.differences([{"preset": "some", "phases": [phase, nothing]}])
    assert found == [
        "some, float phase: losses of 1 steps differ by 0.002",
        "some, quantised phase: losses of 1 steps differ by nan",
    ]


def test_other_presets_stay_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "RESULTS", tmp_path / "train.json")
    first = train.recorded([{"preset": "fashion-lenet", "n": 1}, {"preset": "digits-64-32", "n": 1}])
    train.RESULTS.write_text(train.json.dumps(first))
    rows = train.recorded([{"preset": "fashion-lenet", "n": 2}, {"preset": "fashion-196-16", "n": 2}])["rows"]
    assert [(row["preset"], row["n"]) for row in rows] == [
        ("fashion-196-16", 2),
        ("digits-64-32", 1),
        ("fashion-lenet", 2),
    ]
