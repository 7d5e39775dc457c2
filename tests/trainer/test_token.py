"""A token that a stranger wrote: what it answers is taken for what it can be."""

from types import SimpleNamespace
from typing import Any

import pytest

from trainer.errors import NodeError, Reverted, RpcError
from trainer.protocol import ETHER
from trainer.roles.token import decimals, show

TOKEN = "0x" + "8" * 40


def desk(answer: bytes | Exception) -> Any:
    """One whose node answers every view so."""

    def view(address: str, data: bytes) -> bytes:
        assert (address, data.hex()) == (TOKEN, "313ce567")
        if isinstance(answer, Exception):
            raise answer
        return answer

    return SimpleNamespace(chain=SimpleNamespace(rpc=SimpleNamespace(view=view)))


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ((6).to_bytes(32), 6),
        ((255).to_bytes(32), 255),
        # no uint8: amounts of such a token would be numbers without end
        ((256).to_bytes(32), 0),
        (b"\xff" * 32, 0),
        (b"", 0),
        (b"\6", 0),
        (Reverted("no"), 0),
        (RpcError("eth_call", -32603, "EVM error OutOfGas"), 0),
    ],
)
def test_decimals_are_a_byte_or_none(answer: bytes | Exception, wanted: int) -> None:
    assert decimals(desk(answer), TOKEN) == wanted


def test_amounts_are_whole_where_a_token_has_no_decimals() -> None:
    assert show(desk(b"\xff" * 32), TOKEN, 2500) == "2500"
    assert show(desk((3).to_bytes(32)), TOKEN, 2500) == "2.5"
    assert show(desk(NodeError("never asked")), ETHER, 10**18) == "1"


def test_a_node_that_is_away_is_no_token_without_decimals() -> None:
    with pytest.raises(NodeError, match="gone"):
        decimals(desk(NodeError("gone")), TOKEN)
