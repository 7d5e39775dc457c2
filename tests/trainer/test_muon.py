"""Muon for kernels: what moves them, what moves the rest, and that a run with it goes on where it was."""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.trainer.test_views import RECIPE, Stopped, end, rows
from trainer.architecture import Architecture, Block
from trainer.errors import NetworkError
from trainer.phase import Plan
from trainer.presets import ConvolutionRecipe, Teacher
from trainer.training import Epoch, train

MUON = replace(RECIPE, muon_rate=0.02, teacher=Teacher(architecture=RECIPE.architecture, input_bits=4, epochs=1))
PLAN = Plan(0.1, 0.0, 1, 100, 1, muon=0.02)
WARM = 0.05
"""The part of the rate that the first step has."""


def gradients() -> dict[str, jnp.ndarray]:
    """Of a kernel, whose singular values are far apart, and of what is none."""
    rng = np.random.default_rng(0)
    left, _ = np.linalg.qr(rng.normal(size=(18, 4)))
    right, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    kernel = left @ np.diag([1.0, 0.5, 0.2, 0.1]) @ right
    return {
        "kernel": jnp.asarray(kernel.reshape(3, 3, 2, 4), jnp.float32),
        "head": jnp.asarray(rng.normal(size=(8, 3)), jnp.float32),
        "bias": jnp.asarray(rng.normal(size=3), jnp.float32),
    }


def test_kernels_move_as_far_in_every_direction_and_the_rest_by_adam() -> None:
    found = gradients()
    params = {name: jnp.zeros_like(leaf) for name, leaf in found.items()}
    optimiser = PLAN.optimiser()
    updates, _ = optimiser.update(found, optimiser.init(params), params)
    moved = np.linalg.svd(np.asarray(updates["kernel"]).reshape(18, 4), compute_uv=False) / (WARM * PLAN.muon)
    assert 0.5 < moved.min() < moved.max() < 1.5
    # with Nesterov's momentum, as Muon has it
    adam = optax.nadam(WARM * PLAN.rate, b1=0.9, b2=0.99)
    wanted, _ = adam.update(found, adam.init(params), params)
    for name in ("head", "bias"):
        assert np.asarray(updates[name]) == pytest.approx(np.asarray(wanted[name]), rel=1e-4)


def test_only_the_floats_have_muon(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[tuple[str, float]] = []
    optimiser = Plan.optimiser

    def noted(plan: Plan) -> optax.GradientTransformation:
        rates.append((str(plan.epochs), plan.muon))
        return optimiser(plan)

    monkeypatch.setattr(Plan, "optimiser", noted)
    assert MUON.teacher is not None
    taught = replace(MUON, epochs=2, quantised_epochs=3, teacher=replace(MUON.teacher, muon_rate=0.04))
    train(*rows(), recipe=taught, seed=0, validation=0.0)
    assert set(rates) == {("1", 0.04), ("2", 0.02), ("3", 0.0)}


def test_a_run_with_muon_goes_on_where_it_was(tmp_path: Path) -> None:
    unbroken = train(*rows(), recipe=MUON, seed=5, validation=0.2)
    shown: list[Epoch] = []

    def stop(epoch: Epoch) -> None:
        shown.append(epoch)
        # in the second epoch in floats, behind the teacher's
        if len(shown) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        train(*rows(), recipe=MUON, seed=5, validation=0.2, checkpoint=tmp_path / "run", progress=stop)
    assert end(train(*rows(), recipe=MUON, seed=5, validation=0.2, checkpoint=tmp_path / "run")) == end(unbroken)


def test_a_rate_below_zero_is_refused() -> None:
    architecture = Architecture(image=(1, 4, 6), blocks=(Block(outputs=2),))
    with pytest.raises(NetworkError, match=r"muon_rate is -0.1; use 0 or more"):
        ConvolutionRecipe(architecture=architecture, input_bits=4, activation_bits=4, weight_bits=4, muon_rate=-0.1)
    with pytest.raises(NetworkError, match=r"muon_rate is -0.1; use 0 or more"):
        Teacher(architecture=architecture, muon_rate=-0.1)
