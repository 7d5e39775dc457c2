"""Training: good enough, repeatable, honest about what it measures."""

from dataclasses import replace

import numpy as np
import pytest

from trainer import integer
from trainer.datasets import digits
from trainer.encode import encode
from trainer.errors import DataError
from trainer.presets import PRESETS, Recipe, adapt, find, find_for_package
from trainer.quantise import Quantiser, fit
from trainer.training import Epoch, train

QUICK = Recipe(hidden=(8,), input_bits=4, activation_bits=4, weight_bits=4, batch=32, epochs=3, quantised_epochs=3)


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, ...]:
    data = digits()
    seen, unseen = data.split()
    x = fit(data, bits=4).apply(data.features)
    return x[seen], data.labels[seen], x[unseen], data.labels[unseen]


def test_digits_reach_97_percent_as_integers(rows: tuple[np.ndarray, ...]) -> None:
    x, y, test_x, test_y = rows
    result = train(x, y, recipe=PRESETS["digits-64-32"].recipe, seed=0)
    assert result.network.widths == (64, 32, 10)
    assert (integer.predict(result.network, test_x) == test_y).mean() >= 0.97
    assert result.seconds < 60


def test_the_same_seed_gives_the_same_bytes(rows: tuple[np.ndarray, ...]) -> None:
    x, y, *_ = rows
    first, again, other = (encode(train(x, y, recipe=QUICK, seed=seed).network) for seed in (3, 3, 4))
    assert first == again != other


def test_validation_rows_are_not_trained_on_and_choose_the_network(rows: tuple[np.ndarray, ...]) -> None:
    x, y, *_ = rows
    epochs: list[Epoch] = []
    result = train(x, y, recipe=QUICK, seed=0, validation=0.1, progress=epochs.append)
    assert tuple(epochs) == result.history
    assert [epoch.phase for epoch in epochs] == ["float"] * 3 + ["quantised"] * 3
    scores = [epoch.accuracy for epoch in epochs if epoch.accuracy is not None]
    assert result.validation_accuracy == max(scores)
    assert round(result.validation_accuracy * 143) == pytest.approx(result.validation_accuracy * 143)
    assert epochs[-1].loss < epochs[0].loss


def test_the_best_epoch_wins_and_the_later_of_equals(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.zeros((100, 8), np.uint8), (np.arange(100) % 5 == 0).astype(np.uint8)
    shown: list[integer.Network] = []

    def scripted(network: integer.Network, samples: np.ndarray) -> np.ndarray:
        shown.append(network)
        return np.full(len(samples), (1, 0, 0, 1)[len(shown) - 1], np.uint8)

    monkeypatch.setattr(integer, "predict", scripted)
    result = train(x, y, recipe=replace(QUICK, quantised_epochs=12), seed=0, validation=0.5)
    assert len(shown) == 4
    assert result.network is shown[2]
    assert result.validation_accuracy is not None
    assert result.validation_accuracy > 0.5


def test_without_validation_the_last_network_counts(rows: tuple[np.ndarray, ...]) -> None:
    x, y, *_ = rows
    result = train(x, y, recipe=QUICK, seed=0, validation=0.0)
    assert result.validation_accuracy is None
    assert all(epoch.accuracy is None for epoch in result.history)


def test_a_held_back_row_cannot_be_learnt() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, (400, 64), dtype=np.uint8), rng.integers(0, 2, 400, dtype=np.uint8)
    recipe = Recipe(
        hidden=(64,), input_bits=1, activation_bits=8, weight_bits=8, batch=50, epochs=30, decay=0.0, quantised_epochs=3
    )
    result = train(x, y, recipe=recipe, seed=1, validation=0.5)
    assert result.validation_accuracy is not None
    # noise: what was learnt by heart is right, what was held back is a coin
    assert result.validation_accuracy < 0.65
    assert (integer.predict(result.network, x) == y).mean() > 0.7


@pytest.mark.parametrize("hidden", [(), (12, 8)])
def test_other_depths_train(rows: tuple[np.ndarray, ...], hidden: tuple[int, ...]) -> None:
    x, y, *_ = rows
    recipe = Recipe(
        hidden=hidden, input_bits=4, activation_bits=4, weight_bits=8, batch=32, epochs=8, quantised_epochs=4
    )
    result = train(x, y, recipe=recipe, seed=0, classes=12)
    assert result.network.widths == (64, *hidden, 12)
    assert (integer.predict(result.network, x) == y).mean() > 0.8


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"x": np.zeros((4, 2), np.float32)}, "x is float32"),
        ({"y": np.zeros(3, np.uint8)}, r"y is uint8 \(3,\)"),
        ({"x": np.full((4, 2), 16, np.uint8)}, "a feature is 16, above 15: quantise to 4 bits"),
        ({"y": np.full(4, 5, np.uint8), "classes": 5}, "label 5 among 5 classes"),
        ({"validation": 0.6}, "validation part 0.6; use 0 to 0.5"),
        ({"x": np.zeros((1, 2), np.uint8), "y": np.zeros(1, np.uint8)}, "1 rows leave fewer than 2"),
    ],
)
def test_unfit_input_is_refused(change: dict, reason: str) -> None:
    arguments = {"x": np.zeros((4, 2), np.uint8), "y": np.zeros(4, np.uint8), "recipe": QUICK, "seed": 0} | change
    x, y = arguments.pop("x"), arguments.pop("y")
    with pytest.raises(DataError, match=reason):
        train(x, y, **arguments)


def test_presets_fit_their_names_and_datasets() -> None:
    assert find(None, "digits").name == "digits-64-32"
    assert find(None, "fashion-mnist").name == "fashion-196-64"
    assert find(None, "some.csv").name == "mlp"
    with pytest.raises(DataError, match="no preset 'x'; use one of fashion-196-16, "):
        find("x", "digits")
    with pytest.raises(DataError, match="preset digits-64-32 is for digits, not for a.csv; use mlp"):
        find("digits-64-32", "a.csv")
    with pytest.raises(DataError, match="no preset 'x'; use one of"):
        find_for_package("x", "digits", Quantiser(bits=4, image_shape=(8, 8)))
    recipe = adapt(find(None, "digits"), hidden=(5, 4), bits=1, input_bits=8).recipe
    assert (recipe.hidden, recipe.input_bits, recipe.activation_bits, recipe.weight_bits) == ((5, 4), 8, 1, 2)


@pytest.mark.parametrize(
    ("dataset", "quantiser", "preset"),
    [
        ("digits", Quantiser(bits=4, image_shape=(8, 8)), "digits-64-32"),
        ("digits", Quantiser(bits=4, image_shape=(8, 8), pooled=True), "mlp"),
        ("digits", Quantiser(bits=4, image_shape=(4, 16)), "mlp"),
        ("digits", Quantiser(bits=4, ranges=((0.0, 1.0),) * 64), "mlp"),
        ("fashion-mnist", Quantiser(bits=4, image_shape=(28, 28), pooled=True), "fashion-196-64"),
        ("fashion-mnist", Quantiser(bits=8, image_shape=(28, 28)), "fashion-784-64"),
        ("some.csv", Quantiser(bits=8, image_shape=(28, 28)), "mlp"),
    ],
)
def test_the_preset_of_a_package_fits_its_features(dataset: str, quantiser: Quantiser, preset: str) -> None:
    assert find_for_package(None, dataset, quantiser).name == preset


def test_a_preset_that_does_not_fit_a_package_is_refused() -> None:
    with pytest.raises(DataError, match="preset digits-64-32 does not fit .* use one of mlp$"):
        find_for_package("digits-64-32", "digits", Quantiser(bits=4, image_shape=(4, 16)))
