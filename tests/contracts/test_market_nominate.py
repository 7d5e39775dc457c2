"""nominate: any standing claim, and the best one nominated is next."""

import pytest

from tests.unchanged import refused
from tests.world import World, quality
from trainer.protocol import Outcome, Phase, Rule


def nominating(world: World, claims: dict[int, int], *, rule: Rule = Rule.BEST, threshold: int = 3) -> int:
    """A challenge whose first candidate is late; `claims` are of seal index to score."""
    challenge = world.to_claims({trainer: quality(0) for trainer in world.trainers}, rule=rule, threshold=threshold)
    for index, score in claims.items():
        world.claim(challenge, world.trainers[index], score)
    world.pass_phase(challenge)
    world.pass_phase(challenge)
    assert world.phase(challenge) == Phase.NOMINATE
    return challenge


def test_a_nominee_is_recorded_and_becomes_candidate(world: World) -> None:
    challenge = nominating(world, {0: 9, 1: 5, 2: 7})
    world.market.nominate(challenge, 1, sender=world.stranger)
    # the first call after a default records it
    assert [name for name, _ in world.events()] == ["Burned", "Defaulted", "Nominated"]
    assert world.clock(challenge).leader == 2
    world.pass_phase(challenge)
    assert world.phase(challenge) == Phase.UNSEAL
    assert world.candidate(challenge) == world.trainers[1]
    world.unseal(challenge, world.trainers[1])
    world.audit_all(challenge, world.trainers[1])
    assert world.settle(challenge) == Outcome.WON


@pytest.mark.parametrize(
    ("order", "refusals", "winner"),
    [((1, 2), (), 2), ((2,), (1, 2), 2), ((3, 1, 2), (3, 1, 2), 2), ((3, 1), (3,), 1), ((1,), (3,), 1)],
    ids=str,
)
def test_only_a_better_claim_replaces_a_nominee(
    world: World, order: tuple[int, ...], refusals: tuple[int, ...], winner: int
) -> None:
    """Seals 1 and 3 claim the same; 1 is better by its index."""
    challenge = nominating(world, {0: 9, 1: 5, 2: 7, 3: 5})
    for index in order:
        world.market.nominate(challenge, index, sender=world.stranger)
    for index in refusals:
        with refused(world, "nominate: not better"):
            world.market.nominate(challenge, index, sender=world.stranger)
    world.pass_phase(challenge)
    assert world.candidate(challenge) == world.trainers[winner]


def test_lowest_seal_is_best_where_the_first_wins(world: World) -> None:
    challenge = nominating(world, {0: 4, 1: 4, 3: 4}, rule=Rule.FIRST, threshold=4)
    world.market.nominate(challenge, 3, sender=world.stranger)
    world.market.nominate(challenge, 1, sender=world.stranger)
    with refused(world, "nominate: not better"):
        world.market.nominate(challenge, 3, sender=world.stranger)
    world.pass_phase(challenge)
    assert world.candidate(challenge) == world.trainers[1]


def test_a_seal_without_a_standing_claim_is_refused(world: World) -> None:
    challenge = nominating(world, {0: 9, 1: 5})
    for seal in (0, 2, 3, 4, 2**256 - 1):
        with refused(world, "nominate: no standing claim"):
            world.market.nominate(challenge, seal, sender=world.trainers[0])


def test_every_candidate_may_default_in_turn(world: World) -> None:
    challenge = nominating(world, {0: 9, 1: 8, 2: 7, 3: 6})
    for index in (1, 2, 3):
        world.market.nominate(challenge, index, sender=world.stranger)
        world.pass_phase(challenge)
        assert world.candidate(challenge) == world.trainers[index]
        world.pass_phase(challenge)
        assert world.phase(challenge) == Phase.NOMINATE
    for index in range(4):
        with refused(world, "nominate: no standing claim"):
            world.market.nominate(challenge, index, sender=world.stranger)
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.UNNOMINATED
    assert [world.bond(challenge, index) for index in range(4)] == [0] * 4
    assert world.burned() == 4 * (10**18 + 1) + 4 * 7
    world.assert_over()
