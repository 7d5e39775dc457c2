"""A claim costs a bond, is made once, and wins nothing unless the model reaches it."""

from tests.unchanged import refused
from tests.world import ALL, ETH, World, quality
from trainer.protocol import Outcome, Phase, Rule

BOND = ETH + 1


def test_a_threshold_above_the_possible_is_refused(world: World) -> None:
    for threshold in (ALL + 1, 2**256 - 1):
        with refused(world, "terms: threshold impossible"):
            world.post(threshold=threshold)


def test_more_than_all_cannot_be_claimed(world: World) -> None:
    """Otherwise a claim that nobody can unseal would lead for ever."""
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(0)})
    with refused(world, "claim: more than all"):
        world.claim(challenge, ada, ALL + 1)


def test_a_claim_the_model_does_not_reach_cannot_be_unsealed_honestly(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_claims({ada: quality(8), ben: quality(1)})
    world.claim(challenge, ada, ALL)
    world.claim(challenge, ben)
    world.pass_phase(challenge)
    with refused(world, "unseal: fewer right than claimed"):
        world.unseal(challenge, ada)
    world.pass_phase(challenge)
    world.market.nominate(challenge, 1, sender=ben)
    world.pass_phase(challenge)
    world.unseal(challenge, ben)
    world.audit_all(challenge, ben)
    assert world.settle(challenge) == Outcome.WON
    assert world.bond(challenge, 0) == 0


def test_a_claim_is_not_raised_after_others_were_seen(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_claims({ada: quality(0), ben: quality(0)})
    world.claim(challenge, ada, 5)
    world.claim(challenge, ben, 6)
    with refused(world, "claim: already made"):
        world.claim(challenge, ada, 7)


def test_a_fallen_seal_cannot_claim_again(world: World) -> None:
    """A seal that fell has claim 0, as one that never claimed; but claims are over by then."""
    ada, ben, *_ = world.trainers
    challenge = world.to_lie(ada, {ben: quality(1)})
    world.audit_lie(challenge, ada, 0)
    with refused(world, "market: wrong phase"):
        world.claim(challenge, ada, 5)
    with refused(world, "nominate: no standing claim"):
        world.market.nominate(challenge, 0, sender=ada)


def test_nobody_claims_without_a_bond(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_claims({ada: quality(0)})
    for sender in (ben, world.poster, world.stranger):
        with refused(world, "claim: caller has no seal"):
            world.market.claim(challenge, 5, sender=sender)


def test_a_bond_is_not_taken_back_before_the_claims_are_over(world: World) -> None:
    """A seal whose bond was free could claim and default at no cost."""
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(0)})
    with refused(world, "release: too early"):
        world.market.release(challenge, 0, sender=ada)
    world.claim(challenge, ada)
    world.pass_phase(challenge)
    with refused(world, "release: the claim stands"):
        world.market.release(challenge, 0, sender=ada)


def test_a_bond_is_not_taken_back_while_the_default_is_unrecorded(world: World) -> None:
    """The late candidate's own release must not come before the burning of his bond."""
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(0)})
    world.claim(challenge, ada)
    world.pass_phase(challenge)
    for _ in range(2):
        world.pass_phase(challenge)
        with refused(world, "release: no bond"):
            world.market.release(challenge, 0, sender=ada)
    assert world.settle(challenge) == Outcome.UNNOMINATED
    assert world.credit(ada) == 0
    assert world.burned() == BOND + 7
    world.assert_over()


def test_where_the_first_wins_a_high_claim_does_not_jump_the_queue(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_claims({ada: quality(2), ben: quality(0)}, rule=Rule.FIRST)
    with refused(world, "claim: not the threshold"):
        world.claim(challenge, ben, ALL)
    world.claim(challenge, ben, 3)
    world.claim(challenge, ada, 3)
    world.pass_phase(challenge)
    assert world.candidate(challenge) == ada


def test_a_tie_goes_to_the_seal_that_was_first(world: World) -> None:
    """Claiming first wins nothing: the order of seals was fixed before the hold-out was known."""
    ada, ben, *_ = world.trainers
    challenge = world.to_claims({ada: quality(0), ben: quality(0)})
    world.claim(challenge, ben)
    world.claim(challenge, ada)
    world.pass_phase(challenge)
    assert world.candidate(challenge) == ada


def test_no_winner_is_below_the_threshold(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(3)}, threshold=ALL)
    assert world.honest_score(challenge, ada) < ALL
    with refused(world, "claim: below the threshold"):
        world.claim(challenge, ada)
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.UNCLAIMED
    assert world.phase(challenge) == Phase.CLOSED
