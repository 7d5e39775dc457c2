"""Contracts fit into their chain's limit, compiled as they are deployed."""

from tests.world import World
from trainer.chain import CODE_LIMIT


def test_the_market_fits(world: World) -> None:
    code = world.chain.env.get_code(world.market.address)
    assert 0 < len(code) <= CODE_LIMIT, f"Market.vy has {len(code)} bytes"
