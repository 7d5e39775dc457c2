"""The command line: what it prints, what it writes, and one line instead of a traceback for every mistake."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

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


def test_lists_datasets_and_presets() -> None:
    report = good("data", "list")
    assert {entry["dataset"] for entry in report["datasets"]} == {"digits", "fashion-mnist"}
    assert "fashion-196-64" in {entry["preset"] for entry in report["presets"]}
    shown = run("data", "list")
    assert "digits-64-32" in shown.stdout
    assert "your.csv" in shown.stdout


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
        (("train", "--dataset", "absent.csv"), "absent.csv: cannot be read"),
        (("train", "--dataset", "fashion-mnist", "--data", "absent"), "absent: no such directory"),
        (("train", "--preset", "none"), "no preset 'none'; use one of"),
        (("train", "--preset", "fashion-196-64"), "preset fashion-196-64 is for fashion-mnist, not for digits"),
        (("train", "--bits", "3"), "3 bits; use one of (1, 2, 4, 8)"),
        (("train", "--validation", "0.9"), "validation part 0.9; use 0 to 0.5"),
        (("train", "--out", "absent/model.bin"), "absent: no such directory for the model"),
        (("train", "--label", "way"), "a label column is for .csv files only"),
        (("train", "--root", "0x" + "00" * 32), "digits has no root"),
        (("evaluate", "absent.bin"), "absent.bin: No such file or directory"),
        (("data", "pack", "--dataset", "digits", "--out", "p", "--bits", "5"), "5 bits a feature"),
        (("data", "pack", "--dataset", "digits", "--out", "p", "--group-size", "33"), "33 samples a group"),
        (("data", "pack", "--dataset", "digits", "--out", "p", "--groups", "57"), "57 groups of 32; 1797 rows fill 56"),
        (("data", "check", "absent"), "manifest.json: cannot be read"),
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
    (tmp_path / "m.bin").write_bytes(b"no model at all, whatever its name says")
    assert "error: " in refused("evaluate", tmp_path / "m.bin")
    (tmp_path / "m.bin").write_bytes(model.read_bytes()[:-1])
    assert "error: " in refused("evaluate", tmp_path / "m.bin")


def test_a_model_of_another_width_is_refused(model: Path) -> None:
    assert "the model takes 4 inputs; digits has 64 or 16 at 4 bits" in refused("evaluate", model)


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
    assert "No space left on device" in refused("train", "--dataset", table, *QUICK, "--out", path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
