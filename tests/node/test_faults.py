"""Whatever the node does in any phase, an agent ends where it would have ended: the same winner, the same sums."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.node import town
from tests.node.anvil import Anvil
from tests.node.command import REMEDY, binary
from tests.node.models import linear
from tests.node.town import Host, Place
from trainer.agent.account import Agent
from trainer.errors import NodeError
from trainer.node.outbox import GWEI, OPEN
from trainer.protocol import ETHER, Outcome, Phase
from trainer.roles.desk import Desk

pytestmark = pytest.mark.long_node
ADA = 2
ROUNDS = 60
Fault = Callable[[], None]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A node of its own with a market; skips where anvil is not installed."""
    if binary() is None:
        pytest.skip(REMEDY)
    (tmp_path / "anvil").mkdir()
    with Anvil(tmp_path / "anvil") as anvil:
        yield Place(anvil, tmp_path)


class Story:
    """One agent, one challenge, and a fault before each thing that the agent does."""

    def __init__(self, place: Place, tmp_path: Path) -> None:
        self.place, self.anvil = place, place.anvil
        self.host = Host.post(place, tmp_path / "poster")
        # what a fault undoes is not the draw
        self.anvil.mine(8)
        self.desk: Desk = place.desk(ADA, tmp_path / "ada")
        town.give(self.desk, self.host, linear(place.package))
        self.told: list[str] = []
        self.agent: Agent = town.agent(self.desk, self.host, self.told)
        self.faults: list[Phase] = []
        self.before, self.first = town.balance(self.anvil, self.desk.me), self.anvil.block().number + 1

    def play(self, before: Fault, after: Fault = lambda: None) -> None:
        """To the end, with a fault before and after the agent's turn in every phase in which it acts."""
        for _ in range(ROUNDS):
            phase = self.host.phase
            if phase not in self.faults:
                self.faults.append(phase)
                before()
                self.agent.run(once=True)
                after()
            self.agent.run(once=True)
            if self._over():
                return
            self.hand()
        raise AssertionError("\n".join(self.told))

    def _over(self) -> bool:
        closed = self.host.found.stored.phase == Phase.CLOSED
        self.desk.index.sync()
        return closed and not self.desk.index.credits(ETHER).get(self.desk.me)

    def hand(self) -> None:
        """Everybody else: the clock and the poster, who looks after what was undone."""
        outbox = self.host.desk.chain.outbox
        assert outbox is not None
        for _ in range(200):
            outbox.tend()
            if all(record.state != OPEN for record in outbox.records()):
                break
        found, phase = self.host.found, self.host.phase
        if phase == Phase.COMMIT and found.seals:
            self.host.reveal()
        elif phase == Phase.REVEAL:
            self.host.reveal_rest()
        elif phase == Phase.CLAIM and found.seals and found.seals[0].claim:
            self.host.end(Phase.CLAIM)

    def check(self) -> None:
        """Won and paid, each thing once, every wei accounted for."""
        self.host.take_out()
        found, text = self.host.found, "\n".join(self.told)
        fee = found.terms.seal_fee
        assert (found.stored.outcome, found.winner) == (Outcome.WON, self.desk.me), text
        names = [event.name for event in self.desk.index.events(self.host.challenge)]
        assert [names.count(name) for name in ("Committed", "Claimed", "Unsealed", "Settled")] == [1] * 4, text
        assert town.books(self.host.desk) == {"escrowed": 0, "credited": 0, "burned": fee, "held": fee}
        assert town.earned(self.anvil, self.desk.me, self.before, self.first) == found.terms.reward - fee
        assert {Phase.COMMIT, Phase.CLAIM, Phase.UNSEAL} <= set(self.faults)


def test_a_node_that_is_killed_and_restarted_in_every_phase(place: Place, tmp_path: Path) -> None:
    story = Story(place, tmp_path)
    rest = story.agent.rest

    def kill() -> None:
        place.anvil.save()
        place.anvil.kill()

        def restart(seconds: float) -> None:
            # the agent waits for a node: now there is one
            place.anvil.start()
            story.agent.rest = rest  # type: ignore[method-assign]

        story.agent.rest = restart  # type: ignore[method-assign]

    story.play(kill)

    story.check()
    assert sum("outage" in text for text in story.told) == len(story.faults), story.told


@pytest.mark.parametrize("depth", range(1, 6))
def test_a_reorganisation_in_every_phase(place: Place, tmp_path: Path, depth: int) -> None:
    story = Story(place, tmp_path)

    def undo() -> None:
        place.anvil.reorganise(depth)

    story.play(lambda: None, undo)

    story.check()


def test_a_gas_spike_in_every_phase(place: Place, tmp_path: Path) -> None:
    story = Story(place, tmp_path)

    def spike() -> None:
        place.anvil.set_base_fee(150 * GWEI)
        place.anvil.mine()

    def calm() -> None:
        place.anvil.set_base_fee(GWEI)
        place.anvil.mine()

    story.play(spike, calm)

    story.check()
    assert any("gwei" in text for text in story.told), story.told


def test_dropped_transactions_in_every_phase(place: Place, tmp_path: Path) -> None:
    story, dropped = Story(place, tmp_path), []

    def drop() -> None:
        outbox, wait = story.desk.chain.outbox, story.desk.chain.wait
        assert outbox is not None
        place.anvil.automine(False)
        story.desk.chain.wait = 0.2
        with suppress(NodeError):
            # what it works out before sends nothing
            while story.agent.turn().acted:
                pass
        for record in outbox.records():
            if record.state == OPEN:
                digest = "0x" + outbox._attempts(record)[-1][0].hex()
                with suppress(LookupError):
                    place.anvil.drop(digest)
                    dropped.append(record.key.partition("/")[2].partition("/")[0])
        place.anvil.automine(True)
        story.desk.chain.wait = wait

    story.play(drop)

    story.check()
    assert {"commit", "claim", "unseal"} <= set(dropped)
