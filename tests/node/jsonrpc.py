"""JSON-RPC over HTTP, raw: what a node says, word for word, with no client library between."""

import json
import urllib.request
from typing import Any

TIMEOUT = 30.0
# a proxy of the environment has nothing to do with a node on this machine
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refusal(Exception):
    """A node answered with an error.

    code, message, data: as in the answer; data is None where it has none.
    """

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        self.code, self.message, self.data = int(error["code"]), str(error["message"]), error.get("data")
        super().__init__(f"{method}: {self.code} {self.message}" + (f" ({self.data})" if self.data else ""))


def post(url: str, body: Any, timeout: float = TIMEOUT) -> Any:
    """What the node answers to a body; raises OSError where nothing answers within `timeout` seconds."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with _OPENER.open(request, timeout=timeout) as answer:
        return json.load(answer)


def call(url: str, method: str, *params: Any, timeout: float = TIMEOUT) -> Any:
    """Result of one call; raises `Refusal`, or OSError where nothing answers."""
    answer = post(url, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, timeout)
    if "error" in answer:
        raise Refusal(method, answer["error"])
    return answer["result"]
