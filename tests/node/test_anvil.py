"""Every fault that `Anvil` offers does what it says, told by the node itself."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Literal

import pytest

from tests.node.anvil import CHAIN_ID, GENESIS_TIME, RECEIPT_SECONDS, SECONDS_PER_BLOCK, Anvil
from tests.node.command import ROOT, head_timestamp
from tests.node.jsonrpc import Refusal

HISTORY = "0x0000F90827F1C53a10cb7A02335B175320002935"
# on every call: log the word 42 without topics, and store the block's number in slot 0
LOGGING = "602a5f5260205fa0435f5500"
LOGGING_INIT = f"0x600c600a5f39600c5ff3{LOGGING}"
ETHER = 10**18
START = GENESIS_TIME + SECONDS_PER_BLOCK
CLOCK = {"to": None, "data": "0x425f5260205ff3"}


def word(number: int) -> str:
    return "0x" + number.to_bytes(32).hex()


def pay(node: Anvil, **more: object) -> str:
    return node.send(**{"from": node.accounts[0].address, "to": node.accounts[1].address, "value": 1, **more})


def mined_in(node: Anvil, transaction: str) -> int | None:
    found = node.rpc("eth_getTransactionReceipt", transaction)
    return None if found is None else int(found["blockNumber"], 16)


def known(node: Anvil, transaction: str) -> bool:
    return node.rpc("eth_getTransactionByHash", transaction) is not None


def nonce(node: Anvil, block: str = "latest") -> int:
    return int(node.rpc("eth_getTransactionCount", node.accounts[0].address, block), 16)


# ── the chain's rules ──


def test_a_fresh_chain_begins_at_a_fixed_moment_with_funded_accounts(anvil: Anvil) -> None:
    head = anvil.block()
    assert (head.number, head.timestamp) == (1, START)
    assert int(anvil.rpc("eth_chainId"), 16) == CHAIN_ID
    assert anvil.url.startswith("http://127.0.0.1:")
    balances = [int(anvil.rpc("eth_getBalance", account.address, "latest"), 16) for account in anvil.accounts]
    assert balances == [10_000 * ETHER] * 10


def test_accounts_come_with_their_keys(anvil: Anvil) -> None:
    from eth_account import Account

    for account in anvil.accounts:
        assert Account.from_key(account.key).address == account.address


def test_old_hashes_are_in_the_contract_of_eip_2935(anvil: Anvil) -> None:
    anvil.mine(300)
    said = anvil.rpc("eth_call", {"to": HISTORY, "data": word(7)}, "latest")
    assert said == "0x" + anvil.block(7).hash.hex()


def test_calldata_costs_the_floor_of_eip_7623(anvil: Anvil) -> None:
    receipt = anvil.receipt(pay(anvil, data="0x" + "ff" * 1000, gas=100_000))
    assert int(receipt["gasUsed"], 16) == 21_000 + 40 * 1000


def test_a_transaction_may_ask_for_so_much_gas_and_no_more(anvil: Anvil) -> None:
    assert int(anvil.receipt(pay(anvil, gas=2**24))["status"], 16) == 1
    with pytest.raises(Refusal, match="tx_gas_limit_cap"):
        pay(anvil, gas=2**24 + 1)


def test_a_contract_may_have_24576_bytes(anvil: Anvil) -> None:
    sender = anvil.accounts[0].address
    statuses = [
        anvil.receipt(anvil.send(**{"from": sender, "data": f"0x61{size:04x}5ff3", "gas": 10**7}))["status"]
        for size in (24_576, 24_577)
    ]
    assert statuses == ["0x1", "0x0"]


# ── blocks and time ──


@pytest.mark.long_node
def test_the_clock_moves_with_blocks_and_not_with_the_test(anvil: Anvil) -> None:
    anvil.receipt(pay(anvil))
    time.sleep(1.1)
    anvil.receipt(pay(anvil))
    assert anvil.block().timestamp == START + 2 * SECONDS_PER_BLOCK


def test_mining_ends_exactly_when_it_is_asked_to(anvil: Anvil) -> None:
    start = anvil.mine()
    heads = [anvil.mine(5), anvil.mine(seconds=1), anvil.mine(7, 100), anvil.mine(3, 3), anvil.mine()]
    gaps = [head.timestamp - start.timestamp for head in heads]
    assert gaps == [60, 61, 161, 164, 176]
    assert [head.number - start.number for head in heads] == [5, 6, 13, 16, 17]
    stamps = [anvil.block(number).timestamp for number in range(anvil.block().number + 1)]
    assert stamps == sorted(set(stamps))
    with pytest.raises(ValueError, match="4 blocks in 3 seconds"):
        anvil.mine(4, 3)


def test_mining_until_a_moment(anvil: Anvil) -> None:
    head = anvil.mine_until(GENESIS_TIME + 5_000)
    assert (head.number, head.timestamp) == (2, GENESIS_TIME + 5_000)
    assert anvil.mine_until(GENESIS_TIME + 4_000) == head


def test_the_next_timestamp_is_seen_once_it_is_mined(anvil: Anvil) -> None:
    anvil.set_next_timestamp(START + 777)
    assert int(anvil.rpc("eth_call", CLOCK, "latest"), 16) == START
    anvil.mine()
    assert int(anvil.rpc("eth_call", CLOCK, "latest"), 16) == START + 777
    with pytest.raises(Refusal, match="lower than previous"):
        anvil.set_next_timestamp(GENESIS_TIME)


def test_the_base_fee_is_that_of_the_next_block(anvil: Anvil) -> None:
    anvil.set_base_fee(50 * 10**9)
    head = anvil.mine()
    assert head.base_fee == 50 * 10**9
    # and falls by an eighth over an empty block
    assert anvil.mine().base_fee == 50 * 10**9 * 7 // 8


def test_without_automining_a_transaction_waits_for_a_block(anvil: Anvil) -> None:
    anvil.automine(False)
    transaction = pay(anvil)
    with pytest.raises(TimeoutError, match="not mined after 0.3 seconds"):
        anvil.receipt(transaction, seconds=0.3)
    assert (nonce(anvil, "latest"), nonce(anvil, "pending")) == (0, 1)
    anvil.mine()
    assert mined_in(anvil, transaction) == 2
    anvil.automine(True)
    anvil.receipt(pay(anvil))


@pytest.mark.long_node
def test_interval_mining_gathers_transactions_into_blocks(anvil: Anvil) -> None:
    anvil.mine_every(1)
    transactions = [pay(anvil) for _ in range(3)]
    blocks = {anvil.receipt(transaction)["blockNumber"] for transaction in transactions}
    assert len(blocks) < 3
    anvil.mine_every(0)
    head = anvil.block()
    assert head.timestamp == GENESIS_TIME + SECONDS_PER_BLOCK * head.number
    time.sleep(1.2)
    assert anvil.block() == head
    anvil.receipt(pay(anvil))


def test_funds_from_nowhere(anvil: Anvil) -> None:
    address = "0x" + "ab" * 20
    anvil.fund(address, 3 * ETHER)
    assert int(anvil.rpc("eth_getBalance", address, "latest"), 16) == 3 * ETHER


# ── faults ──


def test_a_dropped_transaction_is_forgotten_and_frees_its_nonce(anvil: Anvil) -> None:
    anvil.automine(False)
    first = pay(anvil)
    anvil.drop(first)
    assert not known(anvil, first)
    assert nonce(anvil, "pending") == 0
    anvil.mine()
    assert mined_in(anvil, first) is None
    with pytest.raises(LookupError, match="not pending"):
        anvil.drop(first)


@pytest.mark.parametrize(
    ("mode", "blocks", "still_known", "counted"),
    [("lost", [None, None], False, 1), ("kept", [4, 4], True, 3), ("pending", [None, None], True, 1)],
)
def test_a_reorganisation_replaces_the_last_blocks(
    anvil: Anvil, mode: Literal["lost", "kept", "pending"], blocks: list[int | None], still_known: bool, counted: int
) -> None:
    transactions = []
    for _ in range(3):
        transactions.append(pay(anvil))
        anvil.receipt(transactions[-1])
    old = [anvil.block(number) for number in range(5)]
    head = anvil.reorganise(2, mode)
    new = [anvil.block(number) for number in range(5)]
    assert head == new[4]
    assert old[:3] == new[:3]
    assert all(old[number].hash != new[number].hash for number in (3, 4))
    assert [block.timestamp for block in new] == [block.timestamp for block in old]
    assert [mined_in(anvil, each) for each in transactions] == [2, *blocks]
    assert [known(anvil, each) for each in transactions] == [True, still_known, still_known]
    assert nonce(anvil) == counted
    anvil.mine()
    if mode == "pending":
        assert [mined_in(anvil, each) for each in transactions] == [2, 5, 5]


def test_a_reorganisation_takes_logs_and_storage_along(anvil: Anvil) -> None:
    sender = anvil.accounts[0].address
    contract = anvil.receipt(anvil.send(**{"from": sender, "data": LOGGING_INIT, "gas": 10**6}))["contractAddress"]
    anvil.receipt(anvil.send(**{"from": sender, "to": contract, "gas": 10**6}))

    def logs() -> list[int]:
        found = anvil.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "address": contract})
        return [int(log["blockNumber"], 16) for log in found]

    def slot() -> int:
        return int(anvil.rpc("eth_getStorageAt", contract, "0x0", "latest"), 16)

    assert (logs(), slot()) == ([3], 3)
    anvil.mine()
    anvil.reorganise(2, "kept")
    assert (logs(), slot()) == ([4], 4)
    anvil.reorganise(2)
    assert (logs(), slot()) == ([], 0)


def test_pending_transactions_stay_out_of_a_reorganisation(anvil: Anvil) -> None:
    anvil.receipt(pay(anvil))
    anvil.mine()
    anvil.automine(False)
    waiting = pay(anvil)
    anvil.reorganise(1)
    assert mined_in(anvil, waiting) is None
    assert known(anvil, waiting)


def test_what_happened_can_be_undone(anvil: Anvil) -> None:
    before = anvil.mine()
    with anvil.undone():
        transaction = pay(anvil)
        anvil.receipt(transaction)
    assert anvil.block() == before
    assert nonce(anvil) == 0
    assert mined_in(anvil, transaction) is None


def test_a_hanging_node_answers_late(anvil: Anvil) -> None:
    with anvil.hanging(), pytest.raises(TimeoutError):
        anvil.rpc("eth_blockNumber", timeout=0.3)
    assert anvil.rpc("eth_blockNumber") == "0x1"


# ── processes ──


def test_a_node_that_was_stopped_goes_on_where_it_was(anvil: Anvil) -> None:
    sender = anvil.accounts[0].address
    contract = anvil.receipt(anvil.send(**{"from": sender, "data": LOGGING_INIT, "gas": 10**6}))["contractAddress"]
    transaction = anvil.send(**{"from": sender, "to": contract, "gas": 10**6})
    anvil.receipt(transaction)
    anvil.mine(3, 1_000)

    def seen() -> list[object]:
        return [
            [anvil.block(number) for number in range(anvil.block().number + 1)],
            anvil.rpc("eth_getTransactionReceipt", transaction),
            anvil.rpc("eth_getTransactionByHash", transaction),
            anvil.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"}),
            [anvil.rpc("eth_getStorageAt", contract, "0x0", block) for block in ("0x2", "0x3", "latest")],
            anvil.rpc("eth_call", {"to": HISTORY, "data": word(2)}, "latest"),
            [nonce(anvil), anvil.accounts, anvil.url, anvil.rpc("eth_call", CLOCK, "latest")],
        ]

    before, process = seen(), anvil.process_id
    anvil.stop()
    with pytest.raises(OSError, match="refused"):
        anvil.rpc("eth_blockNumber")
    anvil.start()
    assert anvil.process_id != process
    assert seen() == before
    head = anvil.block()
    assert anvil.mine().timestamp == head.timestamp + SECONDS_PER_BLOCK


def test_after_a_restart_blockhash_is_wrong_and_eip_2935_right(anvil: Anvil) -> None:
    """A fact about anvil that the docstring of `Anvil` warns of; should it change, the warning can go."""
    anvil.mine(3)
    opcode = {"to": None, "data": "0x6002405f5260205ff3"}
    true = "0x" + anvil.block(2).hash.hex()
    assert anvil.rpc("eth_call", opcode, "latest") == true
    anvil.stop()
    anvil.start()
    assert anvil.rpc("eth_call", opcode, "latest") != true
    assert anvil.rpc("eth_call", {"to": HISTORY, "data": word(2)}, "latest") == true


def test_a_killed_node_forgets_what_it_did_not_save(anvil: Anvil) -> None:
    anvil.receipt(pay(anvil))
    saved = anvil.block()
    anvil.save()
    lost = pay(anvil)
    anvil.receipt(lost)
    anvil.automine(False)
    waiting = pay(anvil)
    anvil.kill()
    with pytest.raises(OSError, match="refused"):
        anvil.rpc("eth_blockNumber")
    anvil.start()
    assert anvil.block() == saved
    assert nonce(anvil) == 1
    assert not known(anvil, lost)
    assert not known(anvil, waiting)


def test_a_killed_node_that_saved_nothing_begins_anew(anvil: Anvil) -> None:
    first = anvil.block()
    anvil.receipt(pay(anvil))
    anvil.kill()
    anvil.start()
    assert anvil.block() == first
    assert nonce(anvil) == 0


def test_a_torn_state_is_refused(anvil: Anvil) -> None:
    anvil.save()
    anvil.kill()
    state = anvil._state
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(ValueError, match="not a whole state of anvil"):
        anvil.start()


@pytest.mark.long_node
def test_no_process_survives_whoever_started_it(tmp_path: Path, anvil: Anvil) -> None:
    """Not even where Python ends without a chance to say so."""
    program = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from tests.node.anvil import Anvil
        node = Anvil(Path(sys.argv[1]))
        node.start()
        print(node.process_id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    process = int(done.stdout)
    end = time.monotonic() + RECEIPT_SECONDS
    while Path(f"/proc/{process}").exists() and "Z" not in Path(f"/proc/{process}/stat").read_text().split()[2]:
        assert time.monotonic() < end, f"{process} lives on"
        time.sleep(0.01)


@pytest.mark.long_node
def test_make_node_keeps_its_chain(tmp_path: Path, anvil: Anvil) -> None:
    """The program behind `make node`, interrupted and started again; it goes on after its last block."""
    state = tmp_path / "kept" / "state.json"

    def serve() -> tuple[subprocess.Popen[bytes], Path]:
        words = [sys.executable, "-m", "tests.node.serve", "--port", "0", "--block-time", "0", "--state", str(state)]
        log = tmp_path / "serve.log"
        with log.open("wb") as output:
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
            return subprocess.Popen(words, cwd=ROOT, stdout=output, env=environment), log

    heads = []
    for _ in range(2):
        process, log = serve()
        try:
            node = Anvil(tmp_path)
            node._process = process
            node._port = node._wait_for_port(log)
            heads.append(node.block())
            # two days ahead of the wall clock, and more blocks than anvil keeps the states of in memory
            node.rpc("evm_increaseTime", 172_800)
            node.rpc("anvil_mine", hex(600))
            heads.append(node.block())
            process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
    assert head_timestamp(state) == heads[-1].timestamp
    assert heads[1] == heads[2]
    assert heads[3].number == 1200
    assert not [path for path in (tmp_path / ".foundry").rglob("*") if path.is_file()]
    assert heads[3].timestamp >= heads[2].timestamp + 172_800
