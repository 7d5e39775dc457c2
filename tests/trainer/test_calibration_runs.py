"""Training runs: as many as a budget holds, each timed by its epochs, and what they say of speed and of targets."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from trainer import datasets
from trainer.calibration import curves, data, estimate
from trainer.calibration.estimate import Speed
from trainer.calibration.profile import Target
from trainer.calibration.runs import LEAST, SEEDS, Pace, Run, explore, measure
from trainer.calibration.schedule import AnyRecipe, lengths, phases
from trainer.errors import DataError
from trainer.presets import PRESETS, Recipe

RECIPE = Recipe(hidden=(8,), input_bits=4, activation_bits=4, weight_bits=4, batch=32, epochs=8, quantised_epochs=8)
TOTALS = [2, 4, 8, 16]
COMPILING, EPOCH = 10.0, {"float": 1.0, "quantised": 2.0}


def truth(epochs: int) -> float:
    """Accuracy that a run of so many epochs has in the tests."""
    return 0.9 - 0.1 * (epochs / 2) ** -0.8


class World:
    """A machine on which time passes by training alone."""

    def __init__(self) -> None:
        self.now, self.made = 0.0, []

    def clock(self) -> float:
        return self.now

    def run(self, rows: object, recipe: AnyRecipe, seed: int, *, first: bool, watch: Any, told: Any) -> Run:
        epochs = {name: [EPOCH[name]] * (count - 1) for name, count in phases(recipe).items()}
        seconds = COMPILING * first + sum(EPOCH[name] * count for name, count in phases(recipe).items())
        self.now += seconds
        self.made.append((recipe.all_epochs, seed))
        return Run(recipe=recipe, accuracy=truth(recipe.all_epochs), seconds=seconds, first=first, epochs=epochs)


def explored(seconds: float, **named: Any) -> list[tuple[int, int]]:
    world = World()
    explore(SimpleNamespace(), RECIPE, seconds, clock=world.clock, run=world.run, **named)
    return world.made


def test_lengths_of_the_tests() -> None:
    assert [cut.all_epochs for cut in lengths(RECIPE)] == TOTALS


@pytest.mark.parametrize("seconds", [0.1, 5.0, 30.0])
def test_two_runs_are_made_whatever_the_budget(seconds: float) -> None:
    assert explored(seconds) == [(2, 0), (4, 0)]


def test_a_third_length_comes_before_repetitions_and_those_from_the_longest_on() -> None:
    # 13 and 16 s for two lengths, and 22 s of the 24 left for the third, without which there is no curve
    assert explored(53.0) == [(2, 0), (4, 0), (8, 0)]
    # of the 19 s left 12 for it once more, and 6 for the second; a fourth length would have taken 34
    assert explored(70.0) == [(2, 0), (4, 0), (8, 0), (8, 1), (4, 1)]


def test_a_fourth_length_leaves_something_to_repeat() -> None:
    # 51 s for three lengths; 34 for the fourth is more than 60 % of 49, and less than that of 59
    assert (16, 0) not in explored(100.0)
    assert explored(110.0)[:4] == [(2, 0), (4, 0), (8, 0), (16, 0)]


def test_an_ample_budget_makes_every_length_with_every_seed() -> None:
    assert sorted(explored(1e6)) == [(total, seed) for total in TOTALS for seed in range(SEEDS)]


def test_nothing_is_longer_than_allowed() -> None:
    assert {total for total, _ in explored(1e6, longest=0.5)} == {2, 4, 8}
    assert {total for total, _ in explored(1e6, longest=0.01)} == {2}
    assert len(explored(0.1, longest=0.01)) == LEAST


def runs(seconds: float = 1e6) -> list[Run]:
    world = World()
    return explore(SimpleNamespace(), RECIPE, seconds, clock=world.clock, run=world.run)


def test_pace_expects_what_comes() -> None:
    pace = Pace(runs=runs(30.0))
    assert pace.epochs() == EPOCH
    assert pace.expected(RECIPE, first=True) == pytest.approx(COMPILING + 24)
    assert Pace(runs=runs()).expected(RECIPE, first=False) == pytest.approx(24)


def test_speed_is_that_of_the_presets_own_phases() -> None:
    # 5 % of 1,000 rows are held back, and 29 batches of 32 fill 928 of 950
    found = estimate.speed(runs(), RECIPE, 1000)
    assert found.samples_per_second == pytest.approx(16 * 928 / 24)
    assert found.deviation == pytest.approx(0, abs=1e-9)
    assert found.rest == pytest.approx(COMPILING)
    assert found.seconds(RECIPE) == pytest.approx(COMPILING + 24)


def test_speed_varies_as_runs_do() -> None:
    slow = [replace(run, epochs={name: [2 * s for s in spent] for name, spent in run.epochs.items()}) for run in runs()]
    found = estimate.speed([*runs(), *slow], RECIPE, 1000)
    mean = 16 * 928 / 36
    assert found.samples_per_second == pytest.approx(mean)
    # half as many seconds again, or three quarters: 1.5 and 0.75 of the mean, weighed 1 to 2
    expected = mean * np.sqrt(((1.5 - 1) ** 2 + 2 * (0.75 - 1) ** 2) / 3)
    assert found.deviation == pytest.approx(expected, rel=0.1)


def test_a_phase_of_one_epoch_takes_what_it_took_with_compiling() -> None:
    short = [run for run in runs(0.1) if run.total == 2]
    assert all(not spent for run in short for spent in run.epochs.values())
    found = estimate.speed(short, RECIPE, 1000)
    assert set(found.epochs) == {"float", "quantised"}
    assert found.samples_per_second > 0


def known(rows: int = 10**6) -> curves.Fit:
    made = [run for run in runs() if run.total < 16]
    return estimate.fit(made, rows)


PACE = Speed(samples_per_second=1000.0, deviation=0.0, epochs=EPOCH, rest=COMPILING)


def test_targets_within_reach_come_soon_and_others_never() -> None:
    easy, middle, never = estimate.reach(known(), PACE, RECIPE, [0.999, 0.7, truth(8)])
    # a run of the shortest length reaches it
    assert easy == Target(accuracy=0.7, seconds=13.0, low=13.0, high=13.0, chance=1.0)
    assert middle.accuracy == pytest.approx(truth(8))
    assert middle.seconds is not None
    assert middle.low is not None
    assert middle.high is not None
    # 8 epochs take 22 s, and 16 take 34
    assert 16 <= middle.low <= middle.seconds <= middle.high <= 34
    assert middle.seconds == pytest.approx(22, abs=3)
    assert 0.9 < (middle.chance or 0) <= 1
    assert never == Target(accuracy=0.999, seconds=None, low=None, high=None, chance=0.0)


def test_chances_fall_with_the_accuracy() -> None:
    found = estimate.reach(known(500), PACE, RECIPE, [0.86, 0.87, 0.88, 0.89, 0.9])
    chances = [target.chance or 0 for target in found]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.8 > 0.3 > chances[-1]


def test_an_uneven_machine_has_uncertain_times() -> None:
    uneven = replace(PACE, deviation=300.0)
    (target,) = estimate.reach(known(), uneven, RECIPE, [0.7])
    assert target.low is not None
    assert target.high is not None
    # 13 s, times or over exp(1.28 * 0.3)
    assert target.low == pytest.approx(13 * np.exp(-1.2816 * 0.3), rel=0.05)
    assert target.high == pytest.approx(13 * np.exp(1.2816 * 0.3), rel=0.05)


def test_targets_are_chosen_where_none_are_named() -> None:
    found = estimate.choose(known(), RECIPE)
    assert found == sorted(found)
    assert {0.82, 0.85, 0.88} < {*found, 0.82}
    assert all(target == round(target, 2) and 0.8 <= target <= 0.93 for target in found)
    assert len(found) <= estimate.MOST_TARGETS


@pytest.fixture(scope="module")
def rows() -> data.Rows:
    return data.prepare(PRESETS["digits-64-32"], datasets.digits())


def test_rows_to_judge_by_are_held_back_and_test_rows_left_alone(rows: data.Rows) -> None:
    digits = datasets.digits()
    seen, _ = digits.split()
    assert len(rows.judged_y) == int(len(seen) * data.JUDGED)
    assert len(rows.y) + len(rows.judged_y) == len(seen)
    preset = PRESETS["digits-64-32"]
    every = preset.quantiser(digits).apply(digits.features[seen])
    both = np.concatenate([rows.x, rows.judged_x])
    assert sorted(map(bytes, both)) == sorted(map(bytes, every))
    other = data.prepare(preset, digits, seed=1)
    assert not (other.judged_x == rows.judged_x).all()


class Marks:
    """A watch that writes down what it is told."""

    def __init__(self) -> None:
        self.marks: list[bool] = []

    def mark(self, counts: bool) -> None:
        self.marks.append(counts)


def test_a_run_is_timed_without_the_epochs_that_compile(rows: data.Rows) -> None:
    recipe = replace(RECIPE, epochs=5, quantised_epochs=6)
    watch, told = Marks(), []
    run = measure(rows, recipe, 0, first=True, watch=watch, told=lambda *heard: told.append(heard))  # type: ignore[arg-type]
    # the first epoch of either phase compiles, and so does the first that is judged, the fifth of six
    assert {name: len(spent) for name, spent in run.epochs.items()} == {"float": 4, "quantised": 4}
    assert watch.marks == [False, *(False, True, True, True, True), *(False, True, True, True, False, True)]
    assert [(heard[:2], heard[2].phase, heard[2].number) for heard in told] == [
        *(((recipe, 0), "float", number) for number in range(1, 6)),
        *(((recipe, 0), "quantised", number) for number in range(1, 7)),
    ]
    assert run.total == 11
    assert 0.5 < run.accuracy <= 1
    assert run.accuracy * len(rows.judged_y) == pytest.approx(round(run.accuracy * len(rows.judged_y)))
    assert 0 < sum(map(sum, run.epochs.values())) < run.seconds
    again = measure(rows, recipe, 1, first=False)
    assert {name: len(spent) for name, spent in again.epochs.items()} == {"float": 4, "quantised": 5}


def test_invented_rows_give_speed_alone(rows: data.Rows) -> None:
    invented = replace(rows, invented=True)
    profile, note = estimate.summarise(runs(), RECIPE, invented, [0.9, 0.8])
    assert note is not None
    assert "on invented rows accuracies mean nothing" in note
    assert profile.curve is None
    assert [(one.accuracy, one.seconds, one.chance) for one in profile.targets] == [
        (0.8, None, None),
        (0.9, None, None),
    ]
    assert profile.samples_per_second > 0


def test_too_few_runs_give_speed_alone(rows: data.Rows) -> None:
    profile, note = estimate.summarise(runs(0.1), RECIPE, rows, None)
    assert note is not None
    assert "too few for a learning curve" in note
    assert (profile.curve, profile.targets, profile.runs) == (None, (), 2)


def test_enough_runs_give_a_curve(rows: data.Rows) -> None:
    profile, note = estimate.summarise(runs(), RECIPE, rows, None)
    assert note is None
    assert profile.curve is not None
    assert profile.curve.asymptote[0] < 0.9 < profile.curve.asymptote[2]
    assert profile.runs == len(TOTALS) * SEEDS
    assert profile.flops_per_sample == 4 * (64 * 8 + 8 * 10) + 2 * 8 * 10


def test_invented_images_are_the_same_every_time_and_of_the_right_shape() -> None:
    first, again = (data.invent("fashion-mnist", rows=50) for _ in range(2))
    assert (first.features == again.features).all()
    assert first.features.shape == (50, 784)
    assert data.invent("cifar-10", rows=20).image_shape == (32, 32, 3)


def test_a_data_set_that_is_not_there_is_invented(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(datasets, "FASHION_DIRECTORY", tmp_path / "none")
    monkeypatch.setattr(data, "INVENTED", 40)
    found, invented = data.load(PRESETS["fashion-196-16"])
    assert invented
    assert found.name == "fashion-mnist"
    assert data.load(PRESETS["digits-64-32"])[1] is False
    # one that was named is not
    with pytest.raises(DataError, match=r"no such directory"):
        data.load(PRESETS["fashion-196-16"], data=tmp_path / "none")


def test_a_preset_for_any_data_set_wants_one() -> None:
    with pytest.raises(DataError, match=r"preset mlp is for any data set; name yours with --dataset"):
        data.load(PRESETS["mlp"])
    assert data.load(PRESETS["mlp"], dataset="digits")[0].name == "digits"
