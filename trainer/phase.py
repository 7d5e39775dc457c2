"""A phase of training: models of one structure, moved epoch by epoch, on one device or on all devices of a mesh.

A model is any `nnx.Module` with `logits(x)`, which gives real numbers for a loss. The rows lie on the device, an epoch
is one `lax.scan`, its state is donated. Several models, one a seed, train side by side in one program with `vmap`.
"""

import functools
from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
from flax import nnx
from jax.sharding import Mesh
from optax.contrib import MuonDimensionNumbers

from trainer import devices
from trainer.networks import AnyNetwork
from trainer.views import Table

# parameters, other variables, moments of the optimiser
State = tuple[Any, Any, Any]
Rows = npt.NDArray[np.int32]
KERNEL_AXES = 4
# folded into an epoch's key for the views that it draws
VIEWING = 1
# of a teacher: the probability of each class, shape (n, classes)
Answers = npt.NDArray[np.float32]

EXACT = "highest"
"""Precision of the quantised phase: products and sums in full float32 on every device.

Its forward pass must be the integer network. Inputs and activations have at most 8 bits, weights at most 7 and a sign,
and every partial sum of products and bias stays below 2**24 (the export makes sure of it): float32, whose significand
has 24 bits, holds each of them, in whatever order a device adds. What TPUs (bfloat16, 8 bits) and GPUs (TF32, 11 bits)
take for factors unless told otherwise would hold these integers, but not the gradients that go back through the same
products, and no promise is known of how such units add.
"""
FAST = "BF16_BF16_F32"
"""Precision of the float phase on accelerators: factors in bfloat16, sums in float32. It is rounded later anyway."""


class Trainable(Protocol):
    """What a phase needs of a module."""

    def logits(self, x: jax.Array) -> jax.Array:
        """Real numbers for a loss, float32, shape (n, classes), of quantised samples, uint8, shape (n, inputs)."""
        ...


class Exportable(Trainable, Protocol):
    """What training needs of a module of the quantised phase."""

    def export(self) -> AnyNetwork:
        """The integer network that the module is."""
        ...


Model = TypeVar("Model", bound=Trainable)


class Plan(NamedTuple):
    """One phase of training: learning rate, weight decay, its length in epochs of `steps` batches, and its precision.

    precision: of matrix products that name none themselves: `EXACT`, `FAST`, or None for the device's own.
    smoothing: part of a label that is spread evenly over all classes.
    part:      of what is learnt that is a teacher's answers, not labels; 0 where there are none.
    muon:      learning rate of Muon, which then moves kernels of convolutions; 0 where AdamW moves everything.
    """

    rate: float
    decay: float
    epochs: int
    steps: int
    batch: int
    precision: str | None = EXACT
    smoothing: float = 0.0
    part: float = 0.0
    muon: float = 0.0

    def optimiser(self) -> optax.GradientTransformation:
        """AdamW under 10 % of warm-up, then a cosine to 1 % of the rate; Muon under the same, where there is one."""
        total = max(self.epochs * self.steps, 1)

        def schedule(rate: float) -> optax.Schedule:
            return optax.warmup_cosine_decay_schedule(rate * 0.05, rate, total // 10, total, end_value=rate * 0.01)

        if not self.muon:
            return optax.adamw(schedule(self.rate), b1=0.9, b2=0.99, weight_decay=self.decay)
        return optax.contrib.muon(
            schedule(self.muon),
            weight_decay=self.decay,
            adam_learning_rate=schedule(self.rate),
            adam_b2=0.99,
            muon_weight_dimension_numbers=_kernels,
        )


def _kernels(params: Any) -> Any:
    """How Muon sees each parameter: a kernel, (K, K, inputs, outputs), as a matrix of outputs; others not at all."""
    matrix = MuonDimensionNumbers(reduction_axis=(0, 1, 2), output_axis=3)
    return jax.tree.map(lambda leaf: matrix if leaf.ndim == KERNEL_AXES else None, params)


class Data(NamedTuple):
    """All rows on the device or on each device of a mesh: x, uint8, shape (n, inputs); y, int32, shape (n,)."""

    x: jax.Array
    y: jax.Array
    mesh: Mesh | None


def place(x: npt.NDArray[np.uint8], y: npt.NDArray[np.uint8], mesh: Mesh | None) -> Data:
    """Rows put on the device, or whole on every device of a mesh."""
    return Data(_put(x, mesh), _put(y.astype(np.int32), mesh), mesh)


def _put(tree: Any, mesh: Mesh | None) -> Any:
    return jax.device_put(tree) if mesh is None else jax.tree.map(lambda leaf: devices.on_all(leaf, mesh), tree)


def alike(models: Sequence[Trainable]) -> bool:
    """Whether one program trains all of them: the same structure, and the same static attributes."""
    return len({nnx.graphdef(model) for model in models}) == 1


class Phase(Generic[Model]):
    """Models in training, one a seed; every call of `epoch` moves them, on the device, without a copy."""

    def __init__(
        self,
        models: Sequence[Model],
        plan: Plan,
        keys: Sequence[jax.Array],
        data: Data,
        rows: Sequence[Rows],
        answers: Sequence[Answers] | None = None,
        views: Table | None = None,
    ) -> None:
        """Take over models that are `alike`: their arrays belong to the phase from now on.

        keys:    one a model, from which its epochs draw the order of rows.
        rows:    one array a model, all of one length: the rows of `data` that it trains on.
        answers: one array a model, where the plan has a part for a teacher: what it says to all rows of `data`.
        views:   a table of `trainer.views`: in every epoch each row is seen in one of these, drawn with the order.
        """
        assert alike(models), "one program trains models of one structure"
        assert (answers is None) == (plan.part == 0), "a teacher's part takes its answers"
        self.plan, self.data, self.count = plan, data, len(models)
        self.definition = nnx.graphdef(models[0])
        optimiser = plan.optimiser()
        states = []
        for model in models:
            params, rest = nnx.state(model, nnx.Param, ...)
            states.append((params, rest, optimiser.init(params)))
        # key data, as keys themselves can be neither saved nor sent to other hosts
        orders = [jax.random.key_data(jax.random.split(key, max(plan.epochs, 1))) for key in keys]
        self.state: State = _put(self._stack(states), data.mesh)
        self.keys: jax.Array = _put(self._stack(orders), data.mesh)
        self.rows: jax.Array = _put(self._stack([jnp.asarray(part) for part in rows]), data.mesh)
        self.answers: jax.Array | None = None
        if answers is not None:
            self.answers = _put(self._stack([jnp.asarray(part) for part in answers]), data.mesh)
        self.views: jax.Array | None = None if views is None else _put(jnp.asarray(views), data.mesh)
        self.done = 0

    def _stack(self, trees: Sequence[Any]) -> Any:
        """One tree for all models: with several of them every array has a first axis of models."""
        return trees[0] if self.count == 1 else jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)

    def epoch(self) -> list[float]:
        """Train for one epoch; returns the mean loss of each model."""
        run = _epoch if self.count == 1 else _epochs
        key = self.keys[..., self.done, :]
        x, y, mesh = self.data
        self.state, loss = run(
            self.state, key, self.rows, x, y, self.definition, self.plan, mesh, self.answers, self.views
        )
        self.done += 1
        return [float(value) for value in np.atleast_1d(np.asarray(loss))]

    def model(self, number: int) -> Model:
        """Model `number` as it is now: a copy, on this process's first device."""
        params, rest, _ = self.state
        leaves, tree = jax.tree.flatten((params, rest))
        copies = [np.array(leaf if self.count == 1 else leaf[number]) for leaf in leaves]
        model: Model = nnx.merge(self.definition, *jax.tree.unflatten(tree, [jnp.asarray(copy) for copy in copies]))
        return model

    def arrays(self) -> list[jax.Array]:
        """All that changes or was drawn, in a fixed order, for `restore`."""
        return [*jax.tree.leaves(self.state), self.keys]

    def restore(self, arrays: Sequence[jax.Array], done: int) -> None:
        """Go on after epoch `done` from what `arrays` gave there."""
        self.state = jax.tree.unflatten(jax.tree.structure(self.state), list(arrays[:-1]))
        self.keys, self.done = arrays[-1], done


def _loss(logits: jax.Array, labels: jax.Array, taught: jax.Array | None, plan: Plan) -> jax.Array:
    """Mean cross-entropy with the labels, smoothed, mixed with what a teacher says."""
    if plan.smoothing == 0 and taught is None:
        loss: jax.Array = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return loss
    wanted = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), plan.smoothing)
    if taught is not None:
        wanted = (1 - plan.part) * wanted + plan.part * taught
    mixed: jax.Array = optax.softmax_cross_entropy(logits, wanted).mean()
    return mixed


def seen_as(samples: jax.Array, places: jax.Array) -> jax.Array:
    """Features of samples, shape (n, inputs), from the places that a row of a table names for each, (n, inputs)."""
    padded = jnp.pad(samples, ((0, 0), (0, 1)))
    return jnp.take_along_axis(padded, places, axis=1)


def _pass(
    state: State,
    key: jax.Array,
    rows: jax.Array,
    x: jax.Array,
    y: jax.Array,
    definition: Any,
    plan: Plan,
    mesh: Mesh | None,
    answers: jax.Array | None = None,
    views: jax.Array | None = None,
) -> tuple[State, jax.Array]:
    """One pass over the rows in a random order, as one scan over batches; what fills no batch is left out.

    With views every row is seen in one of them, drawn anew.

    On a mesh each batch is split among its devices, every device has all parameters, gradients are summed over devices.
    """
    optimiser = plan.optimiser()
    order = jax.random.permutation(jax.random.wrap_key_data(key), rows)
    batches = order[: plan.steps * plan.batch].reshape(plan.steps, plan.batch)
    drawn = None
    if views is not None:
        # another key than that of the order
        drawing = jax.random.fold_in(jax.random.wrap_key_data(key), VIEWING)
        drawn = jax.random.randint(drawing, batches.shape, 0, len(views))

    def placed(tree: Any, whole: bool) -> Any:
        if mesh is None:
            return tree
        sharding = devices.whole(mesh) if whole else devices.split(mesh)
        return jax.lax.with_sharding_constraint(tree, sharding)  # type: ignore[no-untyped-call]  # JAX has no types here

    def step(state: State, drawn: tuple[jax.Array, jax.Array | None]) -> tuple[State, jax.Array]:
        params, rest, moments = state
        batch, seen = drawn
        samples, labels = placed((x[batch], y[batch]), whole=False)
        if seen is not None:
            assert views is not None, "which view is drawn where there are any"
            samples = seen_as(samples, placed(views[seen], whole=False))
        taught = None if answers is None else placed(answers[batch], whole=False)

        def loss_of(params: Any) -> tuple[jax.Array, Any]:
            model = nnx.merge(definition, params, rest, copy=True)
            loss = _loss(model.logits(samples), labels, taught, plan)
            return loss, nnx.state(model, nnx.Not(nnx.Param))

        (loss, rest), gradients = jax.value_and_grad(loss_of, has_aux=True)(params)
        updates, moments = optimiser.update(gradients, moments, params)
        return placed((optax.apply_updates(params, updates), rest, moments), whole=True), loss

    with jax.default_matmul_precision(plan.precision):
        state, losses = jax.lax.scan(step, state, (batches, drawn))
    return state, placed(losses.mean(), whole=True)


_STATIC = ("definition", "plan", "mesh")
_epoch = functools.partial(jax.jit, static_argnames=_STATIC, donate_argnames="state")(_pass)


@functools.partial(jax.jit, static_argnames=_STATIC, donate_argnames="state")
def _epochs(
    state: State,
    key: jax.Array,
    rows: jax.Array,
    x: jax.Array,
    y: jax.Array,
    definition: Any,
    plan: Plan,
    mesh: Mesh | None,
    answers: jax.Array | None = None,
    views: jax.Array | None = None,
) -> tuple[State, jax.Array]:
    """`_pass` for several models at once: the first axis of state, keys, rows and answers is theirs."""

    def one(state: State, key: jax.Array, rows: jax.Array, answers: jax.Array | None) -> tuple[State, jax.Array]:
        return _pass(state, key, rows, x, y, definition, plan, mesh, answers, views)

    return jax.vmap(one)(state, key, rows, answers)
