"""Word for word what a node answers to what it will not do: a sender of transactions decides by these texts.

Where geth says or does something else, the test notes it: nobody should rely on what only anvil does.
"""

from collections.abc import Callable
from typing import Any

import pytest
from eth_account import Account
from eth_utils import to_checksum_address

from tests.node.anvil import CHAIN_ID, Anvil
from tests.node.jsonrpc import Refusal

GWEI = 10**9
# reverts with Error("market: wrong phase"): PUSH2 size, PUSH1 offset, PUSH0, CODECOPY, PUSH2 size, PUSH0, REVERT, data
REASON = (
    "08c379a0"
    "0000000000000000000000000000000000000000000000000000000000000020"
    "0000000000000000000000000000000000000000000000000000000000000013"
    "6d61726b65743a2077726f6e6720706861736500000000000000000000000000"
)
REFUSING = "610064600c5f396100645ffd" + REASON
SILENT = "5f5ffd"
ENDLESS = "5b5f56"
# GAS; JUMPDEST, GAS, DUP2, SUB, PUSH4 20,000,000, GT, PUSH1 1, JUMPI; STOP
DEAR = "5a5b5a81036301312d001160015700"

Sign = Callable[..., str]


@pytest.fixture
def sign(anvil: Anvil) -> Sign:
    """A signed payment of 1 wei from the first account, bent by arguments."""
    signer = Account.from_key(anvil.accounts[0].key)

    def signed(**more: Any) -> str:
        pending = anvil.rpc("eth_getTransactionCount", signer.address, "pending")
        fields = {
            "type": 2,
            "chainId": CHAIN_ID,
            "nonce": int(pending, 16),
            "to": anvil.accounts[1].address,
            "value": 1,
            "gas": 21_000,
            "maxFeePerGas": 4 * GWEI,
            "maxPriorityFeePerGas": GWEI,
            **more,
        }
        return "0x" + bytes(signer.sign_transaction(fields).raw_transaction).hex()

    return signed


def send(node: Anvil, raw: str) -> str:
    return str(node.rpc("eth_sendRawTransaction", raw))


def refused(node: Anvil, raw: str) -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        send(node, raw)
    assert caught.value.data is None
    return caught.value.code, caught.value.message


def deployed(node: Anvil, code: str) -> str:
    """A contract of this code: PUSH2 size, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN, and the code."""
    initcode = f"0x61{len(code) // 2:04x}80600a5f395ff3{code}"
    transaction = node.send(**{"from": node.accounts[0].address, "data": initcode, "gas": 10**6})
    return str(to_checksum_address(node.receipt(transaction)["contractAddress"]))


def asked(node: Anvil, method: str, to: str, **more: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        node.rpc(method, {"from": node.accounts[0].address, "to": to, **more}, "latest")
    return caught.value


# ── transactions that are not taken ──


def test_a_nonce_that_is_used_up(anvil: Anvil, sign: Sign) -> None:
    first = sign()
    anvil.receipt(send(anvil, first))
    assert refused(anvil, sign(nonce=0, value=2)) == (-32003, "nonce too low")
    # even the very transaction that was mined
    assert refused(anvil, first) == (-32003, "nonce too low")


def test_a_transaction_that_waits_already(anvil: Anvil, sign: Sign) -> None:
    """geth: already known."""
    anvil.automine(False)
    first = sign()
    send(anvil, first)
    assert refused(anvil, first) == (-32003, "transaction already imported")


def test_a_replacement_that_pays_no_more(anvil: Anvil, sign: Sign) -> None:
    """anvil wants any more of the maximum; geth a tenth more, of the tip too."""
    anvil.automine(False)
    first = send(anvil, sign(nonce=0))
    for more in ({}, {"maxPriorityFeePerGas": 2 * GWEI}):
        assert refused(anvil, sign(nonce=0, value=2, **more)) == (-32003, "replacement transaction underpriced")
    second = send(anvil, sign(nonce=0, value=2, maxFeePerGas=5 * GWEI, maxPriorityFeePerGas=2 * GWEI))
    anvil.mine()
    assert anvil.receipt(second)["status"] == "0x1"
    assert anvil.rpc("eth_getTransactionByHash", first) is None


def test_an_account_that_cannot_pay(anvil: Anvil, sign: Sign) -> None:
    """geth: insufficient funds for gas * price + value, in small letters, followed by sums."""
    assert refused(anvil, sign(value=10**30)) == (-32003, "Insufficient funds for gas * price + value")


def test_a_limit_below_what_calldata_costs(anvil: Anvil, sign: Sign) -> None:
    assert refused(anvil, sign(gas=20_999)) == (-32000, "intrinsic gas too low")


def test_a_limit_below_the_floor_is_taken_and_forgotten(anvil: Anvil, sign: Sign) -> None:
    """anvil's own: it answers with a hash, and forgets it. geth: insufficient gas for floor data gas cost."""
    transaction = send(anvil, sign(gas=21_000 + 16 * 100, data=b"\1" * 100))
    anvil.mine()
    assert anvil.rpc("eth_getTransactionByHash", transaction) is None
    assert anvil.rpc("eth_getTransactionReceipt", transaction) is None
    assert anvil.rpc("txpool_status") == {"pending": "0x0", "queued": "0x0"}
    anvil.receipt(send(anvil, sign(gas=21_000 + 40 * 100, data=b"\1" * 100)))


def test_a_limit_above_the_cap(anvil: Anvil, sign: Sign) -> None:
    """geth: transaction gas limit too high (cap: 16777216, tx: 16777217)."""
    code, message = refused(anvil, sign(gas=2**24 + 1))
    assert (code, message) == (-32000, "intrinsic gas too high -- tx.gas_limit > env.cfg.tx_gas_limit_cap")


def test_a_fee_below_that_of_the_next_block(anvil: Anvil, sign: Sign) -> None:
    """anvil's own: geth takes it, and lets it wait."""
    anvil.set_base_fee(5 * GWEI)
    assert refused(anvil, sign()) == (-32003, "max fee per gas less than block base fee")


def test_a_transaction_that_the_base_fee_overtakes_is_forgotten(anvil: Anvil, sign: Sign) -> None:
    """anvil's own: geth lets it wait until the base fee falls."""
    anvil.automine(False)
    transaction = send(anvil, sign())
    anvil.set_base_fee(5 * GWEI)
    anvil.mine()
    assert anvil.rpc("eth_getTransactionByHash", transaction) is None
    assert int(anvil.rpc("eth_getTransactionCount", anvil.accounts[0].address, "pending"), 16) == 0


def test_a_tip_above_the_maximum(anvil: Anvil, sign: Sign) -> None:
    said = refused(anvil, sign(maxPriorityFeePerGas=5 * GWEI))
    assert said == (-32003, "max priority fee per gas higher than max fee per gas")


def test_another_chain(anvil: Anvil, sign: Sign) -> None:
    assert refused(anvil, sign(chainId=1)) == (-32003, "invalid chain id for signer")


def test_initcode_beyond_eip_3860(anvil: Anvil, sign: Sign) -> None:
    """49,152 bytes; the market's is half of it."""
    assert refused(anvil, sign(to=b"", data=bytes(49_153), gas=10**7)) == (-32003, "max initcode size exceeded")


def test_no_transaction_is_too_large_for_anvil(anvil: Anvil, sign: Sign) -> None:
    """anvil's own: public mempools take 131,072 bytes, so whoever sends must count himself."""
    anvil.receipt(send(anvil, sign(gas=21_000 + 40 * 200_000, data=b"\1" * 200_000)))


def test_a_gap_before_a_nonce_is_waited_for(anvil: Anvil, sign: Sign) -> None:
    late = send(anvil, sign(nonce=1))
    anvil.mine()
    assert anvil.rpc("eth_getTransactionReceipt", late) is None
    anvil.receipt(send(anvil, sign(nonce=0)))
    anvil.mine()
    assert anvil.receipt(late)["status"] == "0x1"


# ── calls that revert ──


@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
def test_a_revert_gives_reason_and_bytes(anvil: Anvil, method: str) -> None:
    said = asked(anvil, method, deployed(anvil, REFUSING))
    assert (said.code, said.message) == (3, "execution reverted: market: wrong phase")
    assert said.data == "0x" + REASON


@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
def test_a_revert_without_reason(anvil: Anvil, method: str) -> None:
    said = asked(anvil, method, deployed(anvil, SILENT))
    assert (said.code, said.message, said.data) == (3, "execution reverted", "0x")


def test_what_takes_more_than_a_transaction_may(anvil: Anvil) -> None:
    """Unless it is told a limit, an estimate goes up to the block's, beyond what a transaction may ask for."""
    dear, endless = deployed(anvil, DEAR), deployed(anvil, ENDLESS)
    free = {"from": anvil.accounts[0].address, "to": dear}
    assert 2**24 < int(anvil.rpc("eth_estimateGas", free), 16) < 30_000_000
    said = asked(anvil, "eth_estimateGas", dear, gas=hex(2**24))
    assert (said.code, said.message) == (-32003, "Out of gas: gas required exceeds allowance: 16777216")
    said = asked(anvil, "eth_estimateGas", endless)
    assert (said.code, said.message) == (-32003, "Out of gas: gas required exceeds allowance: 30000000")
    said = asked(anvil, "eth_call", endless)
    assert (said.code, said.message) == (-32603, "EVM error OutOfGas")


def test_a_reverted_transaction_keeps_its_reason_to_itself(anvil: Anvil, sign: Sign) -> None:
    """The receipt says that it reverted; why, the same call says against the block before."""
    target = deployed(anvil, REFUSING)
    receipt = anvil.receipt(send(anvil, sign(to=target, value=0, gas=100_000)))
    assert receipt["status"] == "0x0"
    assert "reason" not in str(receipt).lower()
    with pytest.raises(Refusal, match="market: wrong phase"):
        anvil.rpc(
            "eth_call",
            {"from": anvil.accounts[0].address, "to": target, "gas": hex(100_000)},
            hex(int(receipt["blockNumber"], 16) - 1),
        )


# ── logs ──


def test_logs_of_blocks_that_are_not_there(anvil: Anvil) -> None:
    """anvil sets no limit to blocks or logs; that the first block is beyond the head is no question of size."""
    assert anvil.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "0xffff"}) == []
    assert anvil.rpc("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x0"}) == []
    with pytest.raises(Refusal) as caught:
        anvil.rpc("eth_getLogs", {"fromBlock": "0xfff0", "toBlock": "0xffff"})
    assert caught.value.code == -32602
    assert caught.value.message == "BlockOutOfRangeError: block height is 1 but requested was 65520"


def test_what_no_node_knows(anvil: Anvil) -> None:
    assert anvil.rpc("eth_getTransactionReceipt", "0x" + "11" * 32) is None
    assert anvil.rpc("eth_getBlockByNumber", "0xffff", False) is None
    with pytest.raises(Refusal) as caught:
        anvil.rpc("eth_nothing")
    assert (caught.value.code, caught.value.message) == (-32601, "Method not found")
