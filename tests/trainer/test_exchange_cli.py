"""`trainer data publish` and `trainer data fetch`: what they print, and one line for every mistake."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.mirrors import Kubo, Mirror
from trainer import split
from trainer.cli import app
from trainer.package import load_training

KEY = "0x" + "5a" * 32


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
    return result.stderr


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "ASSAY_IPFS_NODE", "ASSAY_IPFS_GATEWAY"):
        monkeypatch.delenv(name, raising=False)
    good(
        "data", "pack", "--dataset", "digits", "--out", tmp_path / "p", "--seed", 7, "--group-size", 16, "--groups", 20
    )
    return tmp_path / "p"


def publish(packed: Path, *more: object) -> dict[str, Any]:
    return good("data", "publish", packed, "--key", KEY, "--holdout", 4, *more)


def test_a_package_goes_from_poster_to_trainer_over_the_web(packed: Path) -> None:
    public, got = packed.parent / "public", packed.parent / "got"
    report = publish(packed, "--to", public)
    assert (report["groups"], report["held_out"], report["published"]) == (20, 4, str(public))
    assert report["bytes"] == sum(path.stat().st_size for path in (public / report["path"]).iterdir())
    root = report["root"]
    with Mirror(public) as mirror:
        fetched = good(
            "data", "fetch", "--root", root, "--from", mirror.url, "--out", got, "--key", KEY, "--holdout", 4
        )
    assert fetched == {
        "directory": str(got),
        "root": root,
        "groups": 20,
        "checked": 16,
        "held_out": 4,
        "samples": 256,
        "from_before": 0,
        "notes": [],
    }
    held = split.holdout(bytes.fromhex(KEY[2:]), 20, 4)
    assert load_training(got, bytes.fromhex(root[2:])).holdout == set(held)
    assert good("data", "check", got, "--root", root)["checked"] == 16


def test_people_read_what_to_do_next(packed: Path) -> None:
    public, got = packed.parent / "public", packed.parent / "got"
    shown = run("data", "publish", packed, "--key", KEY, "--holdout", 4, "--to", public)
    assert shown.exit_code == 0
    command = shown.stdout.splitlines()[-1].removeprefix("Next: trainer ").split()
    assert command[:2] == ["data", "fetch"]
    shown = run(*command[:-1], got)
    assert shown.exit_code == 0
    assert shown.stdout.endswith(f"Next: trainer train --dataset {got} --root {command[3]}\n")
    assert shown.stderr == ""


def test_what_is_wrong_with_a_mirror_is_a_note(packed: Path) -> None:
    public, bad = packed.parent / "public", packed.parent / "bad"
    root = publish(packed, "--to", public)["root"]
    publish(packed, "--to", bad)
    path = next(bad.iterdir()) / "training.bin"
    content, last = path.read_bytes(), max(set(range(20)) - set(split.holdout(bytes.fromhex(KEY[2:]), 20, 4)))
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    fetch = ("data", "fetch", "--root", root, "--out", packed.parent / "got", "--from")
    message = refused(*fetch, bad)
    assert message.startswith(
        f"error: 1 of 16 groups are missing: {bad}: group {last} does not match the root; the rest is in"
    )
    result = run(*fetch, bad, "--from", public)
    assert result.exit_code == 0
    assert result.stderr == f"note: {bad}: group {last} does not match the root\n"
    assert "from_before  15\n" in result.stdout


def test_a_node_of_ipfs_takes_and_gives(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Kubo() as kubo:
        report = publish(packed, "--to", "ipfs", "--ipfs-node", kubo.url)
        assert report["published"].startswith("ipfs://b")
        fetch = (
            "data",
            "fetch",
            "--root",
            report["root"],
            "--from",
            report["published"],
            "--out",
            packed.parent / "got",
        )
        assert "no way to IPFS; name a gateway with --ipfs-gateway" in refused(*fetch)
        monkeypatch.setenv("ASSAY_IPFS_NODE", kubo.url)
        assert good(*fetch)["checked"] == 16


def test_a_terminal_sees_a_bar_on_stderr_alone(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public, got = packed.parent / "public", packed.parent / "got"
    root = publish(packed, "--to", public)["root"]
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    shown = run("data", "fetch", "--root", root, "--from", public, "--out", got, "--json")
    assert json.loads(shown.stdout)["checked"] == 16
    assert "groups" in shown.stderr
    assert "16/16" in shown.stderr
    assert public.name in shown.stderr


def test_mistakes_are_one_line(packed: Path) -> None:
    public, got = packed.parent / "public", packed.parent / "got"
    root = publish(packed, "--to", public)["root"]
    post = ("data", "publish", packed, "--key", KEY, "--to", packed.parent / "other", "--holdout")
    assert "--holdout 20 of 20 groups; use the number that was posted" in refused(*post, 20)
    assert "was published with other held-out groups" in refused(*post, 5)
    assert not (packed.parent / "other").exists()
    assert "no package there" in refused("data", "publish", got, "--key", KEY, "--holdout", 4, "--to", public)
    assert "no IPFS node; name its API" in refused(
        "data", "publish", packed, "--key", KEY, "--holdout", 4, "--to", "ipfs"
    )
    fetch = ("data", "fetch", "--root", root, "--from", public, "--out")
    assert "exists; remove it" in refused(*fetch, public)
    wrong = (*fetch, got, "--key", "0x" + "5b" * 32, "--holdout")
    assert f"nothing could be fetched: {public}: lists other held-out groups than the draw" in refused(*wrong, 4)
    assert f"{public}: --holdout 20 of 20 groups" in refused(*wrong, 20)
    assert "ftp://x: no source" in refused("data", "fetch", "--root", root, "--from", "ftp://x", "--out", got)
    assert not got.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("publish", "p", "--key", "0x12", "--holdout", "4", "--to", "x"),
        ("publish", "p", "--holdout", "4", "--to", "x"),
        ("publish", "p", "--key", KEY, "--to", "x"),
        ("publish", "p", "--key", KEY, "--holdout", "0", "--to", "x"),
        ("publish", "p", "--key", KEY, "--holdout", "4"),
        ("fetch", "--root", KEY),
        ("fetch", "--root", KEY, "--from", "x"),
        ("fetch", "--root", KEY, "--out", "x"),
        ("fetch", "--root", "0x12", "--from", "x", "--out", "y"),
        ("fetch", "--root", KEY, "--from", "x", "--out", "y", "--key", KEY),
        ("fetch", "--root", KEY, "--from", "x", "--out", "y", "--holdout", "4"),
        ("fetch", "--root", KEY, "--from", "x", "--out", "y", "--timeout", "0"),
        ("fetch", "--from", "x"),
        ("fetch", "--out", "x"),
        ("fetch", "--key", KEY),
        ("fetch", "--holdout", "4"),
    ],
)
def test_what_is_wrong_with_the_command_is_exit_2(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "Usage" in refused("data", *arguments, code=2)
    assert list(tmp_path.iterdir()) == []
