"""`trainer evaluate --engine evm`: the contract runs the groups asked for, and one other class anywhere is an error."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.strategies import random_network
from tests.trainer.test_cli import good, refused, run
from trainer import execute, integer, integer_jax
from trainer.encode import decode, encode
from trainer.errors import ChainError
from trainer.package import Package

GROUP_SIZE = 5


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package `p` of 16 inputs of 4 bits and 3 classes, an export `e` without groups 1 and 7, and a model."""
    folder = tmp_path_factory.mktemp("execute")
    rng = np.random.default_rng(0)
    np.savez(folder / "d.npz", x=rng.normal(size=(45, 16)), y=np.arange(45) % 3)
    good("data", "pack", "--dataset", folder / "d.npz", "--out", folder / "p", "--group-size", GROUP_SIZE, "--seed", 1)
    Package.load(folder / "p").export_training(folder / "e", {1, 7})
    network = random_network((16, 6, 3), activation_bits=4, weight_bits=4)
    (folder / "dense.bin").write_bytes(encode(network))
    return folder


@pytest.mark.parametrize(("package", "groups"), [("p", (0, 5, 7)), ("e", (8, 2)), ("p", (3,))])
def test_the_contract_runs_the_groups_asked_for(place: Path, package: str, groups: tuple[int, ...]) -> None:
    asked = ("--dataset", place / package, "--groups", ",".join(map(str, groups)))
    report = good("evaluate", place / "dense.bin", *asked, "--engine", "evm")
    kept = [Package.load(place / "p").group(index) for index in groups]
    network = decode((place / "dense.bin").read_bytes())
    right = [int((integer.predict(network, group.x) == group.y).sum()) for group in kept]
    assert [(entry["group"], entry["right"]) for entry in report["groups"]] == list(zip(groups, right, strict=True))
    assert report["right"] == sum(right)
    assert report["samples"] == sum(len(group.y) for group in kept)
    expected = integer.digest(integer.predict(network, np.concatenate([group.x for group in kept])))
    assert report["contract_digest"] == report["digest"] == expected
    assert report["execution_gas"] == sum(entry["execution_gas"] for entry in report["groups"])
    for entry in report["groups"]:
        assert 21_000 < entry["execution_gas"] + 21_000 < entry["transaction_gas"]
    assert 0 < report["gas_a_sample"] <= report["promised_gas_a_sample"]
    assert report["validate_gas"] > 0
    host = good("evaluate", place / "dense.bin", *asked)
    assert host == {name: report[name] for name in host}
    assert host["rows"] == f"group{'s' if len(groups) > 1 else ''} {', '.join(map(str, groups))}"


def test_without_groups_the_first_is_run(place: Path) -> None:
    report = good("evaluate", place / "dense.bin", "--dataset", place / "e", "--engine", "evm")
    assert [entry["group"] for entry in report["groups"]] == [0]
    assert (report["samples"], report["rows"]) == (GROUP_SIZE, "group 0")


def test_people_read_gas_and_agreement(place: Path) -> None:
    shown = run("evaluate", place / "dense.bin", "--dataset", place / "p", "--engine", "evm", "--groups", "2")
    assert shown.exit_code == 0
    assert "execution gas" in shown.stdout
    assert "The contract, NumPy and JAX predict the same class for every sample." in shown.stdout


def spoil(sample: int) -> Any:
    """A prediction that is wrong in one sample of each group."""

    def predict(network: integer.Network, samples: np.ndarray) -> np.ndarray:
        classes = true(network, samples)
        classes[sample] = (classes[sample] + 1) % 3
        return classes

    true = integer.predict
    return predict


@pytest.mark.parametrize(("module", "who"), [(integer, "NumPy"), (integer_jax, "JAX")])
def test_one_other_class_is_named(place: Path, module: Any, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = decode((place / "dense.bin").read_bytes())
    group = Package.load(place / "p").group(4)
    true = int(integer.predict(network, group.x)[3])
    monkeypatch.setattr(module, "predict", spoil(3))
    with pytest.raises(
        ChainError, match=rf"group 4, sample 3: the contract predicts class {true}.*{who} {(true + 1) % 3}"
    ):
        execute.execute(network, [group], classes=3)


def test_a_contract_that_errs_ends_the_command_with_1(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy and JAX agree with each other: only the contract's classes can tell."""
    network = decode((place / "dense.bin").read_bytes())
    last = network.layers[-1]
    other = encode(replace(network, layers=(network.layers[0], replace(last, bias=last.bias[::-1].copy()))))
    monkeypatch.setattr(execute.networks, "write", lambda network: other)
    message = refused("evaluate", place / "dense.bin", "--dataset", place / "p", "--engine", "evm", "--groups", "0,3")
    assert "the contract predicts class" in message


def test_a_model_that_the_contract_refuses_is_an_error(place: Path) -> None:
    network = decode((place / "dense.bin").read_bytes())
    with pytest.raises(ChainError, match=r"the contract refuses the model \(.*engine: .*classes"):
        execute.execute(network, [], classes=4)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--dataset", "digits", "--engine", "evm"), "digits has no groups; make them with trainer data pack"),
        (("--dataset", "digits", "--groups", "1"), "digits has no groups"),
        (("--dataset", "p", "--groups", "9"), "p has no group 9: it has groups 0 to 8; choose others with --groups"),
        (("--dataset", "e", "--groups", "0,7"), "e has no group 7: it is held out; choose others with --groups"),
    ],
)
def test_groups_that_are_not_there_are_refused(
    place: Path, arguments: tuple[str, ...], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    assert reason in refused("evaluate", "dense.bin", *arguments)


@pytest.mark.parametrize("text", ["", "a", "1,,2", "-1", "1,1", "²", "123456789"])
def test_what_names_no_groups_is_exit_2(place: Path, text: str) -> None:
    assert "--groups" in refused("evaluate", place / "dense.bin", "--dataset", place / "p", "--groups", text, code=2)
