"""A chain inside this process as a node that is asked over HTTP: what commands read of it, and nothing that sends."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eth_hash.auto import keccak

from trainer.chain import Chain


class BoaNode:
    """Remembers what contracts log from now on, and answers for it."""

    def __init__(self, chain: Chain) -> None:
        """Listen to every call on the chain."""
        self.chain, self.count = chain, 0
        self.times = {0: chain.now, chain.block: chain.now}
        self.kept: list[dict[str, Any]] = []
        self.execute = chain.env.execute_code

    @contextmanager
    def listening(self) -> Iterator["BoaNode"]:
        """While this holds, calls are remembered."""
        self.chain.env.execute_code = self._call
        try:
            yield self
        finally:
            del self.chain.env.execute_code

    def _call(self, *arguments: Any, **options: Any) -> Any:
        done = self.execute(*arguments, **options)
        block = self.chain.block
        self.times[block] = self.chain.now
        self.count += 1
        for _, address, topics, data in [] if done.is_error else done.get_raw_log_entries():
            self.kept.append(
                {
                    "address": "0x" + address.hex(),
                    "blockNumber": hex(block),
                    "blockHash": self._hash(block),
                    "logIndex": hex(len(self.kept)),
                    "transactionHash": "0x" + keccak(b"%d" % self.count).hex(),
                    "topics": ["0x" + topic.to_bytes(32).hex() for topic in topics],
                    "data": "0x" + data.hex(),
                }
            )
        return done

    def _hash(self, number: int) -> str:
        return "0x" + self.chain.block_hash(number).hex()

    # ── as a node ──

    def answer(self, method: str, params: list[Any]) -> Any:
        """The result of one call; raises KeyError for a method that no command here needs."""
        return {
            "eth_chainId": lambda: hex(self.chain.chain_id),
            "eth_getBlockByNumber": lambda: self._block(params[0]),
            "eth_getLogs": lambda: self._logs(**params[0]),
            "eth_getCode": lambda: "0x" + bytes(self.chain.env.get_code(params[0])).hex(),
        }[method]()

    def _block(self, tag: str) -> dict[str, Any] | None:
        number = self.chain.block if tag in ("latest", "pending") else int(tag, 16)
        if number > self.chain.block:
            return None
        last = max(one for one in self.times if one <= number)
        time = self.chain.now if number == self.chain.block else self.times[last]
        return {"number": hex(number), "hash": self._hash(number), "timestamp": hex(time)}

    def _logs(self, address: str, fromBlock: str, toBlock: str, topics: list[str] | None = None) -> list[Any]:
        wanted = topics or []
        return [
            log
            for log in self.kept
            if log["address"] == address.lower()
            and int(fromBlock, 16) <= int(log["blockNumber"], 16) <= int(toBlock, 16)
            and log["topics"][: len(wanted)] == wanted
        ]

    @contextmanager
    def served(self) -> Iterator[str]:
        """The node's address, while it answers."""
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                said: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"]}
                try:
                    said["result"] = node.answer(asked["method"], asked["params"])
                except KeyError:
                    said["error"] = {"code": -32601, "message": f"no method {asked['method']}"}
                body = json.dumps(said).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
