"""Whole lives of challenges, from post to the last withdrawal."""

from tests.world import ETH, World, quality
from trainer.protocol import Outcome, Phase


def test_best_honest_trainer_is_paid_after_a_full_audit(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_unseal({ada: quality(4), ben: quality(1)})
    assert world.honest_score(challenge, ben) > world.honest_score(challenge, ada)
    world.unseal(challenge, ben)
    world.audit_all(challenge, ben)
    assert world.phase(challenge) == Phase.SETTLE
    assert world.settle(challenge) == Outcome.WON
    world.release_all(challenge)
    assert world.credit(ben) == 10 * ETH + ETH + 1
    assert world.credit(ada) == ETH + 1
    assert world.credit(world.poster) == 3 * ETH + 1
    assert world.escrowed() == 0
    assert world.burned() == 14
    world.assert_solvent()
    for owner in (ada, ben, world.poster):
        world.market.withdraw("0x" + "00" * 20, owner, sender=owner)
    assert world.holdings() == 14
