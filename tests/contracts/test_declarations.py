"""Declarations: whoever declares is named, every bound has its reason, and nothing is kept."""

from collections.abc import Iterator
from typing import Any

import boa
import pytest

from trainer.chain import CODE_LIMIT, CONTRACTS, Chain, compile_contract, deploy_declarations

MOST_FLOPS, MOST_SECONDS, LONGEST = 2**100, 2**40, "d" * 64
MARKET = "0x" + "5e" * 20


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain(seed=5)


@pytest.fixture
def declarations(chain: Chain) -> Iterator[Any]:
    with chain.active(), chain.env.anchor():
        yield deploy_declarations()


def said(contract: Any) -> list[dict[str, Any]]:
    """Values of what the last call logged."""
    return [{k: v for k, v in log._asdict().items() if k != "address"} for log in contract.get_logs()]


@pytest.mark.parametrize(
    ("flops", "seconds", "device"),
    [(1, 1, "d"), (MOST_FLOPS, MOST_SECONDS, LONGEST), (8 * 10**15, 7200, "NVIDIA H200")],
)
@pytest.mark.parametrize("challenge", [0, 2**256 - 1])
def test_a_declaration_names_the_caller_and_all_he_said(
    chain: Chain, declarations: Any, challenge: int, flops: int, seconds: int, device: str
) -> None:
    trainer = chain.account("trainer")
    declarations.declare(MARKET, challenge, flops, seconds, device, sender=trainer)
    (event,) = said(declarations)
    told = {"flops": flops, "seconds": seconds, "device": device}
    assert event == {"market": boa.util.abi.Address(MARKET), "challenge": challenge, "trainer": trainer, **told}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"market": "0x" + "00" * 20}, "declarations: no market"),
        ({"flops": 0}, "declarations: no operations"),
        ({"flops": MOST_FLOPS + 1}, "declarations: too many operations"),
        ({"flops": 2**256 - 1}, "declarations: too many operations"),
        ({"seconds": 0}, "declarations: no time"),
        ({"seconds": MOST_SECONDS + 1}, "declarations: too much time"),
        ({"seconds": 2**256 - 1}, "declarations: too much time"),
        ({"device": ""}, "declarations: no device"),
    ],
)
def test_every_bound_has_its_reason(chain: Chain, declarations: Any, change: dict[str, Any], reason: str) -> None:
    good = {"market": MARKET, "challenge": 0, "flops": 1, "seconds": 1, "device": "d"}
    trainer = chain.account("trainer")
    with boa.reverts(reason):
        declarations.declare(*{**good, **change}.values(), sender=trainer)
    # the same without the change is taken
    declarations.declare(*good.values(), sender=trainer)
    assert len(said(declarations)) == 1


def test_a_device_of_more_than_64_bytes_does_not_decode(chain: Chain, declarations: Any) -> None:
    call = bytes(declarations.declare.prepare_calldata(MARKET, 0, 1, 1, LONGEST))
    longer = call.replace((64).to_bytes(32) + b"d" * 64, (65).to_bytes(32) + b"d" * 65 + bytes(31))
    assert len(longer) == len(call) + 32
    done = [
        chain.env.execute_code(to_address=declarations.address, sender=chain.account("trainer"), data=data)
        for data in (call, longer)
    ]
    assert [one.is_error for one in done] == [False, True]


def test_it_takes_no_ether(chain: Chain, declarations: Any) -> None:
    rich = chain.account("rich", 10**18)
    with boa.reverts():
        declarations.declare(MARKET, 0, 1, 1, "d", sender=rich, value=1)
    assert chain.env.execute_code(to_address=declarations.address, sender=rich, value=1).is_error
    assert chain.balance(str(declarations.address)) == 0


def test_it_keeps_nothing_and_fits(chain: Chain, declarations: Any) -> None:
    compiled = compile_contract(CONTRACTS / "Declarations.vy").compiler_data
    assert compiled.storage_layout == {}
    # SSTORE and TSTORE; a push's data may hold their bytes, so instructions are counted
    assert not {"SSTORE", "TSTORE", "CALL", "DELEGATECALL", "CREATE"} & set(compiled.assembly_runtime)
    assert 0 < len(chain.env.get_code(declarations.address)) <= CODE_LIMIT
