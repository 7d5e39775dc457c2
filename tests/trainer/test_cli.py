"""The command line: what it prints, what it writes, and one line instead of a traceback for every mistake."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tests.cifar_files import FOLDER, files, write_archive, write_folder
from trainer import integer
from trainer.cli import app
from trainer.encode import decode
from trainer.package import Package

QUICK = ("--hidden", "8", "--bits", "4")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def good(*arguments: object) -> dict[str, Any]:
    """Run with --json; stdout must be one JSON object and nothing else."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments: object, code: int = 1) -> str:
    """Run what must fail: nothing on stdout, no traceback; returns stderr."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    if code == 1:
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
        assert isinstance(result.exception, SystemExit)
    return result.stderr


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 rows, 3 features, 2 classes that a line separates."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    lines = [f"{a},{b},{c},{'up' if a + b > 0 else 'down'}" for a, b, c in x]
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_text("\n".join(["a,b,c,way", *lines]))
    return path


@pytest.fixture(scope="module")
def model(table: Path) -> Path:
    path = table.parent / "model.bin"
    report = good("train", "--dataset", table, *QUICK, "--seeds", 2, "--out", path)
    assert report["widths"] == [4, 8, 2]
    assert [entry["seed"] for entry in report["runs"]] == [0, 1]
    assert report["mean"] > 0.8
    return path


def test_a_trained_model_is_written_and_evaluates(table: Path, model: Path) -> None:
    network = decode(model.read_bytes())
    report = good("evaluate", model, "--dataset", table)
    assert report["samples"] == 40
    assert report["accuracy"] == report["right"] / 40 > 0.8
    assert len(report["digest"]) == 64
    assert network.classes == 2
    again = run("evaluate", model, "--dataset", table)
    assert again.exit_code == 0
    assert report["digest"] in again.stdout


def test_of_several_seeds_the_best_on_validation_is_written(table: Path, model: Path) -> None:
    report = good("train", "--dataset", table, *QUICK, "--seeds", 2, "--out", table.parent / "again.bin")
    best = max(report["runs"], key=lambda entry: entry["validation_accuracy"])
    assert good("evaluate", model, "--dataset", table)["accuracy"] == best["test_accuracy"]
    assert (table.parent / "again.bin").read_bytes() == model.read_bytes()


def test_a_package_goes_from_poster_to_trainer(table: Path, tmp_path: Path) -> None:
    packed = good("data", "pack", "--dataset", table, "--out", tmp_path / "p", "--group-size", 8, "--groups", 20)
    assert (packed["groups"], packed["sample_bytes"], packed["left_out"]) == (20, 2, 40)
    Package.load(tmp_path / "p").export_training(tmp_path / "e", {1, 2, 3, 4})
    root = packed["root"]
    assert good("data", "check", tmp_path / "p", "--root", root)["checked"] == 20
    checked = good("data", "check", tmp_path / "e", "--root", root)
    assert (checked["checked"], checked["held_out"], checked["samples"]) == (16, 4, 128)
    report = good("train", "--dataset", tmp_path / "e", "--root", root, *QUICK, "--out", tmp_path / "m.bin")
    assert report["mean"] is None
    assert report["runs"][0]["validation_accuracy"] > 0.7
    assert good("evaluate", tmp_path / "m.bin", "--dataset", tmp_path / "p")["samples"] == 160
    other = "0x" + "00" * 32
    for directory in ("p", "e"):
        assert "root 0x" in refused("data", "check", tmp_path / directory, "--root", other)
        assert "root 0x" in refused("train", "--dataset", tmp_path / directory, "--root", other)
    content = bytearray((tmp_path / "e" / "training.bin").read_bytes())
    content[-1] ^= 1
    (tmp_path / "e" / "training.bin").write_bytes(content)
    assert "group 19 does not match the root" in refused("data", "check", tmp_path / "e")


@pytest.mark.parametrize("version", ["binary", "python"])
def test_colour_images_train_pack_and_evaluate(version: str, tmp_path: Path) -> None:
    path = write_archive(tmp_path / "small.tar.gz", FOLDER[version], files(version, (20, 20, 20, 20, 20, 10)))
    taken = ("--dataset", "cifar-10", "--data", path, "--unofficial")
    report = good("train", *taken, "--preset", "mlp", "--hidden", "32", "--out", tmp_path / "m.bin")
    assert report["widths"] == [3072, 32, 10]
    assert good("evaluate", tmp_path / "m.bin", *taken)["samples"] == 10
    pack = ("data", "pack", *taken, "--group-size", "8", "--out")
    package = good(*pack, tmp_path / "p", "--bits", "8")
    assert (package["sample_bytes"], package["groups"], package["left_out"]) == (3072, 13, 6)
    assert good("evaluate", tmp_path / "m.bin", "--dataset", tmp_path / "p")["samples"] == 104
    assert good(*pack, tmp_path / "q", "--pooled")["sample_bytes"] == 768 // 2
    report = good("train", "--dataset", tmp_path / "q", *QUICK)
    assert report["widths"] == [768, 8, 10]


def test_files_that_are_not_the_official_ones_are_said_to_be(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "small.tar.gz", FOLDER["binary"], files("binary"))
    pack = ("data", "pack", "--dataset", "cifar-10", "--group-size", "8", "--out", tmp_path / "p", "--data")
    assert "small.tar.gz has MD5 " in refused(*pack, path)
    result = run(*pack, path, "--unofficial")
    assert result.exit_code == 0
    assert result.stderr.startswith(f"note: {path}: not the official archive (its MD5 is ")
    assert "note" not in result.stdout
    folder = write_folder(tmp_path / "folder", files("binary"))
    assert "data_batch_1.bin has 3 images, an official batch has 10000" in refused(
        *pack[:-2], tmp_path / "q", "--data", folder
    )
    assert "--unofficial is for cifar-10 only" in refused("train", "--unofficial")


def test_lists_datasets_and_presets() -> None:
    report = good("data", "list")
    assert {entry["dataset"] for entry in report["datasets"]} == {"digits", "fashion-mnist", "cifar-10"}
    assert "fashion-196-64" in {entry["preset"] for entry in report["presets"]}
    shown = run("data", "list")
    assert "digits-64-32" in shown.stdout
    assert "your.csv" in shown.stdout


def test_the_next_step_names_where_the_data_is(table: Path, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "c", files("binary", (4, 4, 4, 4, 4, 4)))
    shown = run(
        "train", "--dataset", "cifar-10", "--data", path, "--unofficial", "--hidden", 0, "--out", tmp_path / "m"
    )
    assert shown.stdout.endswith(f"evaluate {tmp_path}/m --dataset cifar-10 --data {path} --unofficial\n")
    shown = run("train", "--dataset", table, *QUICK, "--label", "way", "--out", tmp_path / "m.bin")
    assert shown.stdout.endswith(f"evaluate {tmp_path}/m.bin --dataset {table} --label way\n")


def test_people_read_tables(table: Path, tmp_path: Path) -> None:
    shown = run("train", "--dataset", table, *QUICK, "--out", tmp_path / "m.bin")
    assert shown.exit_code == 0
    assert "test accuracy (integer)" in shown.stdout
    assert "4-8-2, 48 multiply-adds" in shown.stdout
    assert "Next: trainer evaluate" in shown.stdout
    packed = run("data", "pack", "--dataset", table, "--out", tmp_path / "p")
    assert packed.exit_code == 0
    assert "root" in packed.stdout
    assert "private" in packed.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("train", "--dataset", "mnist"), "mnist is no dataset: use digits"),
        (("train", "--dataset", "absent.csv"), "absent.csv: no such file"),
        (("train", "--dataset", "fashion-mnist", "--data", "absent"), "absent: no such directory"),
        (("train", "--dataset", "cifar-10"), "build/datasets/cifar-10: no such file or directory; get cifar-10-binary"),
        (("train", "--dataset", "cifar-10", "--data", "."), ".: neither an archive nor a batch of CIFAR-10 is there"),
        (("train", "--preset", "none"), "no preset 'none'; use one of"),
        (("train", "--preset", "fashion-196-64"), "preset fashion-196-64 is for fashion-mnist, not for digits"),
        (("train", "--bits", "3"), "3 bits; use one of (1, 2, 4, 8)"),
        (("train", "--validation", "0.9"), "validation part 0.9; use 0 to 0.5"),
        (("train", "--out", "absent/model.bin"), "absent: no such directory; create it"),
        (("train", "--label", "way"), "a label column is for .csv files only"),
        (("train", "--root", "0x" + "00" * 32), "digits has no root"),
        (("evaluate", "absent.bin"), "absent.bin: no such file; `trainer train --out` writes models"),
        (("data", "pack", "--dataset", "digits", "--out", "p", "--bits", "5"), "5 bits a feature"),
        (("data", "pack", "--dataset", "digits", "--out", "p", "--group-size", "33"), "33 samples a group"),
        (("data", "pack", "--dataset", "digits", "--out", "p", "--groups", "57"), "57 groups of 32; 1797 rows fill 56"),
        (("data", "check", "absent"), "absent: no package there (no manifest.json)"),
        (("train", "--dataset", "."), ".: a directory without a package (no manifest.json)"),
        (("train", "--out", "."), ". is a directory; name a file, such as model.bin"),
        (("train", "--out", "/dev/null"), "/dev/null is no regular file"),
        (("evaluate", "."), ".: a directory; `trainer train --out` writes models"),
        (("data", "pack", "--dataset", "digits", "--out", "."), ". exists; remove it or choose another"),
        (
            ("data", "pack", "--dataset", "digits", "--out", "/dev/null/p"),
            "/dev/null is a file, so there is no directory",
        ),
        (("demo", "--out", "/dev/null/p"), "/dev/null is a file, so there is no directory /dev/null/p"),
    ],
)
def test_what_is_wrong_with_the_data_is_one_line_and_exit_1(
    arguments: tuple[str, ...], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert reason in refused(*arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--hidden", "a"),
        ("train", "--hidden", "0,4"),
        ("train", "--hidden", "5000"),
        ("train", "--hidden", "1,1,1,1,1,1,1"),
        ("train", "--seeds", "0"),
        ("train", "--seed", "-1"),
        ("train", "--seed", "99999999999999999999"),
        ("train", "--seed", "4294967295", "--seeds", "2"),
        ("data", "pack", "--dataset", "digits", "--out", "p", "--seed", "4294967296"),
        ("demo", "--seed", "4294967296"),
        ("train", "--root", "0x12"),
        ("train", "--no-such-option"),
        ("no-such-command",),
        ("evaluate",),
        ("data", "pack"),
    ],
)
def test_what_is_wrong_with_the_command_is_exit_2(arguments: tuple[str, ...]) -> None:
    assert "Usage" in refused(*arguments, code=2)


def test_a_model_of_other_bytes_is_refused(model: Path, tmp_path: Path) -> None:
    for content in (b"no model at all, whatever its name says", model.read_bytes()[:-1]):
        (tmp_path / "m.bin").write_bytes(content)
        message = refused("evaluate", tmp_path / "m.bin")
        assert f"{tmp_path}/m.bin is no model: " in message
        assert "`trainer train --out` writes models" in message


def test_a_model_of_another_width_is_refused(model: Path) -> None:
    message = refused("evaluate", model)
    assert f"{model} takes 4 inputs of 4 bits, digits has 64 of 4; train one with --dataset digits" in message


def test_only_packages_have_a_root(model: Path) -> None:
    assert "digits has no root" in refused("evaluate", model, "--root", "0x" + "00" * 32)


def test_the_help_says_what_a_demonstration_fetches() -> None:
    assert "Fashion-MNIST if it can be had (it is fetched, 31 MB), else digits" in " ".join(
        run("demo", "--help").stdout.replace("│", " ").split()
    )


def test_a_model_of_other_bits_is_refused(table: Path, model: Path, tmp_path: Path) -> None:
    good("data", "pack", "--dataset", table, "--out", tmp_path / "p", "--group-size", 8, "--bits", 8)
    message = refused("evaluate", model, "--dataset", tmp_path / "p")
    assert f"{tmp_path}/p has 3 of 8; pack with --bits 4, or train one with --dataset {tmp_path}/p" in message


def test_a_model_of_too_few_outputs_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "three.csv").write_text("a,b,c,y\n" + "".join(f"{i},{i * i},1,{i % 3}\n" for i in range(9)))
    message = refused("evaluate", model, "--dataset", tmp_path / "three.csv")
    assert f"{model} has 2 outputs, {tmp_path}/three.csv has 3 classes; train one with" in message


def test_evaluation_says_on_which_rows(table: Path, model: Path, tmp_path: Path) -> None:
    report = good("evaluate", model, "--dataset", table)
    assert (report["dataset"], report["rows"]) == (str(table), "test rows")
    packed = tmp_path / "p"
    good("data", "pack", "--dataset", table, "--out", packed, "--group-size", 8)
    Package.load(packed).export_training(tmp_path / "e", {1})
    report = good("evaluate", model, "--dataset", packed)
    assert (report["dataset"], report["rows"]) == (str(packed), "all of the package, training rows included")
    shown = run("evaluate", model, "--dataset", tmp_path / "e").stdout
    assert "rows      training rows of the challenge\n" in shown


def test_a_package_is_not_packed_again(table: Path, tmp_path: Path) -> None:
    good("data", "pack", "--dataset", table, "--out", tmp_path / "p")
    message = refused("data", "pack", "--dataset", tmp_path / "p", "--out", tmp_path / "q")
    assert "p is a package already; pack the data set that it was made from" in message
    assert not (tmp_path / "q").exists()


def test_the_largest_seed_trains(table: Path) -> None:
    report = good("train", "--dataset", table, *QUICK, "--seed", 2**32 - 1)
    assert report["dataset"] == str(table)
    assert report["runs"][0]["seed"] == 2**32 - 1


def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    for arguments in (
        ("train", "--dataset", "absent.csv", "--out", tmp_path / "m.bin"),
        ("data", "pack", "--dataset", "absent.csv", "--out", tmp_path / "new" / "p"),
        ("demo", "--out", tmp_path / "new"),
    ):
        assert f"{tmp_path}: not writable; choose another place" in refused(*arguments)


@pytest.mark.parametrize(
    ("hidden", "reason"),
    [
        ("64,x", "'x' in '64,x' is no width"),
        ("0,4", "'0' in '0,4' is no width"),
        ("8,5000", "'5000' in '8,5000' is no width"),
        ("9" * 5000, "is no width"),
        ("1,1,1,1,1,1,1", "7 widths in '1,1,1,1,1,1,1'; use at most 6"),
    ],
)
def test_a_wrong_width_is_named(hidden: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20000")
    message = refused("train", "--hidden", hidden, code=2)
    assert reason in message
    assert "widths" in reason or "0 alone for no hidden layer" in message


def test_a_jax_that_computes_wrongly_is_noticed(table: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer import integer_jax

    monkeypatch.setattr(integer_jax, "predict", lambda network, x: 1 - integer.predict(network, x))
    assert "this JAX computes wrongly" in refused("evaluate", model, "--dataset", table)


def test_a_failed_write_leaves_the_old_model(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.bin"
    path.write_bytes(b"old")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "replace", full)
    message = refused("train", "--dataset", table, *QUICK, "--out", path)
    assert f"{path}: cannot be written (No space left on device)" in message
    assert ".assay" not in message
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
