"""`trainer dashboard` as a process, on a node that knows a market's code, its logs, and little else."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.invented import MARKET, Invented, showcase
from tests.world import Site
from trainer.index import Block, Log

# a proxy of the environment has nothing to do with this machine
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Endpoint:
    """A history behind JSON-RPC."""

    def __init__(self, chain: Invented, code: bytes) -> None:
        self.chain, self.code = chain, code
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                result = endpoint.answer(body["method"], body["params"])
                said = json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": result}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        if not self.thread.is_alive():
            return
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, method: str, params: list[Any]) -> Any:
        if method == "eth_chainId":
            return "0x1"
        if method == "eth_getCode":
            return "0x" + (self.code if params[0].lower() == MARKET else b"").hex()
        if method == "eth_getLogs":
            first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
            return [_log(log) for log in self.chain.logs(params[0]["address"], first, last)]
        assert method == "eth_getBlockByNumber", method
        named = params[0] in ("latest", "pending")
        return _block(self.chain.head() if named else self.chain.block(int(params[0], 16)))


def _block(block: Block | None) -> dict[str, str] | None:
    if block is None:
        return None
    return {"number": hex(block.number), "hash": "0x" + block.hash.hex(), "timestamp": hex(block.timestamp)}


def _log(log: Log) -> dict[str, Any]:
    return {
        "blockNumber": hex(log.block),
        "blockHash": "0x" + log.block_hash.hex(),
        "logIndex": hex(log.index),
        "transactionHash": "0x" + log.transaction.hex(),
        "topics": ["0x" + topic.hex() for topic in log.topics],
        "data": "0x" + log.data.hex(),
    }


@pytest.fixture
def node(site: Site) -> Iterator[Endpoint]:
    endpoint = Endpoint(showcase(), site.chain.env.get_code(site.market.address))
    yield endpoint
    endpoint.close()


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command, with no settings but these."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    return subprocess.Popen(
        [sys.executable, "-m", "trainer", "dashboard", "--json", "--home", str(home), *arguments],
        env={**clean, "PYTHONPATH": str(Path(__file__).parent.parent.parent), "ASSAY_PATIENCE": "0.5"},
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def get(url: str, host: str | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={} if host is None else {"Host": host})
    try:
        with OPENER.open(request, timeout=30) as answer:
            assert "Server" not in answer.headers
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def until(url: str, wanted: str) -> str:
    """A page once it says something, which takes as long as reading the chain does."""
    text = ""
    for _ in range(600):
        text = get(url)[1]
        if wanted in text:
            return text
        time.sleep(0.2)
    raise AssertionError(f"{wanted!r} never came: {text}")


def test_it_serves_says_when_the_node_is_gone_and_ends_when_told(node: Endpoint, tmp_path: Path) -> None:
    process = start(tmp_path, "--node", node.url, "--market", MARKET, "--port", "0", "--every", "1s")
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert said["market"].lower() == MARKET
        assert said["url"].startswith("http://127.0.0.1:")
        assert "91.4 %" in until(said["url"], "#23")
        assert get(said["url"], "evil.example")[0] == 421
        node.close()
        assert "#23" in until(said["url"], "The node does not answer")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert len(list(tmp_path.glob("1-*/0x*/index.sqlite"))) == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--market", MARKET], "no node is named"),
        (["--node", "URL"], "no market is named"),
        (["--node", "URL", "--market", "0x" + "11" * 20], "is no market of this version of Assay"),
        (["--node", "URL", "--market", MARKET, "--chain-id", "5"], "is on chain 1, and the settings want 5"),
        (["--node", "http://127.0.0.1:1", "--market", MARKET], "no answer from the node"),
        (["--node", "URL", "--market", MARKET, "--every", "0"], "is no pause"),
        (["--node", "URL", "--market", MARKET, "--host", "192.0.2.1"], "choose another"),
    ],
)
def test_what_cannot_be_served_is_one_line(node: Endpoint, tmp_path: Path, arguments: list[str], error: str) -> None:
    given = [node.url if argument == "URL" else argument for argument in arguments]
    output, errors = start(tmp_path, *given).communicate(timeout=120)
    assert output == ""
    assert errors.startswith("error: ")
    assert error in errors
    assert errors.count("\n") == 1
