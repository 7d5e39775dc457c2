"""A signer such as clef behind http: it holds one key, and signs what somebody confirms."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from eth_account import Account


class Clef:
    """Clef's external API: `account_list` and `account_signTransaction`, and no method of a node.

    confirms: whether somebody confirms; else it says what clef says.
    asked:    methods, in order.
    """

    def __init__(self, key: bytes) -> None:
        self.account, self.confirms, self.asked = Account.from_key(key), True, list[str]()

    def __enter__(self) -> "Clef":
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = outer.answer(asked["method"], asked["params"])
                body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        """A result or an error."""
        self.asked.append(method)
        if method == "account_list":
            return {"result": [self.account.address.lower()]}
        if method != "account_signTransaction":
            return {"error": {"code": -32601, "message": f"the method {method} does not exist/is not available"}}
        if not self.confirms:
            return {"error": {"code": -32000, "message": "Request denied"}}
        fields = {
            name: int(value, 16) if name not in ("from", "to", "data") else value for name, value in params[0].items()
        }
        assert fields.pop("from") == self.account.address
        signed = self.account.sign_transaction({**fields, "data": bytes.fromhex(fields["data"].removeprefix("0x"))})
        return {"result": {"raw": "0x" + bytes(signed.raw_transaction).hex(), "tx": {}}}
