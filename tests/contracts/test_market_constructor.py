"""What a market fixes when it is deployed."""

import boa

from tests.world import HOUR, World, step_engine
from trainer.chain import CONTRACTS, compile_contract


def test_keeps_the_minimal_window_and_every_engine(world: World) -> None:
    other = step_engine()
    market = compile_contract(CONTRACTS / "Market.vy").deploy(1, [world.engine.address, other.address])
    assert market.MIN_WINDOW() == 1
    assert market.is_engine(world.engine.address)
    assert market.is_engine(other.address)
    assert not market.is_engine(world.stranger)
    assert market.challenges() == 0


def test_refuses_windows_of_no_length_no_engine_and_engines_without_code(world: World) -> None:
    market = compile_contract(CONTRACTS / "Market.vy")
    with boa.reverts("market: no minimal window"):
        market.deploy(0, [world.engine.address])
    with boa.reverts("market: no engine"):
        market.deploy(HOUR, [])
    with boa.reverts("market: engine has no code"):
        market.deploy(HOUR, [world.engine.address, world.stranger])


def test_has_no_privileged_call(world: World) -> None:
    """The whole surface, so that a new function is a decision."""
    calls = {entry["name"] for entry in world.market.abi if entry["type"] == "function"}
    changing = {
        entry["name"]
        for entry in world.market.abi
        if entry["type"] == "function" and entry["stateMutability"] in ("payable", "nonpayable")
    }
    assert changing == {
        *("post", "cancel", "draw", "commit", "reveal", "claim", "unseal"),
        *("audit", "nominate", "settle", "release", "withdraw"),
    }
    assert not {"owner", "pause", "upgrade", "set_engine"} & calls


def test_takes_no_stray_ether_and_no_unknown_call(world: World) -> None:
    env = world.chain.env
    for data, value in ((b"", 1), (b"", 0), (b"\xde\xad\xbe\xef", 0)):
        result = env.execute_code(world.market.address, sender=world.stranger, data=data, value=value)
        assert result.is_error
    assert world.holdings() == 0
