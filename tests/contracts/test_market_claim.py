"""claim: once per seal, within the bounds of the rule; who leads."""

import pytest

from tests.unchanged import refused
from tests.world import ALL, HOUR, World, quality
from trainer.protocol import Phase, Rule


def test_claim_is_recorded_and_leads(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_claims({ada: quality(1), ben: quality(0)})
    world.claim(challenge, ben, 5)
    assert world.events() == [("Claimed", {"id": challenge, "seal": 1, "score": 5})]
    assert world.market.seals(challenge, 1).claim == 5
    assert world.clock(challenge).leader == 2
    assert world.phase(challenge) == Phase.CLAIM


@pytest.mark.parametrize(
    ("claims", "leader"),
    [
        ({0: 3, 1: 4, 2: 5}, 2),
        ({2: 5, 1: 4, 0: 3}, 2),
        ({0: 5, 1: 4, 2: 3}, 0),
        ({1: 4, 0: 4, 2: 4}, 0),
        ({2: 4, 1: 4}, 1),
        ({0: 4, 1: 4}, 0),
        ({2: 5, 0: 4, 1: 5}, 1),
        ({0: ALL}, 0),
        ({0: 3}, 0),
    ],
    ids=str,
)
def test_highest_claim_leads_and_ties_go_to_the_lower_seal(world: World, claims: dict[int, int], leader: int) -> None:
    challenge = world.to_claims({trainer: quality(0) for trainer in world.trainers})
    for index, score in claims.items():
        world.claim(challenge, world.trainers[index], score)
    assert world.clock(challenge).leader == leader + 1
    world.pass_phase(challenge)
    assert world.candidate(challenge) == world.trainers[leader]
    assert world.clock(challenge).leader == 0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2), (2, 1), (1, 0)], ids=str)
def test_first_seal_leads_where_the_first_wins(world: World, order: tuple[int, ...]) -> None:
    challenge = world.to_claims({trainer: quality(0) for trainer in world.trainers}, rule=Rule.FIRST, threshold=6)
    for index in order:
        world.claim(challenge, world.trainers[index], 6)
    world.pass_phase(challenge)
    assert world.candidate(challenge) == world.trainers[min(order)]


def test_scores_at_and_past_the_bounds(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_claims({ada: quality(0), ben: quality(0)}, threshold=4)
    for score in (0, 1, 3):
        with refused(world, "claim: below the threshold"):
            world.claim(challenge, ada, score)
    for score in (ALL + 1, 2**256 - 1):
        with refused(world, "claim: more than all"):
            world.claim(challenge, ada, score)
    world.claim(challenge, ada, 4)
    world.claim(challenge, ben, ALL)
    assert world.clock(challenge).leader == 2


def test_where_the_first_wins_only_the_threshold_is_claimed(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(0)}, rule=Rule.FIRST, threshold=4)
    for score in (5, ALL, ALL + 1, 2**256 - 1):
        with refused(world, "claim: not the threshold"):
            world.claim(challenge, ada, score)
    with refused(world, "claim: below the threshold"):
        world.claim(challenge, ada, 3)
    world.claim(challenge, ada, 4)


def test_a_claim_is_final(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(0)})
    world.claim(challenge, ada, 5)
    for score in (4, 5, 6):
        with refused(world, "claim: already made"):
            world.claim(challenge, ada, score)


def test_only_who_has_a_seal_claims(world: World) -> None:
    ada, ben, *_ = world.trainers
    first = world.to_claims({ada: quality(0)}, windows={"claim": 24 * HOUR})
    second = world.to_claims({ben: quality(0)})
    for challenge, sender in ((first, ben), (second, ada), (first, world.poster), (first, world.stranger)):
        with refused(world, "claim: caller has no seal"):
            world.market.claim(challenge, 5, sender=sender)
