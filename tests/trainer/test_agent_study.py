"""What is trained for terms, and what of a study survives its process."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from tests.agent_terms import ME, challenge, linear, terms
from trainer import networks, split
from trainer.agent import study
from trainer.agent.studies import Stage, Stopped, Studies, Ticket
from trainer.agent.study import Judged, Wish, directory_for, load, recipe_for, save
from trainer.datasets import digits
from trainer.errors import DataError
from trainer.node.settings import Settings
from trainer.package import Package, build, load_training
from trainer.presets import Recipe
from trainer.prices.work import WorkFile, beside
from trainer.protocol import Phase, Terms
from trainer.quantise import fit
from trainer.roles import data


def package(bits: int) -> Package:
    dataset = digits()
    return build(dataset, fit(dataset, bits=bits), group_size=16, groups=40, seed=3)


def training_of(tmp_path: Path, bits: int = 4) -> tuple[study.Training, Terms]:
    whole = package(bits)
    whole.export_training(tmp_path / "out", frozenset({0, 1, 2, 3}))
    return load_training(tmp_path / "out"), terms(**whole.manifest.terms)


def test_the_recipe_follows_the_terms(tmp_path: Path) -> None:
    training, found = training_of(tmp_path)
    recipe = recipe_for(found, training, Wish(), "DenseEngine")
    assert isinstance(recipe, Recipe)
    assert (recipe.hidden, recipe.input_bits) == ((32,), 4)
    # what does not fit gets narrower
    smaller = recipe_for(replace(found, model_bytes=1_000), training, Wish(), "DenseEngine")
    assert isinstance(smaller, Recipe)
    assert smaller.hidden == (16,)
    with pytest.raises(DataError, match="has 100 bytes or fewer"):
        recipe_for(replace(found, model_bytes=100), training, Wish(), "DenseEngine")
    with pytest.raises(DataError, match="no network of 64 inputs"):
        recipe_for(replace(found, model_bytes=1_000), training, Wish(hidden=(64,)), "DenseEngine")
    with pytest.raises(DataError, match="features of 4 bits"):
        recipe_for(found, training, Wish(), "BinaryEngine")


def test_features_of_one_bit_get_signs_for_a_binary_engine(tmp_path: Path) -> None:
    training, found = training_of(tmp_path, bits=1)
    recipe = recipe_for(found, training, Wish(), "BinaryEngine")
    assert isinstance(recipe, Recipe)
    assert (recipe.weight_bits, recipe.input_bits, recipe.hidden) == (1, 1, (128,))


def test_a_wish_says_for_which_engines_it_is() -> None:
    assert Wish().kinds() == {"DenseEngine", "BinaryEngine"}
    assert Wish(preset="fashion-lenet").kinds() == {"ConvolutionEngine"}
    assert Wish(preset="fashion-784-128-binary").kinds() == {"BinaryEngine"}


def test_a_study_fetches_trains_judges_and_writes_it_down(tmp_path: Path) -> None:
    whole = package(4)
    key = b"\5" * 32
    found = challenge(Phase.COMMIT, terms=terms(**whole.manifest.terms), key=key)
    held = frozenset(split.holdout(key, found.terms.groups, found.terms.holdout))
    public = tmp_path / "public" / whole.root.hex()
    public.parent.mkdir()
    whole.export_training(public, held)
    directory = directory_for(tmp_path, found, ME)
    assert load(directory) is None
    stages: list[Stage] = []

    class Counted(Ticket):
        def go_on(self) -> None:
            stages.append(self.stage)

    def work(source: Path) -> Judged:
        ticket = Counted(Studies()._turns, by=0, seconds=600)
        return study.work(found, "DenseEngine", Settings(), (str(source),), Wish(hidden=()), directory, ticket)

    done = work(tmp_path / "public")

    assert done.rows == int(36 * 16 * study.JUDGED)
    assert done.right > 0.8 * done.rows
    assert load(directory) == done
    assert networks.write(done.network) == done.model
    took = WorkFile.load(beside(directory / "model.bin"))
    assert took.model == keccak(done.model)
    assert took.work.flops == 4 * done.network.multiply_adds * took.samples, "one layer"
    # it may end at every group, and after every epoch
    assert stages.count(Stage.FETCH) == 36
    assert stages.count(Stage.TRAIN) > 1
    # what was fetched is not fetched again
    assert work(tmp_path / "nowhere") == done


def test_a_study_ends_where_its_training_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before an epoch, when all before it is saved; after one, before its save, that epoch would be lost."""
    training, found = training_of(tmp_path)
    monkeypatch.setattr(study, "load_training", lambda *_: training)
    (tmp_path / "study" / "data").mkdir(parents=True)
    ticket = Ticket(Studies()._turns, by=0, seconds=600)
    asked: list[bool] = []

    def train(*_: object, **given: object) -> None:
        assert given["checkpoint"] == tmp_path / "study" / "checkpoint"
        assert "progress" not in given
        while True:
            asked.append(given["ending"]())  # type: ignore[operator]
            if len(asked) == 3:
                ticket.stop()

    monkeypatch.setattr("trainer.training.train", train)
    life = challenge(Phase.COMMIT, terms=found)
    with pytest.raises(Stopped):
        study.work(life, "DenseEngine", Settings(), ("nowhere",), Wish(), tmp_path / "study", ticket)
    assert asked == [False] * 3


def test_half_a_model_counts_for_none(tmp_path: Path) -> None:
    found = challenge(Phase.COMMIT)
    directory = directory_for(tmp_path, found, ME)
    done = Judged(model=networks.model_of(linear()), right=5, rows=9)
    save(directory, done)
    assert load(directory) == done
    # killed between the two files, with another model before
    (directory / "judged.json").write_text(json.dumps({"right": 5, "rows": 9, "model": "00"}))
    assert load(directory) is None
    (directory / "judged.json").write_text("{")
    assert load(directory) is None


def test_another_draw_or_other_terms_have_another_place(tmp_path: Path) -> None:
    found = challenge(Phase.COMMIT)
    places = {
        directory_for(tmp_path, one, ME)
        for one in (found, replace(found, key=b"\6" * 32), replace(found, terms=terms(threshold=41)))
    }
    assert len(places) == 3


def test_a_fetch_that_is_given_up_goes_on_where_it_was(tmp_path: Path) -> None:
    whole, key = package(4), b"\5" * 32
    found = challenge(Phase.COMMIT, terms=terms(**whole.manifest.terms), key=key)
    public = tmp_path / "public" / whole.root.hex()
    public.parent.mkdir()
    whole.export_training(public, frozenset(split.holdout(key, found.terms.groups, found.terms.holdout)))
    out = tmp_path / "data"
    groups = 0

    def ends() -> None:
        nonlocal groups
        groups += 1
        if groups == 10:
            raise Stopped

    places = (str(tmp_path / "public"),)
    with pytest.raises(Stopped):
        data.fetch_for(found, Settings(), places, out, progress=lambda *_: ends())
    assert not out.exists()
    assert data.fetch_for(found, Settings(), places, out, progress=lambda *_: None).kept == 10
