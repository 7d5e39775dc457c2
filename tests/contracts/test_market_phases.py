"""One phase at every instant, and every call only in its own."""

from collections.abc import Callable

import pytest

from tests.unchanged import refused
from tests.world import EVERY_SAMPLE, HOUR, World, audit_args, quality
from trainer.protocol import SEED_DELAY, SEED_REACH, Outcome, Phase


def calls(world: World, challenge: int) -> dict[str, Callable[[], object]]:
    """Every call that belongs to phases, from somebody who could make it in time."""
    ada, _ben, cleo, _ = world.trainers
    market = world.market
    group, words = world.groups[0], [bytes(32)] * 2
    proof = world.tree.proof(0)
    model, salt = quality(1), b"\x05" * 32
    return {
        "cancel": lambda: market.cancel(challenge, sender=world.poster),
        "draw": lambda: market.draw(challenge, sender=world.stranger),
        "commit": lambda: world.commit(challenge, cleo, model),
        "reveal": lambda: market.reveal(
            challenge, 0, group.salt, group.labels, proof, group.samples, sender=world.poster
        ),
        "claim": lambda: market.claim(challenge, 3, sender=ada),
        "unseal": lambda: market.unseal(challenge, salt, words, model, sender=ada),
        "audit": lambda: market.audit(
            *audit_args(challenge, 0, EVERY_SAMPLE, words, model, group.samples), sender=world.auditor
        ),
        "nominate": lambda: market.nominate(challenge, 0, sender=world.stranger),
        "settle": lambda: market.settle(challenge, sender=world.stranger),
    }


OPEN_IN = {
    Phase.POSTED: {"cancel"},
    Phase.DRAW: {"draw"},
    Phase.COMMIT: {"commit"},
    Phase.REVEAL: {"reveal"},
    Phase.CLAIM: {"claim"},
    Phase.UNSEAL: {"unseal"},
    Phase.AUDIT: {"audit"},
    Phase.NOMINATE: {"nominate"},
    Phase.SETTLE: {"settle"},
    Phase.CLOSED: set(),
}


@pytest.mark.parametrize("phase", list(Phase), ids=lambda phase: phase.name)
def test_calls_out_of_their_phase_are_refused(world: World, phase: Phase) -> None:
    challenge = world.to_phase(phase)
    for name, call in calls(world, challenge).items():
        if name not in OPEN_IN[phase]:
            with refused(world, "market: wrong phase"):
                call()


def test_calls_to_unknown_challenges_are_refused(world: World) -> None:
    world.post()
    ada = world.trainers[0]
    for unknown in (1, 2**256 - 1):
        for name, call in calls(world, unknown).items():
            if name != "commit":
                with refused(world, "market: no such challenge"):
                    call()
        with refused(world, "market: no such challenge"):
            world.market.commit(unknown, b"\x01" * 32, sender=ada)
        with refused(world, "market: no such challenge"):
            world.market.release(unknown, 0, sender=ada)
        with refused(world, "market: not drawn"):
            world.market.slot_of(unknown, 0)


# phase, terms, what follows its last second
AFTER = [
    (Phase.COMMIT, True, Phase.REVEAL, 0),
    (Phase.REVEAL, True, Phase.SETTLE, Outcome.WITHHELD),
    (Phase.CLAIM, True, Phase.SETTLE, Outcome.UNCLAIMED),
    (Phase.UNSEAL, True, Phase.NOMINATE, 0),
    (Phase.AUDIT, True, Phase.NOMINATE, 0),
    (Phase.AUDIT, False, Phase.SETTLE, Outcome.WON),
    (Phase.NOMINATE, True, Phase.SETTLE, Outcome.UNNOMINATED),
]


@pytest.mark.parametrize(("phase", "full_audit", "following", "outcome"), AFTER)
def test_a_phase_holds_until_its_last_second(
    world: World, phase: Phase, full_audit: bool, following: Phase, outcome: int
) -> None:
    if full_audit:
        challenge = world.to_phase(phase)
    else:
        challenge = world.to_audit({world.trainers[0]: quality(1)}, full_audit=False)
    ends = world.clock(challenge).ends
    assert ends > world.chain.now
    for second in (ends - 1, ends, ends + 1):
        world.chain.mine_until(second)
        assert world.chain.now == second
        assert world.phase(challenge) == (phase if second < ends else following)
        assert world.outcome(challenge) == (0 if second < ends else outcome)


def test_last_and_first_seconds_of_each_call(world: World) -> None:
    """A call works in the last second of its phase, and the next phase's call in the second after it."""
    ada, ben, cleo, _ = world.trainers
    challenge = world.open()
    world.commit(challenge, ada, quality(1))
    world.near_end(challenge, -1)
    world.commit(challenge, ben, quality(0))
    with refused(world, "market: wrong phase"):
        world.reveal(challenge, world.held_out(challenge)[0])
    world.near_end(challenge, 0)
    with refused(world, "market: wrong phase"):
        world.commit(challenge, cleo, quality(2))
    world.reveal(challenge, world.held_out(challenge)[0])
    world.near_end(challenge, -1)
    world.reveal(challenge, world.held_out(challenge)[1])
    world.claim(challenge, ada, 3)
    world.near_end(challenge, -1)
    world.claim(challenge, ben)
    with refused(world, "market: wrong phase"):
        world.unseal(challenge, ben)
    world.near_end(challenge, 0)
    with refused(world, "market: wrong phase"):
        world.claim(challenge, cleo, 5)
    world.near_end(challenge, -1)
    world.unseal(challenge, ben)
    world.near_end(challenge, -1)
    assert world.audit(challenge, ben, 0)
    world.near_end(challenge, 0)
    with refused(world, "market: wrong phase"):
        world.audit(challenge, ben, 1)
    world.near_end(challenge, -1)
    world.market.nominate(challenge, 0, sender=world.stranger)
    with refused(world, "market: wrong phase"):
        world.unseal(challenge, ada)
    world.near_end(challenge, 0)
    world.unseal(challenge, ada)
    world.near_end(challenge, -1)
    world.audit_all(challenge, ada)
    assert world.settle(challenge) == Outcome.WON


def test_each_late_call_in_the_first_second_after_its_phase(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_unseal({ada: quality(1)})
    world.near_end(challenge, 0)
    with refused(world, "market: wrong phase"):
        world.unseal(challenge, ada)
    world.near_end(challenge, 0)
    with refused(world, "market: wrong phase"):
        world.market.nominate(challenge, 0, sender=ada)


def test_windows_follow_each_other_without_a_gap(world: World) -> None:
    """However late anybody calls, a window starts where the one before ended, or where the call that ended it was."""
    ada, ben, *_ = world.trainers
    windows = {
        "commit": HOUR,
        "reveal": 2 * HOUR,
        "claim": 3 * HOUR,
        "unseal": 4 * HOUR,
        "audit": 5 * HOUR,
        "nominate": 6 * HOUR,
    }
    challenge = world.post(windows=windows)
    world.chain.mine(SEED_DELAY + 7)
    world.market.draw(challenge, sender=world.stranger)
    drawn = world.chain.now
    assert world.clock(challenge).ends == drawn + HOUR
    world.commit(challenge, ada, quality(1))
    world.commit(challenge, ben, quality(3))
    world.near_end(challenge, 50)
    assert world.clock(challenge).ends == drawn + 3 * HOUR
    world.reveal_all(challenge)
    revealed = world.chain.now
    assert world.clock(challenge).ends == revealed + 3 * HOUR
    world.claim(challenge, ada)
    world.claim(challenge, ben)
    world.near_end(challenge, 50)
    assert world.clock(challenge).ends == revealed + 7 * HOUR
    world.unseal(challenge, ada)
    unsealed = world.chain.now
    assert world.clock(challenge).ends == unsealed + 5 * HOUR
    world.near_end(challenge, 50)
    assert world.clock(challenge).ends == unsealed + 11 * HOUR
    world.market.nominate(challenge, 1, sender=world.stranger)
    assert world.clock(challenge).ends == unsealed + 11 * HOUR
    world.near_end(challenge, 50)
    assert world.clock(challenge).ends == unsealed + 15 * HOUR
    assert world.candidate(challenge) == ben


def test_silence_carries_a_challenge_over_several_phases_at_once(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(1)})
    world.claim(challenge, ada)
    world.chain.mine_until(world.clock(challenge).ends + 2 * HOUR)
    assert world.phase(challenge) == Phase.SETTLE
    assert world.outcome(challenge) == Outcome.UNNOMINATED
    # nobody called, so the default is recorded by whoever settles
    world.market.settle(challenge, sender=world.stranger)
    assert [name for name, _ in world.events()] == ["Burned", "Defaulted", "Credited", "Settled"]
    assert world.bond(challenge, 0) == 0
    world.assert_solvent()


def test_blocks_measure_the_draw(world: World) -> None:
    challenge = world.post()
    posted = world.chain.block
    for blocks, phase in (
        (SEED_DELAY - 1, Phase.POSTED),
        (SEED_DELAY, Phase.DRAW),
        (SEED_DELAY + SEED_REACH, Phase.DRAW),
        (SEED_DELAY + SEED_REACH + 1, Phase.SETTLE),
    ):
        world.chain.mine(posted + blocks - world.chain.block, seconds=0)
        assert world.phase(challenge) == phase
    assert world.outcome(challenge) == Outcome.VOID
