"""Lives that end otherwise than by the best honest trainer's audited win; each ends with every wei accounted for."""

import pytest

from tests.world import ALL, ETH, World, quality
from trainer.protocol import ETHER, SEED_DELAY, SEED_REACH, Outcome, Phase, Rule

REWARD, BOND, POSTER_BOND, FEE = 10 * ETH, ETH + 1, 3 * ETH + 1, 7


def in_hand(world: World, token: str = ETHER) -> dict[str, int]:
    """What each actor has outside the market."""
    actors = {"poster": world.poster, "auditor": world.auditor, "stranger": world.stranger}
    actors |= dict(zip(("ada", "ben", "cleo", "dan"), world.trainers, strict=True))
    env = world.chain.env
    return {
        name: int(env.get_balance(actor) if token == ETHER else world.token.balanceOf(actor))
        for name, actor in actors.items()
    }


def end(world: World, challenge: int, outcome: Outcome, before: dict[str, int], **gains: int) -> None:
    """Settle and pay everything out; then each actor has gained exactly this, and the rest is burned."""
    token = str(world.stored(challenge).token)
    world.assert_solvent(token)
    if world.phase(challenge) != Phase.CLOSED:
        world.settle(challenge)
    assert world.outcome(challenge) == outcome
    world.release_all(challenge)
    world.assert_over(token)
    after = in_hand(world, token)
    assert {name: after[name] - before[name] for name in before if after[name] != before[name]} == gains
    assert world.burned(token) == -sum(gains.values())


def test_optimistic_win(world: World) -> None:
    ada, ben, *_ = world.trainers
    before = in_hand(world)
    challenge = world.to_audit({ada: quality(3), ben: quality(0)}, full_audit=False)
    assert world.audit(challenge, ben, 0, 0b00100)
    world.pass_phase(challenge)
    end(world, challenge, Outcome.WON, before, poster=-REWARD, ada=-FEE, ben=REWARD - FEE)


def test_first_to_reach_the_threshold_wins(world: World) -> None:
    ada, ben, cleo, _ = world.trainers
    before = in_hand(world)
    models = {ada: quality(8), ben: quality(3), cleo: quality(0)}
    challenge = world.to_claims(models, rule=Rule.FIRST)
    for trainer in (cleo, ben):
        world.claim(challenge, trainer, 3)
    world.pass_phase(challenge)
    world.unseal(challenge, ben)
    world.audit_all(challenge, ben)
    end(world, challenge, Outcome.WON, before, poster=-REWARD, ada=-FEE, ben=REWARD - FEE, cleo=-FEE)


@pytest.mark.parametrize("full_audit", [True, False])
def test_challenge_in_a_token(world: World, full_audit: bool) -> None:
    ada, ben, *_ = world.trainers
    token = str(world.token.address)
    before, ether = in_hand(world, token), in_hand(world)
    challenge = world.to_audit({ada: quality(1), ben: quality(3)}, token=token, full_audit=full_audit)
    world.audit_all(challenge, ada)
    if not full_audit:
        world.pass_phase(challenge)
    end(world, challenge, Outcome.WON, before, poster=-REWARD, ada=REWARD - FEE, ben=-FEE)
    assert in_hand(world) == ether
    assert world.holdings() == 0


@pytest.mark.parametrize("full_audit", [True, False])
def test_liar_is_caught_and_a_nominee_wins(world: World, full_audit: bool) -> None:
    ada, ben, cleo, _ = world.trainers
    before = in_hand(world)
    challenge = world.to_lie(ada, {ben: quality(3), cleo: quality(0)}, full_audit=full_audit)
    assert not world.audit_lie(challenge, ada, 0)
    world.market.nominate(challenge, 1, sender=ben)
    world.market.nominate(challenge, 2, sender=cleo)
    world.pass_phase(challenge)
    world.unseal(challenge, cleo)
    world.audit_all(challenge, cleo)
    if not full_audit:
        world.pass_phase(challenge)
    losses = {"poster": -REWARD, "ada": -BOND - FEE, "ben": -FEE}
    end(world, challenge, Outcome.WON, before, auditor=BOND // 2, cleo=REWARD - FEE, **losses)


def test_candidate_defaults_and_a_nominee_wins(world: World) -> None:
    ada, ben, *_ = world.trainers
    before = in_hand(world)
    challenge = world.to_unseal({ada: quality(1), ben: quality(3)})
    world.pass_phase(challenge)
    world.market.nominate(challenge, 1, sender=world.stranger)
    world.pass_phase(challenge)
    world.unseal(challenge, ben)
    world.audit_all(challenge, ben)
    end(world, challenge, Outcome.WON, before, poster=-REWARD, ada=-BOND - FEE, ben=REWARD - FEE)


def test_liar_then_late_then_incomplete_then_nobody(world: World) -> None:
    ada, ben, cleo, dan = world.trainers
    before = in_hand(world)
    challenge = world.to_lie(ada, {ben: quality(0), cleo: quality(1), dan: quality(3)})
    assert not world.audit_lie(challenge, ada, 1, sender=ben)
    for index, trainer in ((1, ben), (2, cleo)):
        world.market.nominate(challenge, index, sender=world.stranger)
        world.pass_phase(challenge)
        assert world.candidate(challenge) == trainer
        if trainer == cleo:
            world.unseal(challenge, cleo)
            assert world.audit(challenge, cleo, 0)
        world.pass_phase(challenge)
    world.pass_phase(challenge)
    gains = {"ada": -BOND - FEE, "ben": BOND // 2 - BOND - FEE, "cleo": -BOND - FEE, "dan": -FEE}
    end(world, challenge, Outcome.UNNOMINATED, before, **gains)


def test_everybody_defaults(world: World) -> None:
    before = in_hand(world)
    models = {trainer: quality(index) for index, trainer in enumerate(world.trainers)}
    challenge = world.to_unseal(models)
    for index in range(4):
        assert world.candidate(challenge) == world.trainers[index]
        world.pass_phase(challenge)
        if index < 3:
            world.market.nominate(challenge, index + 1, sender=world.stranger)
        world.pass_phase(challenge)
    end(world, challenge, Outcome.UNNOMINATED, before, **dict.fromkeys(("ada", "ben", "cleo", "dan"), -BOND - FEE))


def test_nobody_came(world: World) -> None:
    before = in_hand(world)
    challenge = world.open()
    world.pass_phase(challenge)
    end(world, challenge, Outcome.DESERTED, before)


@pytest.mark.parametrize("shown", [0, 1])
def test_hold_out_is_withheld(world: World, shown: int) -> None:
    before = in_hand(world)
    challenge = world.to_phase(Phase.REVEAL)
    for g in world.held_out(challenge)[:shown]:
        world.reveal(challenge, g)
    world.pass_phase(challenge)
    end(world, challenge, Outcome.WITHHELD, before, poster=-POSTER_BOND, ada=-FEE, ben=-FEE)


def test_nobody_draws(world: World) -> None:
    before = in_hand(world)
    challenge = world.post()
    world.chain.mine(SEED_DELAY + SEED_REACH + 1)
    end(world, challenge, Outcome.VOID, before, poster=-(POSTER_BOND - POSTER_BOND // 2))


def test_poster_cancels(world: World) -> None:
    before = in_hand(world)
    challenge = world.post()
    world.market.cancel(challenge, sender=world.poster)
    end(world, challenge, Outcome.CANCELLED, before)


def test_nobody_claims(world: World) -> None:
    ada, ben, *_ = world.trainers
    before = in_hand(world)
    challenge = world.to_claims({ada: quality(1), ben: quality(3)})
    world.pass_phase(challenge)
    end(world, challenge, Outcome.UNCLAIMED, before, ada=-FEE, ben=-FEE)


def test_two_challenges_at_once_with_different_tokens(world: World) -> None:
    """Their steps alternate; a liar in one does not touch the other, nor its money."""
    ada, ben, *_ = world.trainers
    token = str(world.token.address)
    ether_before, token_before = in_hand(world), in_hand(world, token)
    first = world.post()
    second = world.post(token=token, trainer_bond=5, full_audit=False)
    world.chain.mine(SEED_DELAY + 1)
    for challenge in (second, first):
        world.market.draw(challenge, sender=world.stranger)
    assert world.market.challenge(first).key != world.market.challenge(second).key
    for trainer, model in ((ada, quality(8)), (ben, quality(1))):
        world.commit(first, trainer, model)
        world.commit(second, trainer, model)
    world.pass_phase(first)
    for challenge in (first, second):
        for g in world.held_out(challenge):
            world.reveal(challenge, g)
    for challenge in (second, first):
        world.claim(challenge, ben)
    world.claim(first, ada, ALL)
    world.pass_phase(first)
    assert (world.candidate(first), world.candidate(second)) == (ada, ben)
    world.unseal(first, ada, predictions=world.lie(first, ada))
    world.unseal(second, ben)
    assert not world.audit_lie(first, ada, 0)
    assert world.phase(second) == Phase.AUDIT
    world.pass_phase(second)
    for asset in (ETHER, token):
        world.assert_solvent(asset)
    end(world, second, Outcome.WON, token_before, poster=-REWARD, ada=-FEE, ben=REWARD - FEE)
    world.pass_phase(first)
    end(world, first, Outcome.UNNOMINATED, ether_before, ada=-BOND - FEE, ben=-FEE, auditor=BOND // 2)
