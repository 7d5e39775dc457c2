"""Training convolutional networks: good enough, repeatable, written and read back; what does not fit is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.cifar_files import FOLDER, files, write_archive
from trainer import cifar, convolution, networks, presets
from trainer.architecture import Architecture, Block
from trainer.cli import app
from trainer.convolution import ConvolutionalNetwork, Halve
from trainer.datasets import DIGITS, digits
from trainer.encode_convolution import geometries
from trainer.errors import DataError, EncodingError, NetworkError
from trainer.presets import PRESETS, ConvolutionRecipe, Preset, adapt, find_for_package
from trainer.quantise import Quantiser, fit
from trainer.segments import SegmentedNetwork
from trainer.training import Epoch, train

QUICK = ConvolutionRecipe(
    architecture=Architecture(
        image=(1, 8, 8),
        blocks=(Block(outputs=4, halve=Halve.MAX), Block(outputs=4, skip=1), Block(outputs=6, halve=Halve.MEAN)),
    ),
    input_bits=4,
    activation_bits=4,
    weight_bits=4,
    batch=32,
    rate=1e-2,
    epochs=6,
    quantised_epochs=6,
)


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, ...]:
    data = digits()
    seen, unseen = data.split()
    x = fit(data, bits=4).apply(data.features)
    return x[seen], data.labels[seen], x[unseen], data.labels[unseen]


def test_digits_reach_90_percent_and_the_epochs_are_told(rows: tuple[np.ndarray, ...]) -> None:
    x, y, test_x, test_y = rows
    epochs: list[Epoch] = []
    result = train(x, y, recipe=QUICK, seed=0, validation=0.1, progress=epochs.append)
    assert isinstance(result.network, ConvolutionalNetwork)
    assert result.network.shapes == ((1, 8, 8), (4, 4, 4), (4, 4, 4), (6, 2, 2))
    assert (convolution.predict(result.network, test_x) == test_y).mean() >= 0.9
    assert tuple(epochs) == result.history
    assert [epoch.phase for epoch in epochs] == ["float"] * 6 + ["quantised"] * 6
    assert result.validation_accuracy == max(epoch.accuracy for epoch in epochs if epoch.accuracy is not None)


def test_the_same_seed_gives_the_same_bytes(rows: tuple[np.ndarray, ...]) -> None:
    x, y, *_ = rows
    recipe = replace(QUICK, epochs=1, quantised_epochs=1)
    first, again, other = (networks.write(train(x, y, recipe=recipe, seed=seed).network) for seed in (3, 3, 4))
    assert first == again != other


def test_sums_fit_the_lanes_of_the_recipe() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (200, 3 * 4 * 16), dtype=np.uint8), rng.integers(0, 2, 200, dtype=np.uint8)
    recipe = replace(
        QUICK,
        architecture=Architecture(image=(3, 4, 16), blocks=(Block(outputs=4, kernel=5),)),
        input_bits=8,
        weight_bits=8,
        epochs=2,
        quantised_epochs=2,
    )
    wide, narrow = (train(x, y, recipe=replace(recipe, accumulator_bits=bits), seed=0).network for bits in (25, 14))
    assert [geometries(network)[0].split for network in (wide, narrow)] == [2, 1]


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        ({"accumulator_bits": 13}, NetworkError, "accumulator_bits is 13; use 14 to 25"),
        ({"weight_bits": 2}, NetworkError, "weight_bits is 2"),
        (
            {"architecture": Architecture(image=(2, 8, 8), blocks=(Block(outputs=1),))},
            DataError,
            "64 features; the recipe's images of .* have 128",
        ),
        (
            {"architecture": Architecture(image=(1, 8, 8), blocks=(Block(outputs=200), Block(outputs=200)))},
            EncodingError,
            "the model takes .* bytes; at most|planes take .* blocks",
        ),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(change: dict, error: type[Exception], reason: str) -> None:
    x, y = np.zeros((10, 64), np.uint8), (np.arange(10) % 2).astype(np.uint8)
    with pytest.raises(error, match=reason):
        train(x, y, recipe=replace(QUICK, **change), seed=0)


def test_bits_of_a_convolutional_preset_change_and_hidden_widths_do_not() -> None:
    preset = PRESETS["fashion-lenet"]
    recipe = adapt(preset, bits=2, input_bits=8).recipe
    assert (recipe.input_bits, recipe.activation_bits, recipe.weight_bits) == (8, 2, 4)
    with pytest.raises(DataError, match="preset fashion-lenet is convolutional, without hidden widths"):
        adapt(preset, hidden=(3,))


def test_a_package_of_whole_images_may_be_trained_on_by_convolutions_but_only_if_asked() -> None:
    quantiser = Quantiser(bits=4, image_shape=(28, 28))
    assert find_for_package("fashion-lenet", "fashion-mnist", quantiser).name == "fashion-lenet"
    assert find_for_package(None, "fashion-mnist", quantiser).name == "fashion-784-64"


def test_a_preset_of_cifar_10_trains_on_a_package_of_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = write_archive(tmp_path / "cifar-10-binary.tar.gz", FOLDER["binary"], files("binary", (20,) * 6))
    recipe = replace(PRESETS["cifar-lenet"].recipe, epochs=1, quantised_epochs=1, batch=20)
    monkeypatch.setitem(presets.PRESETS, "cifar-lenet", replace(PRESETS["cifar-lenet"], recipe=recipe))
    monkeypatch.setattr(cifar, "BATCH_IMAGES", 20)
    taken = ["--dataset", "cifar-10", "--data", str(archive), "--unofficial"]
    packed = CliRunner().invoke(app, ["data", "pack", *taken, "--group-size", "8", "--out", str(tmp_path / "package")])
    assert packed.exit_code == 0, packed.output
    trained = CliRunner().invoke(
        app,
        ["train", "--dataset", str(tmp_path / "package"), "--preset", "cifar-lenet", "--out", str(tmp_path / "model")],
    )
    assert trained.exit_code == 0, trained.output
    assert isinstance(networks.read((tmp_path / "model").read_bytes()), ConvolutionalNetwork)


def test_resnet_20_is_cut_into_seven_segments() -> None:
    recipe = PRESETS["cifar-resnet-20"].recipe
    assert isinstance(recipe, ConvolutionRecipe)
    network = networks.fitted(recipe.blank(classes=10))
    assert isinstance(network, SegmentedNetwork)
    assert network.multiply_adds == 47_638_528
    assert len(network.segments) == 7


def test_the_command_line_trains_writes_and_reads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preset = Preset(name="small", dataset=DIGITS, pooled=False, recipe=QUICK, expected="")
    monkeypatch.setitem(presets.PRESETS, "small", preset)
    model = tmp_path / "model.bin"
    trained = CliRunner().invoke(app, ["train", "--preset", "small", "--out", str(model)])
    assert trained.exit_code == 0, trained.output
    assert "small: 1x8x8-4x4x4-4x4x4-6x2x2-10, 8,304 multiply-adds" in trained.stdout
    network = networks.read(model.read_bytes())
    assert isinstance(network, ConvolutionalNetwork)
    data = digits()
    test = data.split()[1]
    classes = convolution.predict(network, fit(data, bits=4).apply(data.features[test]))
    evaluated = CliRunner().invoke(app, ["evaluate", str(model), "--json"])
    assert evaluated.exit_code == 0, evaluated.output
    assert f'"right": {(classes == data.labels[test]).sum()},' in evaluated.stdout
    refused = CliRunner().invoke(app, ["train", "--preset", "small", "--hidden", "8"])
    assert refused.exit_code == 1
    assert "preset small is convolutional" in refused.stderr


def test_a_network_too_large_for_a_transaction_is_written_in_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = tuple(Block(outputs=64, kernel=1, halve=halve) for halve in (Halve.NOT, Halve.NOT, Halve.NOT, Halve.MAX))
    recipe = replace(
        QUICK, architecture=Architecture(image=(1, 8, 8), blocks=wide), epochs=1, quantised_epochs=1, rate=3e-3
    )
    preset = Preset(name="wide", dataset=DIGITS, pooled=False, recipe=recipe, expected="")
    monkeypatch.setitem(presets.PRESETS, "wide", preset)
    model = tmp_path / "model.bin"
    trained = CliRunner().invoke(app, ["train", "--preset", "wide", "--out", str(model), "--json"])
    assert trained.exit_code == 0, trained.output
    report = json.loads(trained.stdout)
    assert report["shape"] == "1x8x8-64x8x8-64x8x8-64x8x8-64x4x4|1024-10"
    assert (report["multiply_adds"], report["weight_bits"]) == (800_768, 4)
    network = networks.read(model.read_bytes())
    assert isinstance(network, SegmentedNetwork)
    evaluated = CliRunner().invoke(app, ["evaluate", str(model), "--json"])
    assert evaluated.exit_code == 0, evaluated.output
    data = digits()
    test = data.split()[1]
    classes = networks.predict(network, fit(data, bits=4).apply(data.features[test]))
    assert f'"right": {(classes == data.labels[test]).sum()},' in evaluated.stdout


def test_a_damaged_convolutional_model_is_one_line(tmp_path: Path) -> None:
    model = tmp_path / "model.bin"
    model.write_bytes(b"ASAY\x03" + bytes(59))
    refused = CliRunner().invoke(app, ["evaluate", str(model)])
    assert refused.exit_code == 1
    assert "is no model: byte 5: 0 convolutions" in refused.stderr
    assert refused.stderr.count("\n") == 1
