"""Nothing is sent twice, and nothing is lost: the outbox against every fault that a node and its network have."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from tests.node.anvil import Anvil
from trainer.errors import ChainError, NodeError, Reverted, RpcError
from trainer.node import outbox as module
from trainer.node.chain import connect
from trainer.node.keys import KeySigner, RemoteSigner
from trainer.node.outbox import DONE, FAILED, GWEI, OPEN, FeeTooHigh, Outbox
from trainer.node.rpc import Rpc
from trainer.node.settings import Settings

SINK = "0x000000000000000000000000000000000000dEaD"
MakeOutbox = Callable[..., Outbox]
# returns what it stored, once: CALLVALUE of the first call; reverts with nothing afterwards
ONCE = bytes.fromhex("5f54600c57346001015f55005b5f5ffd")
# PUSH1 size, PUSH1 offset, PUSH0, CODECOPY, PUSH1 size, PUSH0, RETURN
ONCE_INITCODE = bytes.fromhex("6010600a5f3960105ff3") + ONCE


@pytest.fixture
def make(anvil: Anvil, tmp_path: Path) -> MakeOutbox:
    """A new `Outbox` over the same file, as a process that starts again has."""

    def outbox(*, patience: float = 2.0, account: int = 0, **more: Any) -> Outbox:
        signer = KeySigner(Account.from_key(anvil.accounts[account].key))
        return Outbox(tmp_path / "outbox.sqlite", Rpc(anvil.url, patience=patience), signer, **more)

    return outbox


def received(anvil: Anvil) -> int:
    """Wei that the sink holds: how often a transaction of 1 wei was mined."""
    return int(anvil.rpc("eth_getBalance", SINK, "latest"), 16)


def wait(outbox: Outbox, key: str) -> None:
    """Look after a key until it is done."""
    end = time.monotonic() + 20
    while outbox.submit(key, SINK, b"", value=1) is None:
        assert time.monotonic() < end, outbox.record(key)
        time.sleep(0.02)


def test_a_key_is_sent_once_whoever_asks(anvil: Anvil, make: MakeOutbox) -> None:
    first = make().send("pay/1", SINK, b"", value=1)

    # another process, and other contents: the key is what counts
    assert make().send("pay/1", SINK, b"", value=1) == first
    assert make().send("pay/1", SINK, b"", value=5) == first
    assert received(anvil) == 1
    assert make().send("pay/2", SINK, b"", value=1)["transactionHash"] != first["transactionHash"]
    assert received(anvil) == 2


def test_it_is_saved_before_it_is_sent(anvil: Anvil, make: MakeOutbox, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = make()

    def kill(self: Rpc, raw: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Rpc, "send", kill)
        with pytest.raises(KeyboardInterrupt):
            killed.submit("pay", SINK, b"", value=1)
    record = make().record("pay")
    assert record is not None
    assert (record.state, record.nonce, received(anvil)) == (OPEN, 0, 0)

    make().tend()
    wait(make(), "pay")

    assert received(anvil) == 1


def test_an_answer_that_is_lost_is_no_second_transaction(
    anvil: Anvil, make: MakeOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Rpc.send

    def mute(self: Rpc, raw: bytes) -> None:
        send(self, raw)
        raise NodeError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(Rpc, "send", mute)
        with pytest.raises(NodeError):
            make().submit("pay", SINK, b"", value=1)
    wait(make(), "pay")

    assert received(anvil) == 1


def test_an_error_that_says_nothing_certain_frees_no_nonce(
    anvil: Anvil, make: MakeOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Rpc.send

    def lie(self: Rpc, raw: bytes) -> None:
        send(self, raw)
        raise RpcError("eth_sendRawTransaction", -32000, "request timed out")

    with monkeypatch.context() as patch:
        patch.setattr(Rpc, "send", lie)
        # as on a node that does not list it yet
        patch.setattr(Rpc, "known", lambda self, digest: False)
        with pytest.raises(RpcError, match="timed out"):
            make().submit("pay", SINK, b"", value=1)
    assert _record(make(), "pay").state == OPEN
    wait(make(), "pay")

    assert received(anvil) == 1


def test_a_dropped_transaction_is_sent_again(anvil: Anvil, make: MakeOutbox) -> None:
    anvil.automine(False)
    outbox = make()
    assert outbox.submit("pay", SINK, b"", value=1) is None
    (digest,) = [one[0] for one in outbox._attempts(_record(outbox, "pay"))]
    anvil.drop("0x" + digest.hex())
    anvil.mine()
    assert received(anvil) == 0

    outbox.submit("pay", SINK, b"", value=1)
    anvil.mine()

    receipt = outbox.submit("pay", SINK, b"", value=1)
    assert receipt is not None
    assert (receipt["transactionHash"], received(anvil)) == ("0x" + digest.hex(), 1)


def test_what_a_fee_overtook_is_made_dearer_with_its_nonce(anvil: Anvil, make: MakeOutbox) -> None:
    anvil.automine(False)
    outbox = make()
    outbox.submit("pay", SINK, b"", value=1)
    (before,) = outbox._attempts(_record(outbox, "pay"))
    anvil.set_base_fee(before[2] + 20 * GWEI)
    anvil.mine()
    assert received(anvil) == 0, "its fee is too low now"

    outbox.submit("pay", SINK, b"", value=1)
    anvil.mine()

    receipt = outbox.submit("pay", SINK, b"", value=1)
    _, after = outbox._attempts(_record(outbox, "pay"))
    assert receipt is not None
    assert after[2] >= before[2] + 20 * GWEI
    assert (receipt["transactionHash"], received(anvil)) == ("0x" + after[0].hex(), 1)


def test_what_is_stuck_is_made_dearer(anvil: Anvil, make: MakeOutbox, monkeypatch: pytest.MonkeyPatch) -> None:
    anvil.automine(False)
    outbox = make()
    outbox.submit("pay", SINK, b"", value=1)
    outbox.submit("pay", SINK, b"", value=1)
    assert len(outbox._attempts(_record(outbox, "pay"))) == 1

    monkeypatch.setattr(module, "STUCK_SECONDS", -1.0)
    outbox.submit("pay", SINK, b"", value=1)

    first, second = outbox._attempts(_record(outbox, "pay"))
    assert second[2] * 8 >= first[2] * 9
    assert second[4] * 8 >= first[4] * 9
    anvil.mine()
    assert received(anvil) == 1
    assert outbox.submit("pay", SINK, b"", value=1) is not None


def test_nothing_is_made_dearer_than_allowed(anvil: Anvil, make: MakeOutbox) -> None:
    anvil.automine(False)
    outbox = make(max_fee=3 * GWEI)
    outbox.submit("pay", SINK, b"", value=1)
    anvil.set_base_fee(50 * GWEI)
    anvil.mine()

    outbox.submit("pay", SINK, b"", value=1)

    assert len(outbox._attempts(_record(outbox, "pay"))) == 1
    with pytest.raises(FeeTooHigh, match=r"a gas costs .* gwei, and max_fee_gwei is 3"):
        outbox.submit("other", SINK, b"", value=1)
    assert outbox.record("other") is None
    anvil.set_base_fee(GWEI)
    anvil.mine()
    anvil.automine(True)
    wait(outbox, "pay")
    assert received(anvil) == 1


def test_a_hole_among_nonces_is_filled(anvil: Anvil, make: MakeOutbox) -> None:
    anvil.automine(False)
    outbox = make()
    outbox.submit("lost", SINK, b"", value=1)
    outbox.submit("pay", SINK, b"", value=1)
    (digest,) = [one[0] for one in outbox._attempts(_record(outbox, "lost"))]
    anvil.drop("0x" + digest.hex())
    # as after a restored backup: nobody has the first any more
    outbox._db.execute("DELETE FROM transactions WHERE key = 'lost'")
    anvil.automine(True)

    wait(outbox, "pay")

    assert received(anvil) == 1
    assert [(record.key, record.nonce) for record in outbox.records()] == [("filler/0", 0), ("pay", 1)]


def test_what_waits_for_another_sends_that_again(anvil: Anvil, make: MakeOutbox) -> None:
    anvil.automine(False)
    outbox = make()
    outbox.submit("first", SINK, b"", value=1)
    outbox.submit("second", SINK, b"", value=1)
    # anvil drops what waits for one, too
    for key in ("second", "first"):
        anvil.drop("0x" + outbox._attempts(_record(outbox, key))[0][0].hex())
    anvil.automine(True)

    # nobody asks for the first
    wait(outbox, "second")

    assert received(anvil) == 2


@pytest.mark.parametrize("lost", ["lost", "pending", "kept"])
def test_a_block_that_is_undone_is_noticed(anvil: Anvil, make: MakeOutbox, lost: Any) -> None:
    outbox = make()
    first = outbox.send("pay", SINK, b"", value=1)
    outbox.send("other", SINK, b"", value=1)

    anvil.reorganise(2, lost)
    assert received(anvil) == (2 if lost == "kept" else 0)
    anvil.automine(True)
    outbox.tend()
    anvil.mine()
    outbox.tend()

    record = _record(outbox, "pay")
    assert (record.state, received(anvil)) == (DONE, 2)
    assert record.receipt is not None
    assert record.receipt["transactionHash"] == first["transactionHash"]
    assert record.receipt["blockHash"] != first["blockHash"]


def test_it_counts_when_it_is_deep_enough(anvil: Anvil, make: MakeOutbox) -> None:
    outbox = make(confirmations=3)
    outbox.submit("pay", SINK, b"", value=1)
    for _ in range(2):
        time.sleep(0.05)
        assert outbox.submit("pay", SINK, b"", value=1) is None
        assert _record(outbox, "pay").state == OPEN
        anvil.mine()

    assert outbox.submit("pay", SINK, b"", value=1) is not None
    assert received(anvil) == 1


def test_a_transaction_that_reverts_in_its_block_says_so_and_can_be_tried_again(anvil: Anvil, make: MakeOutbox) -> None:
    outbox = make()
    target = str(outbox.send("deploy", None, ONCE_INITCODE)["contractAddress"])
    assert outbox.rpc.code(target) == ONCE
    anvil.automine(False)
    outbox.submit("call", target, b"")
    # somebody who pays more is there before
    sender = anvil.accounts[1].address
    anvil.send(**{"from": sender}, to=target, gas=100_000, maxFeePerGas=90 * GWEI, maxPriorityFeePerGas=50 * GWEI)
    anvil.mine()

    with pytest.raises(
        Reverted, match=r"call was mined in block \d and reverted \(no reason given\); its gas is spent"
    ):
        outbox.tend()

    assert _record(outbox, "call").state == FAILED
    # now the estimate refuses, and nothing is sent
    nonce = outbox.rpc.nonce(outbox.signer.address, pending=True)
    with pytest.raises(Reverted, match="the contract refuses"):
        outbox.submit("call", target, b"")
    assert outbox.rpc.nonce(outbox.signer.address, pending=True) == nonce
    anvil.automine(True)
    outbox.send("pay", SINK, b"", value=1)
    assert received(anvil) == 1


def test_two_processes_of_one_account_share_its_nonces(anvil: Anvil, make: MakeOutbox) -> None:
    failures: list[BaseException] = []

    def run(name: str) -> None:
        outbox = make()
        try:
            for number in range(8):
                outbox.send(f"{name}/{number}", SINK, b"", value=1)
                # and one that both want
                outbox.send(f"both/{number}", SINK, b"", value=1)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(name,)) for name in ("ada", "ben")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert received(anvil) == 24
    assert [record.nonce for record in make().records()] == list(range(24))


def test_another_program_with_the_same_key_is_noticed(
    anvil: Anvil, make: MakeOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    anvil.automine(False)
    outbox = make()
    outbox.submit("pay", SINK, b"", value=1)
    anvil.drop("0x" + outbox._attempts(_record(outbox, "pay"))[0][0].hex())
    anvil.automine(True)
    anvil.receipt(anvil.send(**{"from": anvil.accounts[0].address}, to=anvil.accounts[1].address, value=1))

    # the receipt gets a moment to appear
    assert outbox.submit("pay", SINK, b"", value=1) is None
    monkeypatch.setattr(module, "LAG_SECONDS", 0.0)
    with pytest.raises(ChainError, match="another program used nonce 0 of .* so pay was not sent"):
        outbox.submit("pay", SINK, b"", value=1)
    wait(outbox, "pay")

    assert received(anvil) == 1
    assert _record(outbox, "pay").nonce == 1


def test_a_node_that_restarts_from_an_older_state_gets_what_it_forgot(anvil: Anvil, make: MakeOutbox) -> None:
    outbox = make(patience=20.0)
    outbox.send("pay/1", SINK, b"", value=1)
    anvil.save()
    outbox.send("pay/2", SINK, b"", value=1)
    anvil.kill()
    with pytest.raises(NodeError, match="no answer from the node .*connection refused.* check that it runs"):
        make(patience=0.2).tend()

    anvil.start()
    assert received(anvil) == 1
    wait(outbox, "pay/2")

    assert received(anvil) == 2
    assert [record.state for record in outbox.records()] == [DONE, DONE]


def test_a_node_that_hangs_for_a_while_is_waited_for(anvil: Anvil, make: MakeOutbox, monkeypatch: Any) -> None:
    monkeypatch.setattr("trainer.node.rpc.TIMEOUT", 0.3)
    with anvil.hanging():
        thread = threading.Timer(0.5, lambda: None)
        thread.start()
        with pytest.raises(NodeError, match="no answer"):
            make(patience=0.5).send("pay", SINK, b"", value=1)
        thread.join()
    make().send("pay", SINK, b"", value=1)
    assert received(anvil) == 1


@pytest.mark.parametrize(
    ("wei", "value", "told"),
    [
        (0, 1, r"holds 0 ether, and pay takes 0.000000000000000001 and gas; send it more first"),
        (10**12, 1, r"holds 0.000001 ether, and pay takes up to 0.0000\d+ with its gas; send it more first"),
    ],
)
def test_too_little_ether_is_said_before(anvil: Anvil, make: MakeOutbox, wei: int, value: int, told: str) -> None:
    anvil.fund(anvil.accounts[3].address, wei)
    outbox = make(account=3)

    with pytest.raises(ChainError, match=told):
        outbox.send("pay", SINK, b"", value=value)
    assert outbox.records() == []


def test_a_call_to_nobody_is_refused(make: MakeOutbox) -> None:
    with pytest.raises(ChainError, match="no contract at .* on this chain"):
        make().send("call", SINK, b"\x01\x02\x03\x04", value=1)


def test_more_gas_than_one_may_ask_for_is_refused(make: MakeOutbox) -> None:
    with pytest.raises(ChainError, match=r"takes more than 30,000 gas, all that one may ask for; do less"):
        make(gas_cap=30_000).send("deploy", None, ONCE_INITCODE)


def test_more_bytes_than_nodes_take_are_refused(make: MakeOutbox) -> None:
    with pytest.raises(ChainError, match="carries 131,072 bytes, and nodes take 130,560; do less in one"):
        make().send("call", None, bytes(2**17))


def test_a_new_chain_of_the_same_id_is_another(anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(node=anvil.url, home=tmp_path / "home", patience=2.0)
    signer = KeySigner(Account.from_key(anvil.accounts[0].key))
    first = connect(settings, signer)
    first.transact(SINK, b"", sender=signer.address, value=1, key="pay")
    assert connect(settings, signer).directory == first.directory
    anvil.kill()
    monkeypatch.setattr("tests.node.anvil.GENESIS_TIME", 1_760_000_000)
    anvil.start()

    second = connect(settings, signer)
    assert second.outbox is not None
    second.outbox.tend()

    assert (second.chain_id, second.outbox.records(), received(anvil)) == (first.chain_id, [], 0)


def test_wrong_endpoints_are_one_sentence(anvil: Anvil, tmp_path: Path) -> None:
    settings = Settings(node=anvil.url, home=tmp_path, patience=0.1)

    with pytest.raises(NodeError, match=r"is on chain 31337, and the settings want 1; check --node"):
        connect(replace(settings, chain_id=1))
    with pytest.raises(NodeError, match=r"no node is named; start one with `make node`"):
        connect(replace(settings, node=None))
    with pytest.raises(NodeError, match=r"no answer from the node http://127.0.0.1:1 \(connection refused\)"):
        connect(replace(settings, node="http://127.0.0.1:1"))
    with pytest.raises(NodeError, match="no address of a node"):
        Rpc("127.0.0.1:8545")


def test_a_signer_behind_an_endpoint_signs(anvil: Anvil, make: MakeOutbox, tmp_path: Path) -> None:
    address = anvil.accounts[2].address
    outbox = Outbox(tmp_path / "x.sqlite", Rpc(anvil.url), RemoteSigner(Rpc(anvil.url), address))

    outbox.send("pay", SINK, b"", value=1)

    assert received(anvil) == 1
    assert outbox.rpc.nonce(address) == 1


def test_an_error_of_the_node_is_named(anvil: Anvil) -> None:
    with pytest.raises(RpcError, match=r"the node refuses nonsense: .* \(code -32601\)"):
        Rpc(anvil.url).call("nonsense")


def _record(outbox: Outbox, key: str) -> module.Record:
    record = outbox.record(key)
    assert record is not None
    return record
