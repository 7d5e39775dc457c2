"""What the index makes of the logs is what the market's views say: at every step of random lives, and at every moment.

The index is synchronised after every call, while the block still grows: so the last block is replaced again and again.
"""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from eth_hash.auto import keccak

from fuzz.driver import flat
from fuzz.lives import Lives
from fuzz.model import Refused
from fuzz.walks import play
from tests.recorded import Recorder, recorded
from trainer.errors import ChainError
from trainer.index import FOREVER, Challenge, Clock, Index
from trainer.protocol import ETHER, SEED_REACH, Outcome, Phase

SEEN: set[tuple[Phase, Outcome]] = set()
"""Phases and outcomes in which clocks were compared."""


class Watched(Lives):
    """A game whose market is compared with an index after every step."""

    index: Index
    backend: Recorder

    def call(self, name: str, *args: Any, sender: str, value: int = 0, gas: int | None = None) -> Any:
        answer = super().call(name, *args, sender=sender, value=value, gas=gas)
        if not isinstance(answer, Refused):
            self.index.sync()
            if name == "withdraw":
                self.compare_money()
            else:
                self.compare(int(answer) if name == "post" else args[0])
                self.compare_money()
        return answer

    def mine(self, blocks: int = 1, seconds: int | None = None) -> None:
        super().mine(blocks, seconds)
        for life in self.index.challenges():
            self.compare_clock(life, self.model.now, self.model.block)

    def compare_clock(self, life: Challenge, now: int, block: int) -> Clock:
        """One moment."""
        out = self.backend.view_at(self.market, self.table.market.call("clock_of", (life.id,)), block, now)
        assert out is not None
        clock = life.clock(now, block)
        assert flat(tuple(clock)) == [int.from_bytes(out[i : i + 32]) for i in range(0, len(out), 32)]
        SEEN.add((clock.phase, clock.outcome))
        return clock

    def compare_clocks(self, life: Challenge) -> None:
        """Now, and before, at and after every deadline that time alone leads to; and the blocks that matter."""
        now, block = self.model.now, self.model.block
        clock = self.compare_clock(life, now, block)
        while clock.ends != FOREVER:
            for moment in (clock.ends - 1, clock.ends + 1, clock.ends):
                next_one = self.compare_clock(life, moment, block)
            assert next_one != clock
            clock = next_one
        if life.stored.phase == Phase.DRAW:
            for number in (-1, 0, 1, SEED_REACH, SEED_REACH + 1):
                self.compare_clock(life, now, life.seed_block + number)

    def compare(self, id: int) -> None:
        """All that can be read of a challenge."""
        life = self.index.challenge(id)
        self.compare_clocks(life)
        assert self.read("terms_of", id) == flat(life.terms.as_tuple())
        words = (life.key, life.shown, life.model, life.predictions)
        assert self.read("challenge", id) == flat((life.poster, life.seed_block, *(word or 0 for word in words)))
        for seal in life.seals:
            left = life.terms.reward - seal.reward
            assert self.read("seals", id, seal.index) == flat(
                (seal.trainer, seal.hash, seal.claim or 0, seal.bond, left)
            )
            for slot in range(life.terms.holdout):
                assert self.read("executed", id, seal.index, slot) == [life.executed(seal.index).get(slot, 0)]
        assert not any(self.read("seals", id, len(life.seals)))
        claims = [(self.read("seals", id, index)[2], -index) for index in range(len(life.seals))]
        best, place = max(claims, default=(0, 0))
        found = life.best_claim(0)
        assert (None if found is None else found.index) == (-place if best else None)
        places = {seal.trainer.lower(): seal.index + 1 for seal in life.seals}
        for address in self.who.values():
            assert self.read("seal_of", id, address) == [places.get(address, 0)]
        shown = self.index.holdout(id)
        for slot in range(life.terms.holdout):
            group = (shown.labels[slot], keccak(shown.samples[slot])) if slot in shown.labels else (0, 0)
            assert self.read("holdout", id, slot) == flat(group)
        assert {slot: group.labels for slot, group in life.revealed.items()} == shown.labels
        if life.model is None:
            with pytest.raises(ChainError, match=f"challenge {id}: nobody has unsealed"):
                self.index.unsealed(id)
        else:
            candidate = self.index.unsealed(id)
            assert keccak(candidate.model) == life.model
            clock = life.clock(self.model.now, self.model.block)
            assert clock.phase != Phase.AUDIT or clock.candidate == candidate.seal + 1

    def compare_money(self) -> None:
        """Every credit, and the ledger's sums."""
        for token in self.tokens:
            credits = {owner.lower(): amount for owner, amount in self.index.credits(token).items()}
            assert sum(credits.values()) == self.read("credited", token)[0]
            for address in self.who.values():
                assert self.read("credit", token, address) == [credits.get(address, 0)]
            for column, amount in self.index.books(token).items():
                assert self.read(column, token) == [amount], column

    def compare_everything(self) -> None:
        """The list against each challenge alone; and no money that no challenge knows of."""
        lives = self.index.challenges()
        assert [life.id for life in lives] == list(range(self.read("challenges")[0]))
        paid = dict.fromkeys(self.tokens, 0)
        for life in lives:
            assert self.index.challenge(life.id) == life
            assert self.index.challenge(life.id).details == life.details
            self.compare(life.id)
            moved = {"Credited": 0, "Burned": 0}
            for event in self.index.events(life.id):
                if event.name in moved:
                    assert event.values["token"].lower() == life.terms.token.lower()
                    moved[event.name] += event.values["amount"]
            held = sum(seal.bond for seal in life.seals)
            taken = life.terms.reward + life.terms.poster_bond
            taken += len(life.seals) * (life.terms.trainer_bond + life.terms.seal_fee)
            if life.stored.phase == Phase.CLOSED:
                assert taken == held + sum(moved.values()), f"challenge {life.id} keeps something"
            paid[life.terms.token.lower()] += moved["Credited"]
        for token in self.tokens:
            assert paid[token] >= self.read("credited", token)[0]


def test_views_and_index_agree_on_random_lives(tmp_path: Path) -> None:
    # some in which every ending comes about
    for seed in (*range(6), 13, 14, 19):
        with recorded(Watched) as (game, recorder):
            assert isinstance(game, Watched)
            game.index = Index(tmp_path / f"index {seed}", recorder, game.market)
            play(game, Random(seed), steps=40)
            if seed == 0:
                game.crowd(Random(1))
            game.compare_everything()
            for id in (len(game.model.lives), -1, 2**256 - 1):
                with pytest.raises(ChainError, match="no challenge"):
                    game.index.challenge(id)
            game.index.close()
    # agreement on what was never reached proves nothing
    open_phases = {(phase, Outcome(0)) for phase in Phase if phase < Phase.SETTLE}
    # what is certain in SETTLE; cancelled is over at once
    ends = {(Phase.SETTLE, outcome) for outcome in Outcome if outcome != Outcome.CANCELLED}
    closed = {(Phase.CLOSED, outcome) for outcome in Outcome}
    assert open_phases | ends | closed == SEEN


def test_ether_is_one_token(tmp_path: Path) -> None:
    """However its address is written."""
    with recorded(Watched) as (game, recorder):
        assert isinstance(game, Watched)
        game.index = Index(tmp_path / "index", recorder, game.market)
        game.edge(Random(3))
        game.index.sync()
        assert game.index.books(ETHER) == game.index.books(ETHER.upper().replace("X", "x"))
