"""A phase: its precision on every device, and seeds side by side."""

import re
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

from tests.trainer.test_checkpoint import BINARY, RECIPE, end, rows
from trainer import integer, training
from trainer.binary import BinaryMLP
from trainer.encode import encode
from trainer.models import FloatMLP, QuantisedMLP, calibrate, fold
from trainer.phase import EXACT, FAST, Exportable, Phase, Plan, _epoch, _epochs, alike, place
from trainer.presets import Recipe
from trainer.training import train, train_seeds

WIDTHS = (8, 6, 2)
# forward and backward of two layers; nothing needs the gradient of the samples
PRODUCTS = 5


def model(kind: str, seed: int = 0) -> FloatMLP | QuantisedMLP | BinaryMLP:
    if kind == "binary":
        return BinaryMLP(WIDTHS, rngs=nnx.Rngs(seed))
    floats = FloatMLP(WIDTHS, input_bits=4, rngs=nnx.Rngs(seed))
    if kind == "float":
        return floats
    return calibrate(fold(floats), rows()[0], input_bits=4, activation_bits=4, weight_bits=4)


def phase(kind: str, precision: str | None, count: int = 1) -> Phase[Any]:
    every = np.arange(160, dtype=np.int32)
    keys = [jax.random.key(seed) for seed in range(count)]
    plan = Plan(0.01, 0.0, 1, 6, 24, precision)
    return Phase([model(kind, seed) for seed in range(count)], plan, keys, place(*rows(), None), [every] * count)


@pytest.mark.parametrize("platform", ["cuda", "tpu", "cpu"])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    ("kind", "precision", "says"),
    [
        ("float", FAST, r"lhs_precision_type = bf16, rhs_precision_type = bf16, accumulation_type = f32"),
        ("quantised", EXACT, r"precision = \[HIGHEST, HIGHEST\]"),
        ("binary", EXACT, r"precision = \[HIGHEST, HIGHEST\]"),
    ],
)
def test_every_product_has_the_precision_of_its_phase(
    kind: str, precision: str, says: str, count: int, platform: str
) -> None:
    """Read off what JAX hands to the compiler of an accelerator, which need not be here."""
    it = phase(kind, precision, count)
    key = it.keys[..., 0, :]
    function = _epoch if count == 1 else _epochs
    traced = function.trace(it.state, key, it.rows, it.data.x, it.data.y, it.definition, it.plan, None)
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    products = [line for line in text.splitlines() if "stablehlo.dot_general" in line]
    assert len(products) == PRODUCTS
    for line in products:
        assert re.search(says, line), line
        # nothing of the other phase
        assert ("algorithm" in line) == (precision == FAST)


@pytest.mark.parametrize(
    ("recipe", "fast", "precisions"),
    [
        (RECIPE, None, [None, EXACT]),
        (RECIPE, False, [None, EXACT]),
        (RECIPE, True, [FAST, EXACT]),
        (BINARY, True, [EXACT]),
    ],
)
def test_only_the_float_phase_is_fast(
    recipe: Recipe, fast: bool | None, precisions: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default not on CPUs, where these tests run."""
    plans: list[Plan] = []

    class Noted(Phase[Any]):
        def __init__(self, models: Any, plan: Plan, *rest: Any) -> None:
            plans.append(plan)
            super().__init__(models, plan, *rest)

        def epoch(self) -> list[float]:
            return [0.0]

    monkeypatch.setattr(training, "Phase", Noted)
    train(*rows(recipe.input_bits), recipe=recipe, seed=0, fast=fast)
    assert [plan.precision for plan in plans] == precisions


def test_a_fast_start_still_ends_in_exact_integers() -> None:
    x, y = rows()
    result = train(x, y, recipe=RECIPE, seed=5, validation=0.2, fast=True)
    assert (integer.predict(result.network, x) == y).mean() > 0.65
    it = phase("quantised", EXACT)
    it.epoch()
    moved = it.model(0)
    found = np.asarray(moved(jax.numpy.asarray(x)))
    assert (found == integer.logits(moved.export(), x)).all()


def test_seeds_of_other_scales_are_one_program() -> None:
    models = [model("quantised", seed) for seed in range(4)]
    assert len({tuple(np.asarray(one.weight_exponents[...])) for one in models}) > 1
    assert alike(models)
    assert not alike([model("quantised"), model("float")])


def test_seeds_side_by_side_learn_as_each_alone_within_rounding() -> None:
    """The same rows in the same order, but products of another shape, whose sums are rounded in another order."""
    x, y = rows()
    alone = [train(x, y, recipe=RECIPE, seed=seed, validation=0.2) for seed in (1, 2, 3)]
    together = train_seeds(x, y, recipe=RECIPE, seeds=(1, 2, 3), validation=0.2)
    for one, beside in zip(alone, together, strict=True):
        assert [epoch[:3] for epoch in beside.history] == [epoch[:3] for epoch in one.history]
        losses = [[epoch.loss for epoch in result.history if epoch.phase == "float"] for result in (one, beside)]
        assert np.abs(np.subtract(*losses)).max() < 1e-4
        right = [(integer.predict(result.network, x) == y).mean() for result in (one, beside)]
        assert abs(right[0] - right[1]) < 0.1
    assert len({encode(result.network) for result in together}) == 3


def test_side_by_side_is_repeatable() -> None:
    x, y = rows()
    first, again = (train_seeds(x, y, recipe=RECIPE, seeds=(1, 2, 3), validation=0.2) for _ in range(2))
    assert [end(result) for result in first] == [end(result) for result in again]


def test_models_that_are_not_alike_train_each_alone_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those will whose scales are part of their structure."""
    x, y = rows()
    alone = [end(train(x, y, recipe=RECIPE, seed=seed, validation=0.2)) for seed in (1, 2)]
    monkeypatch.setattr(training, "alike", lambda models: False)
    apart = train_seeds(x, y, recipe=RECIPE, seeds=(1, 2), validation=0.2)
    assert [end(result) for result in apart] == alone


def test_any_module_with_logits_trains() -> None:
    """The contract of a phase, which asks for no class of this project."""

    class Scorer(nnx.Module):
        def __init__(self) -> None:
            self.linear = nnx.Linear(8, 2, rngs=nnx.Rngs(0))

        def logits(self, x: jax.Array) -> jax.Array:
            return self.linear(x / 16.0)

        def export(self) -> integer.Network:
            raise NotImplementedError

    scorer: Exportable = Scorer()
    plan = Plan(0.05, 0.0, 20, 6, 24)
    it = Phase([scorer], plan, [jax.random.key(0)], place(*rows(), None), [np.arange(160, dtype=np.int32)])
    losses = [it.epoch()[0] for _ in range(20)]
    assert losses[-1] < losses[0] - 0.1
    x, y = rows()
    assert (np.asarray(it.model(0).logits(jax.numpy.asarray(x))).argmax(axis=1) == y).mean() > 0.8
