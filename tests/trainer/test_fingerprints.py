"""Contracts are known by their code, and by that of their parts."""

import json
from typing import Any

import pytest

from contracts.fingerprints import IMMUTABLES, TARGET, fingerprints
from trainer.chain import (
    CONTRACTS,
    Chain,
    compile_contract,
    deploy,
    deploy_binary_engine,
    deploy_convolution_engine,
    deploy_engine,
    deploy_segmented_engine,
)
from trainer.fingerprints import ENGINES, MARKET, identify


@pytest.fixture
def chain() -> Any:
    chain = Chain()
    with chain.active():
        yield chain


def test_the_file_is_what_the_compiler_gives() -> None:
    assert json.loads(TARGET.read_text()) == fingerprints()


def test_every_deployed_contract_is_listed() -> None:
    deployed = {path.stem for path in CONTRACTS.glob("*.vy")}

    assert set(IMMUTABLES) == deployed


def test_each_engine_and_the_market_are_known(chain: Chain) -> None:
    deploys = (deploy_engine, deploy_binary_engine, deploy_convolution_engine, deploy_segmented_engine)
    found = [identify(str(one().address), chain.env.get_code) for one in deploys]

    assert found == list(ENGINES)
    # whatever its shortest window
    for window in (1, 3600):
        assert identify(str(deploy(min_window=window).market.address), chain.env.get_code) == MARKET


def test_an_engine_with_a_stranger_for_a_part_is_a_stranger(chain: Chain) -> None:
    validator, wide = (compile_contract(CONTRACTS / f"Dense{part}.vy").deploy() for part in ("Validator", "WideKernel"))
    engine = compile_contract(CONTRACTS / "DenseEngine.vy")

    assert identify(str(engine.deploy(validator.address, wide.address).address), chain.env.get_code) == "DenseEngine"
    assert identify(str(engine.deploy(wide.address, wide.address).address), chain.env.get_code) is None
    assert identify(str(engine.deploy(validator.address, chain.account("x")).address), chain.env.get_code) is None


@pytest.mark.parametrize("change", [b"\0", b"\x5b" * 32])
def test_other_code_is_a_strangers(chain: Chain, change: bytes) -> None:
    address = str(deploy_engine().address)
    code = bytes(chain.env.get_code(address))

    assert identify(address, lambda _: code) is None, "its parts are not the engine's own code"
    assert identify(address, lambda one: code + change if one == address else chain.env.get_code(one)) is None
    assert identify(address, lambda one: change + code[len(change) :] if one == address else b"") is None
    assert identify(chain.account("nobody"), chain.env.get_code) is None
