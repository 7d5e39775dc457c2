"""The token of a challenge: how its amounts are written, and what the market may take of it."""

import boa
from eth_abi.abi import encode
from eth_hash.auto import keccak

from trainer.amounts import ether
from trainer.chain import Receipt
from trainer.errors import ChainError, Reverted, RpcError
from trainer.node.outbox import DONE
from trainer.protocol import ETHER
from trainer.roles.desk import Desk

APPROVE = """[{"type": "function", "name": "approve", "stateMutability": "nonpayable",
  "inputs": [{"type": "address", "name": "spender"}, {"type": "uint256", "name": "amount"}],
  "outputs": [{"type": "bool", "name": ""}]}]"""
"""Of ERC-20."""


def decimals(desk: Desk, token: str) -> int:
    """Decimals of a token, 18 for ether; 0, its smallest unit, for a token that does not say: ERC-20 lets it."""
    if token == ETHER:
        return 18
    try:
        found = _number(token, "decimals()", _call(desk, token, "decimals()"))
    except (ChainError, RpcError):
        return 0
    # uint8, says ERC-20
    return found if found < 256 else 0


def show(desk: Desk, token: str, amount: int) -> str:
    """An amount of a token, or of ether, as people write it, exactly."""
    return ether(amount, decimals(desk, token))


def approve(desk: Desk, token: str, amount: int) -> Receipt | None:
    """Let the market take so much of a token of the account's; None where it may already, and for ether.

    Raises `ChainError` where the account holds less.
    """
    if token == ETHER or _ask(desk, token, "allowance(address,address)", desk.me, desk.address) >= amount:
        return None
    held = _ask(desk, token, "balanceOf(address)", desk.me)
    if held < amount:
        asked, there = show(desk, token, amount), show(desk, token, held)
        raise ChainError(f"{desk.me} holds {there} of the token {token}, and this takes {asked}; send it more first")
    with desk.chain.active():
        contract = boa.loads_abi(APPROVE, name="Token").at(token, nowarn=True)
    # allowances come and go: each has its name, under which one that is on its way is not sent again
    prefix = f"{desk.address}/approve/"
    count = sum(one.key.startswith(prefix) and one.state == DONE for one in desk.chain.outbox_of(desk.me).records())
    key = f"{prefix}{token}/{amount}/{count}"
    return desk.chain.send(contract.approve, desk.address, amount, sender=desk.me, key=key)


def _ask(desk: Desk, token: str, view: str, *addresses: str) -> int:
    """A number that every token tells; raises `ChainError` for what is no token."""
    try:
        return _number(token, view, _call(desk, token, view, *addresses))
    except Reverted:
        return _number(token, view, b"")


def _call(desk: Desk, token: str, view: str, *addresses: str) -> bytes:
    data = keccak(view.encode())[:4] + encode(["address"] * len(addresses), addresses)
    return desk.chain.rpc.view(token, data)


def _number(token: str, view: str, answer: bytes) -> int:
    if len(answer) < 32:
        raise ChainError(f"{token} is no token: it does not answer {view}; check its address")
    return int.from_bytes(answer[:32])
