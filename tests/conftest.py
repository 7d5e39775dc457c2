"""Fixtures of the market tests: one site for the session, a fresh world inside an anchor for each test."""

import signal
from collections.abc import Iterator

import pytest

from tests.world import Site, World, build_site


@pytest.fixture(scope="session")
def site() -> Site:
    return build_site()


@pytest.fixture
def world(site: Site) -> Iterator[World]:
    with site.chain.active(), site.chain.env.anchor():
        yield World(site)


@pytest.fixture
def hangups() -> Iterator[None]:
    """Has SIGHUP end processes, as it does in a terminal: under nohup it is ignored, by children, too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
