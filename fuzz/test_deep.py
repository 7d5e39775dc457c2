"""The long run tells what it could not do: a process that died, a database with nothing in it."""

import os
import sys
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase

from fuzz import deep


def die(seed: int, until: float, report: Any) -> None:
    """A process that ends without a word."""
    os._exit(3)


def test_a_process_that_dies_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep, "work", die)
    total, (row,) = deep.run(1, [7])
    replay, text = row["failure"]
    assert "--seed 7" in replay
    assert text == "the process of seed 7 died with exit code 3"
    assert total.market_calls == 0


def test_an_empty_database_is_nothing_to_replay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(deep, "TURN", settings(deep.TURN, database=DirectoryBasedExampleDatabase(tmp_path)))
    monkeypatch.setattr(sys, "argv", ["deep", "--stored"])
    monkeypatch.setitem(os.environ, deep.CHOICE, deep.Revm.name)
    try:
        assert deep.main() == 1
    except SkipTest:
        pytest.fail("hypothesis skips, and a traceback is what there is to see")
    assert "nothing to replay" in capsys.readouterr().out
