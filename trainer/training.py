"""Training: floats with batch norm, folding, calibration, then epochs through the integers' own rounding.

A binary network has no part in floats: its signs are trained from the start.

    from trainer.presets import Recipe
    from trainer.training import train

    result = train(x, y, recipe=Recipe(hidden=(64,), input_bits=4, activation_bits=4, weight_bits=4), seed=0)
    result.network          # trainer.integer.Network

The data lies on the device, an epoch is one `lax.scan`, its state is donated. The same seed gives the same bytes on the
same machine; other machines, or another number of cores, give other networks of the same quality.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
from flax import nnx

from trainer import integer
from trainer.binary import BinaryMLP
from trainer.errors import DataError
from trainer.models import FloatMLP, QuantisedMLP, calibrate, fold
from trainer.presets import Recipe

__all__ = ["Epoch", "Progress", "Recipe", "TrainResult", "train"]

Uint8 = npt.NDArray[np.uint8]

CALIBRATION_ROWS = 5000


class Epoch(NamedTuple):
    """What one epoch came to; accuracy is the integer network's on the validation rows, None in floats or without."""

    phase: str
    number: int
    epochs: int
    loss: float
    accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """A trained network.

    network:             the integer network.
    validation_accuracy: its accuracy on the rows held back from training, in [0, 1]; None if none were.
    seconds:             wall time, compilation included.
    history:             one entry an epoch.
    """

    network: integer.Network
    validation_accuracy: float | None
    seconds: float
    history: tuple[Epoch, ...]


Progress = Callable[[Epoch], None]
Model = TypeVar("Model", FloatMLP, QuantisedMLP, BinaryMLP)
# parameters, other variables, moments of the optimiser
State = tuple[Any, Any, Any]


class Plan(NamedTuple):
    """One phase of training: learning rate, weight decay, and its length in epochs of `steps` batches."""

    rate: float
    decay: float
    epochs: int
    steps: int
    batch: int

    def optimiser(self) -> optax.GradientTransformation:
        """AdamW under 10 % of warm-up, then a cosine to 1 % of the rate."""
        total = max(self.epochs * self.steps, 1)
        schedule = optax.warmup_cosine_decay_schedule(
            self.rate * 0.05, self.rate, total // 10, total, end_value=self.rate * 0.01
        )
        return optax.adamw(schedule, b1=0.9, b2=0.99, weight_decay=self.decay)


def train(
    x: Uint8,
    y: Uint8,
    *,
    recipe: Recipe,
    seed: int,
    classes: int | None = None,
    validation: float | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Train an integer network.

    x:          quantised samples, uint8, shape (n, inputs), below 2**input_bits.
    y:          their classes, uint8, shape (n,).
    classes:    number of classes; by default the largest label plus one.
    validation: part of the rows held back, in [0, 0.5], by default the recipe's: among the last third of the quantised
                epochs the network that is right most often on them wins. With 0 the last network does.
    progress:   called after every epoch.

    Raises `DataError` for rows, labels or a validation part that do not fit.
    """
    start = time.perf_counter()
    validation = recipe.validation if validation is None else validation
    classes = _check(x, y, recipe, classes, validation)
    keys = jax.random.split(jax.random.key(seed), 3)
    order = np.asarray(jax.random.permutation(keys[0], len(x)))
    held = int(len(x) * validation)
    seen, unseen = order[held:], order[:held]
    data, labels = jnp.asarray(x[seen]), jnp.asarray(y[seen], jnp.int32)
    history: list[Epoch] = []

    def report(epoch: Epoch) -> None:
        history.append(epoch)
        if progress is not None:
            progress(epoch)

    widths = (x.shape[1], *recipe.hidden, classes)
    steps = len(seen) // min(recipe.batch, len(seen))
    plan = Plan(recipe.rate, recipe.decay, recipe.epochs, steps, min(recipe.batch, len(seen)))
    tuned = plan._replace(rate=recipe.quantised_rate, decay=0.0, epochs=recipe.quantised_epochs)
    tuning: Phase[BinaryMLP] | Phase[QuantisedMLP]
    if recipe.weight_bits == integer.BINARY:
        tuning = Phase(BinaryMLP(widths, rngs=nnx.Rngs(seed)), tuned, keys[2], data, labels)
    else:
        phase = Phase(FloatMLP(widths, input_bits=recipe.input_bits, rngs=nnx.Rngs(seed)), plan, keys[1], data, labels)
        for number in range(1, plan.epochs + 1):
            report(Epoch("float", number, plan.epochs, phase.epoch(), None))
        quantised = calibrate(
            fold(phase.model()),
            x[seen[:CALIBRATION_ROWS]],
            input_bits=recipe.input_bits,
            activation_bits=recipe.activation_bits,
            weight_bits=recipe.weight_bits,
        )
        tuning = Phase(quantised, tuned, keys[2], data, labels)
    best, best_accuracy = None, -1.0
    for number in range(1, tuned.epochs + 1):
        loss, accuracy = tuning.epoch(), None
        if held and number > tuned.epochs * 2 // 3:
            network = tuning.model().export()
            accuracy = float((integer.predict(network, x[unseen]) == y[unseen]).mean())
            if accuracy >= best_accuracy:
                best, best_accuracy = network, accuracy
        report(Epoch("quantised", number, tuned.epochs, loss, accuracy))

    return TrainResult(
        network=best or tuning.model().export(),
        validation_accuracy=best_accuracy if best else None,
        seconds=time.perf_counter() - start,
        history=tuple(history),
    )


def _check(x: Uint8, y: Uint8, recipe: Recipe, classes: int | None, validation: float) -> int:
    if x.ndim != 2 or y.shape != x.shape[:1] or x.dtype != np.uint8 or y.dtype != np.uint8:
        raise DataError(f"x is {x.dtype} {x.shape}, y is {y.dtype} {y.shape}; use uint8 (n, inputs) and uint8 (n,)")
    if not 0 <= validation <= 0.5:
        raise DataError(f"validation part {validation}; use 0 to 0.5")
    if len(x) - int(len(x) * validation) < 2:
        raise DataError(f"{len(x)} rows leave fewer than 2 to train on")
    if x.max(initial=0) >= 2**recipe.input_bits:
        raise DataError(
            f"a feature is {x.max()}, above {2**recipe.input_bits - 1}: quantise to {recipe.input_bits} bits"
        )
    found = int(y.max()) + 1
    classes = max(found, 2) if classes is None else classes
    if found > classes:
        raise DataError(f"label {found - 1} among {classes} classes")
    return classes


class Phase(Generic[Model]):
    """A model in training; every call of `epoch` moves it, on the device, without a copy."""

    def __init__(self, model: Model, plan: Plan, key: jax.Array, x: jax.Array, y: jax.Array) -> None:
        """Take the model over: its arrays belong to the phase from now on."""
        self.plan, self.x, self.y = plan, x, y
        self.definition = nnx.graphdef(model)
        params, rest = nnx.state(model, nnx.Param, ...)
        self.state: State = (params, rest, plan.optimiser().init(params))
        self.keys = iter(jax.random.split(key, max(plan.epochs, 1)))

    def epoch(self) -> float:
        """Train for one epoch; returns the mean loss."""
        self.state, loss = _epoch(
            self.state, next(self.keys), self.x, self.y, definition=self.definition, plan=self.plan
        )
        return float(loss)

    def model(self) -> Model:
        """The model as it is now; the next epoch takes its arrays back."""
        params, rest, _ = self.state
        model: Model = nnx.merge(self.definition, params, rest)
        return model


@functools.partial(jax.jit, static_argnames=("definition", "plan"), donate_argnames="state")
def _epoch(
    state: State, key: jax.Array, x: jax.Array, y: jax.Array, *, definition: Any, plan: Plan
) -> tuple[State, jax.Array]:
    """One pass over the rows in a random order, as one scan over batches; what fills no batch is left out."""
    optimiser = plan.optimiser()
    batches = jax.random.permutation(key, len(x))[: plan.steps * plan.batch].reshape(plan.steps, plan.batch)

    def step(state: State, rows: jax.Array) -> tuple[State, jax.Array]:
        params, rest, moments = state

        def loss_of(params: Any) -> tuple[jax.Array, Any]:
            model = nnx.merge(definition, params, rest, copy=True)
            loss = optax.softmax_cross_entropy_with_integer_labels(model.logits(x[rows]), y[rows]).mean()
            return loss, nnx.state(model, nnx.Not(nnx.Param))

        (loss, rest), gradients = jax.value_and_grad(loss_of, has_aux=True)(params)
        updates, moments = optimiser.update(gradients, moments, params)
        return (optax.apply_updates(params, updates), rest, moments), loss

    state, losses = jax.lax.scan(step, state, batches)
    return state, losses.mean()
