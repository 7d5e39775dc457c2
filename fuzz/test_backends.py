"""The two backends are one: the same calls, the same storage, and a failure of one is a failure of the other."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import Phase, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.stateful import run_state_machine_as_test

from fuzz import driver
from fuzz.backends import CHOICE, Boa, Revm
from fuzz.driver import backend, table
from fuzz.ladder import MarketMachine
from fuzz.lives import played
from fuzz.walks import play
from tests.world import HOUR

BOTH = Boa.name, Revm.name


@pytest.mark.parametrize("seed", [0, 1, 4])
def test_a_walk_is_the_same_calls_and_leaves_the_same_storage(seed: int) -> None:
    notes: dict[str, list[str]] = {name: [] for name in BOTH}
    words = {}
    for name in BOTH:
        with played(notes[name].append, name) as game:
            play(game, Random(seed), steps=30)
            stored = backend(name).words(game.market)
            words[name] = {stored[i : i + 32] for i in range(0, len(stored), 32)} - {bytes(32)}
    assert notes[Boa.name] == notes[Revm.name]
    assert words[Boa.name] == words[Revm.name]
    assert len(words[Boa.name]) > 50


def test_mocks_misbehave_alike() -> None:
    notes: dict[str, list[str]] = {name: [] for name in BOTH}
    for name in BOTH:
        with played(notes[name].append, name) as game:
            game.broken_tokens(Random(3))
            game.leave()
    assert notes[Boa.name] == notes[Revm.name]


@pytest.fixture
def planted() -> Iterator[None]:
    """The market with a bug in its bytecode: the shortest window it takes is a second longer than it should be."""
    site = table().site
    market, env = site.market.address, site.chain.env
    sound = bytes(env.get_code(market))
    # the last word of the code is the immutable MIN_WINDOW
    assert sound.endswith(HOUR.to_bytes(32))
    env.set_code(market, sound[:-32] + (HOUR + 1).to_bytes(32))
    driver.deployed.cache_clear()
    yield
    env.set_code(market, sound)
    driver.deployed.cache_clear()


@pytest.mark.usefixtures("planted")
def test_a_failure_found_on_revm_is_replayed_on_titanoboa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the database alone: the second run may look for nothing new."""
    common = settings.get_profile("quick")
    database = DirectoryBasedExampleDatabase(tmp_path)
    found = {}
    for name, phase in ((Revm.name, Phase.generate), (Boa.name, Phase.reuse)):
        monkeypatch.setenv(CHOICE, name)
        with pytest.raises(AssertionError, match="window too short'") as failure:
            run_state_machine_as_test(
                MarketMachine, settings=settings(common, derandomize=False, database=database, phases=[phase])
            )
        found[name] = str(failure.value).partition("\n")[0]
    assert found[Revm.name] == found[Boa.name]
