"""A refused call changes nothing: a picture of all that the market keeps, before and after."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boa

from tests.world import World
from trainer.protocol import ETHER


def picture(world: World) -> dict[str, Any]:
    """Every challenge with its seals and hold-out, every sum, and what every actor has in hand."""
    market, env = world.market, world.chain.env
    actors = (world.poster, world.auditor, world.stranger, *world.trainers, world.actor.address)
    seen: dict[str, Any] = {"challenges": market.challenges()}
    for challenge in range(seen["challenges"]):
        clock = world.clock(challenge)
        slots = range(min(world.stored(challenge).holdout, 4))
        seen[f"challenge {challenge}"] = (
            clock,
            market.challenge(challenge),
            [market.seals(challenge, index) for index in range(clock.seals + 1)],
            [market.seal_of(challenge, actor) for actor in actors],
            [market.holdout(challenge, slot) for slot in slots],
            [market.executed(challenge, index, slot) for index in range(clock.seals) for slot in slots],
        )
    for token in (ETHER, world.token.address):
        seen[f"sums of {token}"] = (
            world.escrowed(token),
            market.credited(token),
            world.burned(token),
            world.holdings(token),
        )
        seen[f"credits in {token}"] = {actor: world.credit(actor, token) for actor in actors}
    seen["ether in hand"] = {actor: env.get_balance(actor) for actor in actors}
    seen["tokens in hand"] = {actor: world.token.balanceOf(actor) for actor in actors}
    return seen


@contextmanager
def unchanged(world: World) -> Iterator[None]:
    """Whatever happens inside leaves the market and its actors as they were."""
    before = picture(world)
    yield
    after = picture(world)
    changed = {key: (value, after[key]) for key, value in before.items() if value != after[key]}
    assert not changed, f"changed: {changed}"


@contextmanager
def refused(world: World, reason: str) -> Iterator[None]:
    """The call inside reverts with exactly this reason and changes nothing."""
    with unchanged(world), boa.reverts(reason):
        yield
