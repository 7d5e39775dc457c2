"""The README's session is what a reader gets: each command is run and its output compared."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.tables import PAGES, filled
from tests.cifar_files import FOLDER, files, write_archive
from trainer import cifar
from trainer.cli import app
from trainer.presets import GENERIC, PRESETS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def session() -> list[tuple[str, str]]:
    """Commands of the README's console blocks, each with the output printed there."""
    steps: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", README, re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            steps.append((command, output))
    return steps


def shape(text: str) -> str:
    """The text without what differs between machines: numbers, digests, and the width they take."""
    text = re.sub(r"[0-9a-f]{64}", "#", text)
    text = re.sub(r"[0-9][0-9,.]*", "#", text)
    return re.sub(r"[ ━]+", " ", text)


def test_the_session_in_the_readme_prints_what_it_says(tmp_path: Path) -> None:
    steps = session()
    assert len(steps) >= 4
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    for command, expected in steps:
        words = command.split()
        assert words[0] == "trainer"
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        if words[1] == "data":
            assert done.stdout == expected
        else:
            assert shape(done.stdout) == shape(expected)


def test_the_commands_for_cifar_10_run_on_an_archive_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = re.findall(r"^trainer (.*--dataset cifar-10 .*)$", README, re.M)
    assert {command.split()[0] for command in commands} == {"data", "train"}
    path = write_archive(tmp_path / "cifar-10-binary.tar.gz", FOLDER["binary"], files("binary", (20,) * 6))
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cifar, "CHECKSUMS", {path.name: digest})
    monkeypatch.setattr(cifar, "BATCH_IMAGES", 20)
    for command in commands:
        done = CliRunner().invoke(app, command.split())
        assert done.exit_code == 0, done.output
        assert done.stderr == ""


@pytest.mark.parametrize("path", re.findall(r"^\| `(?!make )([^`]+)` \|", README, re.M))
def test_every_path_preset_and_command_of_the_readme_exists(path: str) -> None:
    if path.startswith("trainer "):
        assert CliRunner().invoke(app, [*path.split()[1:], "--help"]).exit_code == 0
    elif "-" in path and "/" not in path:
        assert path in PRESETS
    else:
        assert (ROOT / path).exists()


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.M))
    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_tables_are_those_of_the_benchmarks(page: Path) -> None:
    assert filled(page) == page.read_text(), "make bench-gas, or python -m bench.tables"


def test_the_presets_of_the_readme_promise_what_the_presets_do() -> None:
    rows = re.findall(
        r"^\| `([a-z]+(?:-\d+)+(?:-binary|-taught)?|fashion-(?:lenet(?:-taught)?|folded-[0-9-]+)|cifar-[a-z0-9-]+)` "
        r"\|.*\| ([^|]+) \| `([^`]+)` \|$",
        README,
        re.M,
    )
    assert [(name, PRESETS[name].expected, PRESETS[name].command) for name, *_ in rows] == rows
    assert {name for name, *_ in rows} == set(PRESETS) - {GENERIC}
