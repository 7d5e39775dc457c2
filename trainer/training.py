"""Training: floats with batch norm, folding, calibration, then epochs through the integers' own rounding.

A binary network has no part in floats: its signs are trained from the start. A `ConvolutionRecipe` gives a
`trainer.convolution.ConvolutionalNetwork`.

    from trainer.presets import Recipe
    from trainer.training import train

    result = train(x, y, recipe=Recipe(hidden=(64,), input_bits=4, activation_bits=4, weight_bits=4), seed=0)
    result.network          # trainer.integer.Network

The same seed gives the same bytes on the same machine; other machines, or another number of cores or devices, give
other networks of the same quality. On an accelerator the products of the float phase take factors in bfloat16.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
import numpy.typing as npt
from eth_hash.auto import keccak
from flax import nnx
from jax.sharding import Mesh

from trainer import convolution_models, integer, networks
from trainer.binary import BinaryMLP
from trainer.calibration.flops import by_phase
from trainer.calibration.machine import processor
from trainer.convolution_models import FloatCNN
from trainer.ending import Unfinished
from trainer.errors import DataError
from trainer.integer import Network
from trainer.models import FloatMLP, calibrate, fold
from trainer.networks import AnyNetwork
from trainer.phase import EXACT, FAST, Answers, Data, Exportable, Model, Phase, Plan, Rows, alike, place
from trainer.presets import ConvolutionRecipe, Recipe, Teacher
from trainer.prices.work import Work, WorkFile, device_name
from trainer.teacher import Shelf, answers
from trainer.views import Table, table

if TYPE_CHECKING:
    from trainer.checkpoint import Checkpoint

__all__ = [
    "ConvolutionRecipe",
    "Epoch",
    "Progress",
    "Recipe",
    "TrainResult",
    "operations",
    "train",
    "train_seeds",
    "work_of",
]

Uint8 = npt.NDArray[np.uint8]

CALIBRATION_ROWS = 5000
TEACHER = "teacher"
"""The phase of a teacher's epochs."""
# folded into a seed's key for the teacher's, beside the three that the key is split into
TEACHING = 3


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
    seconds:             wall time of this call, compilation included, and every seed that trained beside this one.
    history:             one entry an epoch, those before a resumption included.
    all_seconds:         wall time of the whole run: of this call, and of those that it resumes until they saved last.
    samples:             samples that went through its training, a row once an epoch, with those before a resumption.
    taught:              the same of its teacher's training; 0 where it has none, or where a shelf had the answers.
    """

    network: AnyNetwork
    validation_accuracy: float | None
    seconds: float
    history: tuple[Epoch, ...]
    all_seconds: float = 0.0
    samples: int = 0
    taught: int = 0


Progress = Callable[[Epoch], None]


def train(
    x: Uint8,
    y: Uint8,
    *,
    recipe: Recipe | ConvolutionRecipe,
    seed: int,
    classes: int | None = None,
    validation: float | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    mesh: Mesh | None = None,
    fast: bool | None = None,
    fine: Uint8 | None = None,
    shelf: Path | None = None,
    ending: Callable[[], bool] | None = None,
) -> TrainResult:
    """Train an integer network.

    x:          quantised samples, uint8, shape (n, inputs), below 2**input_bits.
    y:          their classes, uint8, shape (n,).
    classes:    number of classes; by default the largest label plus one.
    validation: part of the rows held back, in [0, 0.5], by default the recipe's: among the last third of the quantised
                epochs the network that is right most often on them wins. With 0 the last network does.
    progress:   called after every epoch.
    checkpoint: a directory that holds the run after every epoch. A run that was killed, started again with the same
                arguments, goes on from there, and ends with the same bits as one that was not.
    mesh:       devices of `trainer.devices.mesh_of`, of one host or of several, among which every batch is split. Each
                host calls this with the same arguments. By default one device.
    fast:       whether products of the float phase take factors in bfloat16, by default on accelerators only.
    fine:       the same rows as the recipe's teacher sees them, uint8, shape (n, pixels of its image); by default x.
    shelf:      a directory that keeps teachers' answers: another recipe with the same teacher, rows and seeds takes
                them from there instead of training the teacher again, and ends with the same bits.
    ending:     asked before every epoch, when all before it is saved: True ends the run there with `Unfinished`.

    Raises `DataError` for rows, labels or a validation part that do not fit, and for a directory with another run.
    """
    (result,) = train_seeds(
        x,
        y,
        recipe=recipe,
        seeds=(seed,),
        classes=classes,
        validation=validation,
        progress=progress,
        checkpoint=checkpoint,
        mesh=mesh,
        fast=fast,
        fine=fine,
        shelf=shelf,
        ending=ending,
    )
    return result


def train_seeds(
    x: Uint8,
    y: Uint8,
    *,
    recipe: Recipe | ConvolutionRecipe,
    seeds: Sequence[int],
    classes: int | None = None,
    validation: float | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    mesh: Mesh | None = None,
    fast: bool | None = None,
    fine: Uint8 | None = None,
    shelf: Path | None = None,
    ending: Callable[[], bool] | None = None,
) -> tuple[TrainResult, ...]:
    """Train one network a seed, side by side in one program; `progress` is called for every epoch of every seed.

    The arguments are those of `train`. With one seed this is `train`. With several, the rows and their order are those
    of each seed alone, but products have another shape, whose sums are rounded in another order: the networks are not
    the same bits as alone, only as good, and the same whenever the same seeds train together. Models of different
    structure train one after the other, each as alone.
    """
    start = time.perf_counter()
    validation = recipe.validation if validation is None else validation
    classes = _check(x, y, recipe, classes, validation, fine)
    runs = [_start(seed, len(x), validation) for seed in seeds]
    with ExitStack() as stack:
        store = None
        if checkpoint is not None:
            # only here: importing orbax takes a while
            from trainer.checkpoint import Checkpoint, data_digest

            decides = {
                "seeds": list(seeds),
                "classes": classes,
                "validation": validation,
                "recipe": _plain(recipe),
                "rows": len(x),
                "data": data_digest(x, y),
            }
            if fine is not None:
                decides["fine data"] = data_digest(fine, y)
            taught = 0 if recipe.teacher is None else recipe.teacher.epochs
            floats = 0 if recipe.weight_bits == integer.BINARY else recipe.epochs
            store = stack.enter_context(Checkpoint(checkpoint, decides, keep=(taught, taught + floats)))
        training = _Training(runs, store, progress, validation, shelf, start, ending)
        networks = _train(x, y, recipe, classes, training, mesh, fast, fine)
    seconds = time.perf_counter() - start
    return tuple(
        TrainResult(
            network=network,
            validation_accuracy=run.best_accuracy if run.best else None,
            seconds=seconds,
            history=tuple(run.history),
            all_seconds=training.before + seconds,
            samples=_samples(run, recipe.batch, taught=False),
            taught=0 if recipe.teacher is None else _samples(run, recipe.teacher.batch, taught=True),
        )
        for run, network in zip(runs, networks, strict=True)
    )


def operations(result: TrainResult, recipe: Recipe | ConvolutionRecipe, *, inputs: int, classes: int) -> int:
    """Floating-point operations of a training, its teacher's included, counted as `trainer calibrate` counts them.

    recipe, inputs, classes: those that the result came of.
    """
    each = by_phase(recipe, inputs=inputs, classes=classes)
    taught = each.pop(TEACHER, 0) * result.taught
    # in floats and through the rounding the products are the same
    return taught + max(each.values(), default=0) * result.samples


def work_of(network: AnyNetwork, flops: int, samples: int, seconds: float, mesh: Mesh | None = None) -> WorkFile:
    """What training took, to be written beside the network's model.

    seconds: of wall time, on each device of the mesh, or on one.
    """
    device = jax.devices()[0]
    work = Work(
        flops=flops,
        seconds=math.ceil(seconds * (1 if mesh is None else mesh.size)),
        device=device_name(processor() if device.platform == "cpu" else device.device_kind),
    )
    return WorkFile(model=keccak(networks.model_of(network)), work=work, samples=samples)


def _samples(run: "_Run", batch: int, *, taught: bool) -> int:
    """Samples of a run's epochs, the teacher's or all others; an epoch leaves out rows that fill no batch."""
    kept = len(run.seen)
    batch = min(batch, kept)
    return sum((epoch.phase == TEACHER) == taught for epoch in run.history) * (kept // batch) * batch


def _train(
    x: Uint8,
    y: Uint8,
    recipe: Recipe | ConvolutionRecipe,
    classes: int,
    training: "_Training",
    mesh: Mesh | None,
    fast: bool | None,
    fine: Uint8 | None,
) -> list[AnyNetwork]:
    """The teacher, where there is one, and both phases; returns the network of each run."""
    runs = training.runs
    data = place(x, y, mesh)
    if fast is None:
        fast = next(iter(data.x.devices())).platform != "cpu"
    kept = len(runs[0].seen)
    batch = min(recipe.batch, kept)
    plan = Plan(recipe.rate, recipe.decay, recipe.epochs, kept // batch, batch, FAST if fast else None)
    plan = plan._replace(smoothing=recipe.smoothing)
    before, taught = 0, None
    if recipe.teacher is not None:
        before = recipe.teacher.epochs
        taught = _answers(recipe.teacher, x if fine is None else fine, y, mesh, classes, training, plan.precision)
        plan = plan._replace(part=recipe.teacher.part)
    tuned = plan._replace(rate=recipe.quantised_rate, decay=0.0, epochs=recipe.quantised_epochs, precision=EXACT)
    seen = None
    if isinstance(recipe, ConvolutionRecipe) and recipe.views is not None:
        seen = table(recipe.architecture.image, recipe.views, folded=recipe.folded)
    tuning: list[Phase[Any]]
    if recipe.weight_bits == integer.BINARY:
        floats = 0
        assert isinstance(recipe, Recipe), "a convolutional network has no weights of one bit"
        widths = (x.shape[1], *recipe.hidden, classes)
        signs = [BinaryMLP(widths, rngs=nnx.Rngs(run.seed)) for run in runs]
        tuning = _phases(signs, tuned, [run.keys[2] for run in runs], data, runs, taught)
    else:
        floats = plan.epochs
        models = [_floats(recipe, x.shape[1], classes, run.seed) for run in runs]
        free = plan if isinstance(recipe, Recipe) else plan._replace(muon=recipe.muon_rate)
        phases = _phases(models, free, [run.keys[1] for run in runs], data, runs, taught, seen)
        training.floats("float", phases, before, floats)
        quantised = [
            _calibrated(recipe, model, x[run.seen[:CALIBRATION_ROWS]])
            for run, model in zip(runs, _models(phases), strict=True)
        ]
        tuning = _phases(quantised, tuned, [run.keys[2] for run in runs], data, runs, taught)
    before += floats
    for number in range(training.resume(tuning, before, tuned.epochs) + 1, tuned.epochs + 1):
        training.go_on()
        losses = _epoch(tuning)
        accuracies: list[float | None] = [None] * len(runs)
        if len(runs[0].unseen) and number > tuned.epochs * 2 // 3:
            accuracies = [run.judge(model, x, y) for run, model in zip(runs, _models(tuning), strict=True)]
        for run, loss, accuracy in zip(runs, losses, accuracies, strict=True):
            training.report(run, Epoch("quantised", number, tuned.epochs, loss, accuracy))
        training.save(before + number, tuning)
    return [run.best or model.export() for run, model in zip(runs, _models(tuning), strict=True)]


def _answers(
    teacher: Teacher,
    x: Uint8,
    y: Uint8,
    mesh: Mesh | None,
    classes: int,
    training: "_Training",
    precision: str | None,
) -> list[Answers]:
    """What each run's teacher, trained on the run's rows, says to all rows; from the shelf where it lies there."""
    runs = training.runs
    shelves: list[Shelf] = []
    if training.shelf is not None:
        # only here: this imports orbax, which takes a while
        from trainer.checkpoint import data_digest

        decides = {
            # how much is learnt of it does not change it
            "teacher": _plain(replace(teacher, part=1.0)),
            "classes": classes,
            "validation": training.validation,
            "precision": precision,
            "device": jax.devices()[0].device_kind,
            "devices": 1 if mesh is None else mesh.size,
            # side by side the bits are others
            "seeds": [run.seed for run in runs],
            "data": data_digest(x, y),
        }
        shelves = [Shelf(training.shelf, {**decides, "seed": run.seed}) for run in runs]
        there = [found for shelf in shelves if (found := shelf.get()) is not None]
        if len(there) == len(runs):
            return there
    kept = len(runs[0].seen)
    batch = min(teacher.batch, kept)
    plan = Plan(teacher.rate, teacher.decay, teacher.epochs, kept // batch, batch, precision, muon=teacher.muon_rate)
    models = [
        FloatCNN(teacher.architecture, classes=classes, input_bits=teacher.input_bits, rngs=nnx.Rngs(run.seed))
        for run in runs
    ]
    keys = [jax.random.fold_in(jax.random.key(run.seed), TEACHING) for run in runs]
    seen = None if teacher.views is None else table(teacher.architecture.image, teacher.views, folded=teacher.folded)
    phases = _phases(models, plan, keys, place(x, y, mesh), runs, views=seen)
    training.floats(TEACHER, phases, 0, teacher.epochs)
    said = [answers(model, x) for model in _models(phases)]
    for shelf, one in zip(shelves, said, strict=False):
        shelf.put(one)
    return said


def _plain(recipe: Recipe | ConvolutionRecipe | Teacher) -> dict[str, Any]:
    """The recipe as JSON has it."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return plain


def _floats(recipe: Recipe | ConvolutionRecipe, inputs: int, classes: int, seed: int) -> FloatMLP | FloatCNN:
    """A fresh network in floats."""
    rngs = nnx.Rngs(seed)
    if isinstance(recipe, Recipe):
        return FloatMLP((inputs, *recipe.hidden, classes), input_bits=recipe.input_bits, rngs=rngs)
    return FloatCNN(recipe.architecture, classes=classes, input_bits=recipe.input_bits, rngs=rngs)


def _calibrated(recipe: Recipe | ConvolutionRecipe, model: FloatMLP | FloatCNN, rows: Uint8) -> Any:
    """That network in integers, still untrained."""
    bits = {
        "input_bits": recipe.input_bits,
        "activation_bits": recipe.activation_bits,
        "weight_bits": recipe.weight_bits,
    }
    if isinstance(model, FloatMLP):
        return calibrate(fold(model), rows, **bits)
    assert isinstance(recipe, ConvolutionRecipe), "the model was made of the recipe"
    return convolution_models.calibrate(
        recipe.architecture,
        convolution_models.fold(model),
        rows,
        **bits,
        accumulator_bits=recipe.accumulator_bits,
        percentile=recipe.percentile,
    )


def _predict(network: AnyNetwork, samples: Uint8) -> Uint8:
    """What NumPy predicts; of a convolutional network in JAX, which gives the same bits sooner."""
    if isinstance(network, Network):
        return integer.predict(network, samples)
    return networks.predict_jax(network, samples)


def _phases(
    models: Sequence[Model],
    plan: Plan,
    keys: Sequence[jax.Array],
    data: Data,
    runs: Sequence["_Run"],
    answers: Sequence[Answers] | None = None,
    views: Table | None = None,
) -> list[Phase[Model]]:
    """One phase for all models where one program trains them, else one each."""
    rows = [run.seen for run in runs]
    if alike(models):
        return [Phase(models, plan, keys, data, rows, answers, views)]
    taught = [None] * len(runs) if answers is None else [[one] for one in answers]
    return [
        Phase([one], plan, [key], data, [part], said, views)
        for one, key, part, said in zip(models, keys, rows, taught, strict=True)
    ]


def _epoch(phases: Sequence[Phase[Any]]) -> list[float]:
    return [loss for phase in phases for loss in phase.epoch()]


def _models(phases: Sequence[Phase[Model]]) -> list[Model]:
    return [phase.model(number) for phase in phases for number in range(phase.count)]


def _start(seed: int, rows: int, validation: float) -> "_Run":
    keys = jax.random.split(jax.random.key(seed), 3)
    order = np.asarray(jax.random.permutation(keys[0], rows), np.int32)
    held = int(rows * validation)
    return _Run(seed=seed, keys=keys, seen=order[held:], unseen=order[:held])


@dataclass(kw_only=True)
class _Run:
    """One seed: its keys (for the split, for either phase), its rows, and what its epochs came to.

    best_arrays: those of the model that gave the best network.
    """

    seed: int
    keys: jax.Array
    seen: Rows
    unseen: Rows
    history: list[Epoch] = field(default_factory=list)
    best: AnyNetwork | None = None
    best_arrays: list[npt.NDArray[Any]] = field(default_factory=list)
    best_accuracy: float = -1.0

    def judge(self, model: Exportable, x: Uint8, y: Uint8) -> float:
        """Accuracy on the rows held back; the best network is kept, of equals the later."""
        network = model.export()
        accuracy = float((_predict(network, x[self.unseen]) == y[self.unseen]).mean())
        if accuracy >= self.best_accuracy:
            self.best, self.best_accuracy = network, accuracy
            self.best_arrays = [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(model))]
        return accuracy


@dataclass
class _Training:
    """The runs of a call, which began at a moment of `time.perf_counter`, and where they are saved."""

    runs: Sequence[_Run]
    store: "Checkpoint | None"
    progress: Progress | None
    validation: float
    shelf: Path | None
    began: float
    ending: Callable[[], bool] | None

    @property
    def before(self) -> float:
        """Seconds of the calls that this one resumes, until they saved last; 0 where none was saved with them."""
        return 0.0 if self.store is None else float(self.store.record.get("seconds", 0.0))

    def go_on(self) -> None:
        """Raise `Unfinished` where the run is to end before its next epoch."""
        if self.ending is not None and self.ending():
            raise Unfinished("the training was asked to end before its last epoch")

    def floats(self, name: str, phases: Sequence[Phase[Any]], before: int, epochs: int) -> None:
        """Bring phases in floats, which begin after `before` epochs, to their end."""
        for number in range(self.resume(phases, before, epochs) + 1, epochs + 1):
            self.go_on()
            for run, loss in zip(self.runs, _epoch(phases), strict=True):
                self.report(run, Epoch(name, number, epochs, loss, None))
            self.save(before + number, phases)

    def report(self, run: _Run, epoch: Epoch) -> None:
        """Note an epoch of a run."""
        run.history.append(epoch)
        if self.progress is not None:
            self.progress(epoch)

    def save(self, step: int, phases: Sequence[Phase[Any]]) -> None:
        """Save everything after `step` epochs of all phases."""
        if self.store is not None:
            record = {
                "history": [run.history for run in self.runs],
                "best_accuracy": [run.best_accuracy for run in self.runs],
                "seconds": self.before + time.perf_counter() - self.began,
            }
            self.store.save(step, self._state(phases, [run.best_arrays for run in self.runs]), record)

    def resume(self, phases: Sequence[Phase[Any]], before: int, epochs: int) -> int:
        """Bring a phase of so many epochs, which begins after `before`, to where the saved run was; returns the epoch.

        0 where the saved run was not that far. A phase that it left long ago is brought to its end.
        """
        if self.store is None or self.store.step <= before:
            return 0
        done = min(self.store.step - before, epochs)
        record = self.store.record
        latest = before + done == self.store.step
        models = _models(phases)
        judged = [latest and accuracy >= 0 for accuracy in record["best_accuracy"]]
        arrays = [jax.tree.leaves(nnx.state(model)) if yes else [] for model, yes in zip(models, judged, strict=True)]
        state = self.store.state(before + done, self._state(phases, arrays))
        for number, phase in enumerate(phases):
            phase.restore(state["phases"][str(number)], done)
        for number, (run, model) in enumerate(zip(self.runs, models, strict=True)):
            run.history = [Epoch(*epoch) for epoch in record["history"][number]]
            if judged[number]:
                run.best_arrays = [np.asarray(leaf) for leaf in state["best"][str(number)]]
                nnx.update(model, jax.tree.unflatten(jax.tree.structure(nnx.state(model)), run.best_arrays))
                run.best, run.best_accuracy = model.export(), record["best_accuracy"][number]
        return done

    def _state(self, phases: Sequence[Phase[Any]], best: Sequence[Sequence[Any]]) -> dict[str, dict[str, Any]]:
        """What is saved: arrays of the phases, and of the best models where there are any."""
        state = {"phases": {str(number): phase.arrays() for number, phase in enumerate(phases)}}
        kept = {str(number): list(arrays) for number, arrays in enumerate(best) if arrays}
        return state | ({"best": kept} if kept else {})


def _check(
    x: Uint8,
    y: Uint8,
    recipe: Recipe | ConvolutionRecipe,
    classes: int | None,
    validation: float,
    fine: Uint8 | None,
) -> int:
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
    if not 0 <= recipe.smoothing < 1:
        raise DataError(f"smoothing {recipe.smoothing}; use 0 to below 1")
    if recipe.teacher is not None:
        image, bits = recipe.teacher.architecture.image, recipe.teacher.input_bits
        seen = x if fine is None else fine
        if seen.dtype != np.uint8 or seen.shape != (len(x), math.prod(image)) or seen.max(initial=0) >= 2**bits:
            raise DataError(
                f"the teacher would see {seen.dtype} {seen.shape}; its images of {image} take uint8 "
                f"{(len(x), math.prod(image))} of {bits} bits"
            )
    found = int(y.max()) + 1
    classes = max(found, 2) if classes is None else classes
    if found > classes:
        raise DataError(f"label {found - 1} among {classes} classes")
    if isinstance(recipe, ConvolutionRecipe):
        blank = recipe.blank(classes)
        if blank.inputs != x.shape[1]:
            image = recipe.architecture.image
            raise DataError(f"rows have {x.shape[1]} features; the recipe's images of {image} have {blank.inputs}")
        # a network that no file holds is not worth hours
        networks.write(networks.fitted(blank))
    return classes
