"""An agent is killed at random moments of its life, and started again: nothing is lost, and nothing happens twice."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.node import killing
from tests.node.anvil import Anvil
from tests.node.command import REMEDY, binary
from tests.node.killing import Life, Server
from tests.node.models import linear
from tests.node.town import Host, Place

SEED = 20_250_615


class Lives:
    """Lives that all begin at one moment of one chain."""

    def __init__(self, place: Place, host: Host, server: Server, directory: Path) -> None:
        self._place, self._host, self._server, self._directory = place, host, server, directory
        self._network, self._number = linear(place.package), 0
        self.counts = self.play([]).counts

    def play(self, kills: list[killing.Kill]) -> Life:
        """A whole life with these kills, checked."""
        self._number += 1
        directory = self._directory / f"life-{self._number}"
        directory.mkdir()
        with self._place.anvil.undone():
            life = Life(self._place, replace(self._host), self._server, self._network, directory)
            life.play(kills)
            life.check()
        return life


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """One node, one challenge whose commits are open, and what steps a life without kills has."""
    if binary() is None:
        pytest.skip(REMEDY)
    directory = tmp_path_factory.mktemp("lives")
    (directory / "anvil").mkdir()
    with Anvil(directory / "anvil") as anvil, killing.server() as server:
        place = Place(anvil, directory)
        yield Lives(place, Host.post(place, directory / "poster"), server, directory)


def _play(lives: Lives, seed: int) -> Life:
    return lives.play(killing.kills(Random(seed), lives.counts))


def test_a_life_has_steps_of_every_kind(lives: Lives) -> None:
    assert set(lives.counts) == set(killing.KINDS)
    # commit, claim, unseal, audit, settle, withdraw; one is sent again where the node shows it nowhere for a moment
    assert lives.counts["send"] >= 6


@pytest.mark.parametrize("number", range(5))
def test_killed_at_random_it_wins_all_the_same(lives: Lives, number: int) -> None:
    _play(lives, SEED + number)


@pytest.mark.long_node
@pytest.mark.parametrize("after", [False, True], ids=["before", "answer lost"])
def test_killed_at_each_transaction_it_wins_all_the_same(lives: Lives, after: bool) -> None:
    for step in range(1, 7):
        life = lives.play([killing.Kill("send", step, after)])
        assert life.kills == 1


@pytest.mark.long_node
@pytest.mark.parametrize("ten", range(10))
def test_of_a_hundred_killed_at_random_all_win(lives: Lives, ten: int) -> None:
    kills = [_play(lives, SEED + 1_000 + 10 * ten + number).kills for number in range(10)]

    # `pytest -s` shows it
    print(f"all won; kills: {kills}")
    # how often it asks the node depends on the machine, so that a late step may never come
    assert sum(map(bool, kills)) >= 6
