"""Getting to a model for a challenge: fetch its groups, train, judge it on rows it has not seen.

All of it is on the disk, and goes on where it was: groups that were fetched, epochs that were trained, and in the end
the model, with how it did, before anything is committed.

    data/         the training groups, each checked against the root
    seed          chooses the rows it is judged on
    checkpoint/   the training run, after every epoch
    model.bin     the model
    judged.json   how many it got right of how many rows; written last
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from eth_hash.auto import keccak

from trainer import encode, networks
from trainer.agent.studies import Ticket
from trainer.errors import AssayError, DataError, PackageError
from trainer.files import write_file
from trainer.index import Challenge
from trainer.integer import BINARY, Layer, Network
from trainer.networks import AnyNetwork
from trainer.node.settings import Settings
from trainer.package import Training, load_training
from trainer.presets import PRESETS, ConvolutionRecipe, Recipe, adapt, find_for_package
from trainer.prices.work import beside
from trainer.protocol import Terms
from trainer.roles import data

JUDGED = 0.15
"""Part of the rows that train nothing, and on which the model is judged."""
WIDTHS = (512, 256, 128, 64, 32, 16, 8)
"""Hidden widths that are tried where the wanted one has too many bytes."""
BINARY_PRESET = "fashion-784-128-binary"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What to train, by name of a preset or by hidden widths; by default what suits the terms."""

    preset: str | None = None
    hidden: tuple[int, ...] | None = None

    def kinds(self) -> frozenset[str]:
        """Engines that it gives networks for."""
        if self.preset is None:
            return frozenset({"DenseEngine", "BinaryEngine"})
        recipe = PRESETS[self.preset].recipe
        if isinstance(recipe, ConvolutionRecipe):
            return frozenset({"ConvolutionEngine"})
        return frozenset({"BinaryEngine" if recipe.weight_bits == BINARY else "DenseEngine"})


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A trained model, and how it did on `rows` rows that it was not trained on."""

    model: bytes
    right: int
    rows: int

    @property
    def network(self) -> AnyNetwork:
        """The network."""
        return networks.read(self.model)


def directory_for(home: Path, found: Challenge, me: str) -> Path:
    """Where the work for a challenge lies: another draw, or other terms under the same number, have another place."""
    name = keccak(repr((found.terms.as_tuple(), found.key)).encode())[:6].hex()
    return home / "agent" / f"{found.id}-{name}-{me}"


def load(directory: Path) -> Judged | None:
    """What was trained; None if that is not finished."""
    try:
        entries = json.loads((directory / "judged.json").read_text())
        model = (directory / "model.bin").read_bytes()
        networks.read(model)
        if entries["model"] != keccak(model).hex():
            return None
        return Judged(model=model, right=int(entries["right"]), rows=int(entries["rows"]))
    except (OSError, ValueError, KeyError, TypeError, AssayError):
        return None


def save(directory: Path, judged: Judged) -> None:
    """Write a trained model, then how it did."""
    directory.mkdir(parents=True, exist_ok=True)
    write_file(directory / "model.bin", judged.model, private=True)
    entries = {"right": judged.right, "rows": judged.rows, "model": keccak(judged.model).hex()}
    write_file(directory / "judged.json", json.dumps(entries).encode(), private=True)


def recipe_for(terms: Terms, training: Training, wish: Wish, engine: str) -> Recipe | ConvolutionRecipe:
    """The recipe for a challenge; raises `DataError` where none has a model short enough, or of the engine's kind."""
    manifest = training.manifest
    binary = engine == "BinaryEngine"
    if binary and terms.input_bits != 1:
        raise DataError(f"a binary engine, and features of {terms.input_bits} bits: no network fits both")
    name = wish.preset
    if binary and name is None:
        # the recipe of signs suits any features of one bit
        preset = PRESETS[BINARY_PRESET]
        wide: tuple[int, ...] | None = (128,) if wish.hidden is None else wish.hidden
    else:
        preset, wide = find_for_package(name, manifest.name, manifest.quantiser), wish.hidden
    recipe = adapt(preset, hidden=wide, input_bits=terms.input_bits).recipe
    if isinstance(recipe, ConvolutionRecipe):
        return recipe
    if not recipe.hidden:
        recipe = replace(recipe, activation_bits=recipe.input_bits)
    width = manifest.quantiser.width
    shorter = [] if wish.hidden is not None else [(least,) for least in WIDTHS if least < max(recipe.hidden, default=0)]
    for hidden in (recipe.hidden, *shorter):
        tried = replace(recipe, hidden=hidden)
        if encode.model_bytes(_blank(tried, width, terms.classes)) <= terms.model_bytes:
            return tried
    raise DataError(f"no network of {width} inputs and {terms.classes} classes has {terms.model_bytes} bytes or fewer")


def _blank(recipe: Recipe, inputs: int, classes: int) -> Network:
    """A network of a recipe's shape."""
    widths = (inputs, *recipe.hidden, classes)
    value = 1 if recipe.weight_bits == BINARY else 0
    last = len(recipe.hidden)
    layers = tuple(
        Layer(
            weights=np.full((before, after), value, np.int64),
            bias=np.zeros(after, np.int64),
            shift=None if number == last else 0,
        )
        for number, (before, after) in enumerate(pairwise(widths))
    )
    return Network(
        layers=layers,
        input_bits=recipe.input_bits,
        activation_bits=recipe.activation_bits,
        weight_bits=recipe.weight_bits,
    )


def work(
    found: Challenge,
    engine: str,
    settings: Settings,
    sources: Sequence[str],
    wish: Wish,
    directory: Path,
    ticket: Ticket,
) -> Judged:
    """Fetch, train, judge, and write it down; what was done before is not done again.

    engine: the name of the challenge's.
    ticket: is asked for every group and before every epoch, when all before it is saved, and may raise to end it there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _fetch(found, settings, sources, directory / "data", ticket)
    with ticket.training():
        # rows are in memory only while they train
        training = load_training(directory / "data", found.terms.root)
        return _train(found.terms, engine, wish, training, directory, ticket)


def _fetch(found: Challenge, settings: Settings, sources: Sequence[str], out: Path, ticket: Ticket) -> None:
    if not sources:
        raise PackageError("no place to fetch training groups from; name one with --source")
    if not out.is_dir():
        fetched = data.fetch_for(found, settings, sources, out, progress=lambda *_: ticket.go_on(), sleep=ticket.sleep)
        assert fetched.directory == out, "it was asked for there"


def _train(terms: Terms, engine: str, wish: Wish, training: Training, directory: Path, ticket: Ticket) -> Judged:
    # JAX is imported once there is something to train
    from trainer.training import operations, train, work_of

    def ending() -> bool:
        ticket.go_on()
        return False

    recipe = recipe_for(terms, training, wish, engine)
    rows = len(training.y)
    order = np.random.default_rng(_seed(directory / "seed")).permutation(rows)
    held = max(1, int(rows * JUDGED))
    judged, seen = order[:held], order[held:]
    result = train(
        training.x[seen],
        training.y[seen],
        recipe=recipe,
        seed=0,
        classes=terms.classes,
        ending=ending,
        # what has no hidden layer has empty arrays, which a checkpoint cannot hold, and is trained in seconds
        checkpoint=directory / "checkpoint" if not isinstance(recipe, Recipe) or recipe.hidden else None,
    )
    network = networks.fitted(result.network)
    right = int((networks.predict_jax(network, training.x[judged]) == training.y[judged]).sum())
    done = Judged(model=networks.model_of(network), right=right, rows=held)
    # for whoever owns the account to declare, should it win
    flops = operations(result, recipe, inputs=training.x.shape[1], classes=terms.classes)
    took = work_of(network, flops, result.samples + result.taught, result.all_seconds)
    took.save(beside(directory / "model.bin"))
    save(directory, done)
    return done


def _seed(path: Path) -> int:
    """What chooses the rows to judge by: a secret, or a poster could make those the easy ones."""
    if not path.is_file():
        write_file(path, secrets.token_hex(8).encode(), private=True)
    return int(path.read_text(), 16)
