"""Many addresses of one trainer: of a rising reward they get what one of their seals alone would have got.

What remains, and no rule on seals that hide their model can take away, is a choice: an early seal is an insurance that
its owner need not use. It costs the fee of a seal, which nobody gets back; `trainer simulate` weighs the two.
"""

from itertools import product

import pytest

from tests.world import ETH, HOUR, World, quality
from trainer.protocol import Outcome, Rule

REWARD, FEE = 10 * ETH, 7
SECONDS = (0, 900, 1800, 2700)


def play(world: World, seals: dict[int, int], claims: set[int], rule: Rule) -> tuple[int, dict[int, int]]:
    """A life in which trainer k seals at SECONDS[k] with a quality; the winner, and what each has in the end."""
    world.chain.env.set_balance(world.poster, 100 * ETH)
    challenge = world.open(rule=rule, reward=REWARD, opening=ETH)
    opened = world.clock(challenge).ends - HOUR
    who = dict(enumerate(world.trainers))
    before = {k: world.chain.env.get_balance(owner) + world.credit(owner) for k, owner in who.items()}
    for k, good in sorted(seals.items()):
        world.chain.mine_until(opened + SECONDS[k])
        world.commit(challenge, who[k], quality(good))
    world.pass_phase(challenge)
    world.reveal_all(challenge)
    for k in sorted(claims & seals.keys()):
        world.claim(challenge, who[k], world.terms().threshold if rule == Rule.FIRST else None)
    world.pass_phase(challenge)
    winner = world.candidate(challenge)
    if winner is not None:
        world.unseal(challenge, winner)
        world.audit_all(challenge, winner)
        assert world.settle(challenge) == Outcome.WON
    world.release_all(challenge)
    after = {k: world.chain.env.get_balance(owner) + world.credit(owner) for k, owner in who.items()}
    index = next((k for k, owner in who.items() if owner == winner), -1)
    return index, {k: after[k] - before[k] for k in who}


@pytest.mark.parametrize("rule", [Rule.BEST, Rule.FIRST])
def test_several_seals_never_get_more_than_one_of_them_alone(world: World, rule: Rule) -> None:
    """A party owns seals 0 and 2, a rival seal 1; whatever it claims with, one of its seals alone does as well."""
    for (first, second), rival in product(((1, 1), (1, 2), (2, 1)), (1, 2, None)):
        others = {} if rival is None else {1: rival}
        for claimed in ({2}, {0, 2}):
            _, paid = play(world, {0: first, 2: second, **others}, claimed | {1}, rule)
            split = paid[0] + paid[2]
            alone = []
            for k, good in ((0, first), (2, second)):
                _, got = play(world, {k: good, **others}, ({k} & claimed) | {1}, rule)
                alone.append(got[k])
            assert split <= max(alone) - FEE, (first, second, rival, claimed)
