"""Contracts fit into their chain's limit, compiled as they are deployed."""

from tests.world import World
from trainer.chain import CODE_LIMIT, CONTRACTS, compile_contract, deploy_engine


def test_the_market_fits(world: World) -> None:
    code = world.chain.env.get_code(world.market.address)
    assert 0 < len(code) <= CODE_LIMIT, f"Market.vy has {len(code)} bytes"


def test_the_engine_and_its_validator_fit(world: World) -> None:
    engine, validator = deploy_engine(), compile_contract(CONTRACTS / "DenseValidator.vy").deploy()
    for contract in (engine, validator):
        code = world.chain.env.get_code(contract.address)
        assert 0 < len(code) <= CODE_LIMIT, f"{contract} has {len(code)} bytes"
