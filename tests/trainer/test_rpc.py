"""Requests to a node: what passes is repeated, what does not is one sentence, and answers are read strictly."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from eth_abi.abi import encode

from trainer.errors import NodeError, Reverted, RpcError
from trainer.index.source import TOO_LARGE, Block
from trainer.node.rpc import ERROR, PANIC, Rpc, reason_of, revert_reason


class Node:
    """Answers requests from a list of (state, body), the last of them again and again."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.asked: list[Any] = []
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                node.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                state, body = node.answers.pop(0) if len(node.answers) > 1 else node.answers[0]
                self.send_response(state)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v3/a-secret-key"

    def say(self, *answers: Any) -> None:
        """Set what is answered: a state and bytes, or a JSON-RPC result or error."""
        self.answers = [one if isinstance(one, tuple) else (200, json.dumps(one).encode()) for one in answers]


@pytest.fixture
def node() -> Iterator[Node]:
    node = Node()
    thread = threading.Thread(target=node.server.serve_forever, args=(0.01,))
    thread.start()
    yield node
    node.server.shutdown()
    thread.join()
    node.server.server_close()


def test_a_request_is_json_rpc(node: Node) -> None:
    node.say({"jsonrpc": "2.0", "id": 1, "result": "0x2a"})

    assert Rpc(node.url).call("eth_thing", 1, "two", [3]) == "0x2a"
    assert node.asked == [{"jsonrpc": "2.0", "id": 1, "method": "eth_thing", "params": [1, "two", [3]]}]


@pytest.mark.parametrize("state", [429, 500, 502, 503, 504])
def test_what_passes_is_asked_again(node: Node, state: int) -> None:
    node.say((state, b"busy"), (state, b""), {"result": "0x1"})

    assert Rpc(node.url).chain_id() == 1
    assert len(node.asked) == 3


def test_what_does_not_pass_in_time_is_said_without_the_key_in_the_address(node: Node) -> None:
    node.say((503, b"busy"))

    with pytest.raises(NodeError, match=r"no answer from the node http://127.0.0.1:\d+ \(HTTP 503\)") as error:
        Rpc(node.url, patience=0.25).call("x")
    assert "secret" not in str(error.value)
    assert len(node.asked) > 1


@pytest.mark.parametrize("answer", [(404, b"not found"), (200, b"<html>"), (200, b"[]"), (200, b'{"ok": true}')])
def test_what_is_no_node_is_said_at_once(node: Node, answer: tuple[int, bytes]) -> None:
    node.say(answer)

    with pytest.raises(NodeError, match=r"is no JSON-RPC node \(HTTP \d+\); check --node"):
        Rpc(node.url, patience=30).call("x")
    assert len(node.asked) == 1


@pytest.mark.parametrize("state", [200, 400, 500])
def test_an_error_that_the_node_names_is_not_repeated(node: Node, state: int) -> None:
    body = {"error": {"code": -32602, "message": "bad params", "data": "more"}}
    node.say((state, json.dumps(body).encode()))

    with pytest.raises(RpcError, match=r"the node refuses eth_x: bad params \(code -32602\)") as error:
        Rpc(node.url, patience=30).call("eth_x")
    assert (error.value.code, error.value.data, len(node.asked)) == (-32602, "more", 1)


SAID = ERROR + encode(["string"], ["market: wrong phase"])


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        # geth and anvil; a node that puts the bytes into an object; one that says it in words; no reason; a panic
        (
            {"code": 3, "message": "execution reverted: market: wrong phase", "data": "0x" + SAID.hex()},
            "market: wrong phase",
        ),
        ({"code": -32015, "message": "VM error", "data": {"data": "0x" + SAID.hex()}}, "market: wrong phase"),
        ({"code": -32000, "message": "execution reverted: market: wrong phase"}, "market: wrong phase"),
        ({"code": 3, "message": "execution reverted", "data": "0x"}, ""),
        ({"code": 3, "message": "execution reverted"}, ""),
        ({"code": 3, "message": "x", "data": "0x" + (PANIC + (0x11).to_bytes(32)).hex()}, "panic 0x11"),
        ({"code": 3, "message": "x", "data": "0x12345678"}, ""),
    ],
)
def test_a_revert_is_its_reason(node: Node, error: dict[str, Any], wanted: str) -> None:
    node.say({"error": error})

    with pytest.raises(Reverted) as found:
        Rpc(node.url).view("0x" + "11" * 20, b"")
    assert found.value.reason == wanted
    with pytest.raises(Reverted):
        Rpc(node.url).estimate(None, b"", sender="0x" + "11" * 20)


def test_other_errors_of_a_call_are_no_reverts(node: Node) -> None:
    node.say({"error": {"code": -32000, "message": "insufficient funds for gas * price + value"}})

    with pytest.raises(RpcError, match="insufficient funds"):
        Rpc(node.url).estimate(None, b"", sender="0x" + "11" * 20)
    assert revert_reason(RpcError("x", -32601, "Method not found")) is None


@pytest.mark.parametrize(
    "data", [ERROR, ERROR + b"\xff" * 64, ERROR + (32).to_bytes(32) + (9).to_bytes(32) + b"\xff" * 32]
)
def test_what_is_no_text_is_no_reason(data: bytes) -> None:
    assert reason_of(data) == ""


@pytest.mark.parametrize("answer", ["x", None, 5, {"number": "0x1"}])
def test_answers_of_another_kind_are_said(node: Node, answer: Any) -> None:
    node.say({"result": answer})

    for ask in (Rpc(node.url).head, lambda: Rpc(node.url).nonce("0x" + "11" * 20)):
        with pytest.raises(NodeError, match="belong"):
            ask()


def test_blocks_and_logs_are_read(node: Node) -> None:
    block = {"number": "0x10", "hash": "0x" + "ab" * 32, "timestamp": "0x20"}
    node.say({"result": block}, {"result": None})
    rpc = Rpc(node.url)

    assert rpc.head() == Block(16, b"\xab" * 32, 32)
    assert rpc.block(17) is None
    log = {
        "blockNumber": "0x2",
        "blockHash": "0x" + "cd" * 32,
        "logIndex": "0x1",
        "transactionHash": "0x" + "ef" * 32,
        "topics": ["0x" + "01" * 32],
        "data": "0x02",
        "removed": False,
    }
    node.say({"result": [log, {**log, "logIndex": "0x0"}, {**log, "removed": True}]})
    found = rpc.logs("0x" + "11" * 20, 1, 5, topics=[b"\x01" * 32])

    assert [(one.block, one.transaction, one.topics, one.data) for one in found] == [
        (2, b"\xef" * 32, (b"\x01" * 32,), b"\x02")
    ] * 2
    assert node.asked[-1]["params"] == [
        {"address": "0x" + "11" * 20, "fromBlock": "0x1", "toBlock": "0x5", "topics": ["0x" + "01" * 32]}
    ]


@pytest.mark.parametrize(
    "said", ["query returned more than 10000 results", "block range is too wide", "Log response size exceeded"]
)
def test_a_range_that_is_too_large_can_be_told_from_other_errors(node: Node, said: str) -> None:
    node.say({"error": {"code": -32602, "message": said}})
    rpc = Rpc(node.url)

    with pytest.raises(NodeError, match=TOO_LARGE):
        rpc.logs("0x" + "11" * 20, 1, 5)
    # a head that went back is no reason to ask for less
    node.say({"error": {"code": -32602, "message": "BlockOutOfRangeError: block height is 1 but requested was 5"}})
    with pytest.raises(RpcError):
        rpc.logs("0x" + "11" * 20, 1, 5)
    node.say({"error": {"code": -32602, "message": said}})
    # one block cannot be fewer
    with pytest.raises(RpcError):
        rpc.logs("0x" + "11" * 20, 5, 5)


def test_a_range_that_is_too_large_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def logs(self: Rpc, address: str, first: int, last: int, topics: Any = ()) -> Any:
        if last - first >= 3:
            raise NodeError(f"{TOO_LARGE}: no more than 3 blocks")
        asked.append((first, last))
        return list(range(first, last + 1))

    monkeypatch.setattr(Rpc, "logs", logs)

    assert Rpc("http://127.0.0.1:1").every_log("0x" + "11" * 20, 5, 14) == list(range(5, 15))
    assert asked == [(5, 7), (8, 9), (10, 12), (13, 14)]


def test_calls_one_after_another_stop_at_the_first_that_reverts(node: Node) -> None:
    good, bad = {"status": "0x1", "returnData": "0x"}, {"status": "0x0", "returnData": "0x" + SAID.hex()}
    node.say({"result": [{"calls": [good, bad]}]}, {"result": [{"calls": [good, good]}]})
    rpc, calls = Rpc(node.url), [("0x" + "11" * 20, b"\x01"), ("0x" + "22" * 20, b"\x02")]

    assert rpc.simulate(calls, sender="0x" + "33" * 20) == "market: wrong phase"
    assert rpc.simulate(calls, sender="0x" + "33" * 20) is None
    assert node.asked[0]["method"] == "eth_simulateV1"
