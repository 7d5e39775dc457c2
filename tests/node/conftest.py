"""Fixtures of the tests on a real node: a fresh one for each test, on a port of its own."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.node.anvil import Anvil
from tests.node.command import REMEDY, binary
from tests.node.people import Town


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    """Closes what the desks of a module opened: where each has a process of its own, that is left to its end."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*args: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **options))
        return opened[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", noted)
        yield
    for connection in opened:
        # a thread that ended has left what only it may close
        with suppress(sqlite3.ProgrammingError):
            connection.close()


@pytest.fixture
def anvil(tmp_path: Path) -> Iterator[Anvil]:
    """A running node; skips where anvil is not installed."""
    if binary() is None:
        pytest.skip(REMEDY)
    directory = tmp_path / "anvil"
    directory.mkdir()
    with Anvil(directory) as node:
        yield node


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town whose chain all tests of a file share, each with challenges of its own; skips where anvil is missing."""
    if binary() is None:
        pytest.skip(REMEDY)
    place = tmp_path_factory.mktemp("town")
    (place / "anvil").mkdir()
    with Anvil(place / "anvil") as node:
        made = Town(node, place)
        made.deploy()
        yield made
