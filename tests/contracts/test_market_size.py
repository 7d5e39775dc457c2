"""Contracts fit into their chain's limit, compiled as they are deployed."""

import pytest

from tests.world import World
from trainer.chain import CODE_LIMIT, CONTRACTS, compile_contract

ENGINES = sorted(CONTRACTS.glob("*Engine.vy"))


def test_the_market_fits(world: World) -> None:
    code = world.chain.env.get_code(world.market.address)
    assert 0 < len(code) <= CODE_LIMIT, f"Market.vy has {len(code)} bytes"


@pytest.mark.parametrize("path", ENGINES, ids=lambda path: path.name)
def test_engines_fit(world: World, path: object) -> None:
    engine = compile_contract(path).deploy()
    code = world.chain.env.get_code(engine.address)
    assert 0 < len(code) <= CODE_LIMIT, f"{path} has {len(code)} bytes"
