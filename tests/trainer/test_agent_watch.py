"""What a watcher does for a challenge, and for which it needs to be asked."""

from tests.agent_terms import ENDS, ME, OTHER, challenge, seal
from trainer.agent.watch import Duty, duty
from trainer.index import Challenge
from trainer.protocol import Outcome, Phase


def chosen(
    found: Challenge, now: int = ENDS - 60, *, false: int | None = None, keep_house: bool = False, dear: bool = False
) -> Duty:
    clock = found.clock(now, 100)
    return duty(found, clock, head=100, me=ME, false=false, keep_house=keep_house, dear=dear, now=now)


def test_it_checks_then_proves_and_leaves_the_honest_alone() -> None:
    found = challenge(Phase.AUDIT, seals=(seal(0, OTHER, claim=60),), clock={"candidate": 1, "unaudited": 64})
    assert chosen(found) == Duty.CHECK
    assert chosen(found, false=3) == Duty.PROVE
    assert chosen(found, false=3, dear=True) == Duty.NOTHING
    assert chosen(found, dear=True) == Duty.CHECK
    assert chosen(found, false=0) == Duty.NOTHING
    own = challenge(Phase.AUDIT, seals=(seal(0, claim=60),), clock={"candidate": 1, "unaudited": 64})
    assert chosen(own, false=3) == Duty.NOTHING


def test_it_keeps_house_only_where_it_is_asked_to() -> None:
    seals = (seal(0, OTHER, claim=60), seal(1, OTHER, claim=62))
    for found, wanted in (
        (challenge(Phase.DRAW), Duty.DRAW),
        (challenge(Phase.NOMINATE, seals=seals), Duty.NOMINATE),
        (challenge(Phase.SETTLE, clock={"outcome": Outcome.WON}), Duty.SETTLE),
    ):
        assert chosen(found) == Duty.NOTHING
        assert chosen(found, keep_house=True) == wanted
    assert chosen(challenge(Phase.NOMINATE, seals=seals, clock={"leader": 2}), keep_house=True) == Duty.NOTHING
    assert chosen(challenge(Phase.CLAIM, seals=seals), keep_house=True) == Duty.NOTHING


def test_it_nominates_nobody_who_fell_by_time_alone() -> None:
    seals = (seal(0, OTHER, claim=60), seal(1, OTHER, claim=62))
    found = challenge(Phase.UNSEAL, seals=seals, clock={"candidate": 2})
    (first, second) = (found.best_claim(ENDS + 1), found.best_claim(ENDS - 1))
    assert first is not None
    assert second is not None
    assert (first.index, second.index) == (0, 1)
    assert chosen(found, ENDS + 1, keep_house=True) == Duty.NOMINATE
    alone = challenge(Phase.UNSEAL, seals=seals[1:], clock={"candidate": 2})
    alone.seals[0].index = 1
    assert alone.best_claim(ENDS + 1) is None
