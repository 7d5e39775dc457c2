"""Fixtures of the tests on a real node: a fresh one for each test, on a port of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.anvil import Anvil
from tests.node.command import REMEDY, binary


@pytest.fixture
def anvil(tmp_path: Path) -> Iterator[Anvil]:
    """A running node; skips where anvil is not installed."""
    if binary() is None:
        pytest.skip(REMEDY)
    directory = tmp_path / "anvil"
    directory.mkdir()
    with Anvil(directory) as node:
        yield node
