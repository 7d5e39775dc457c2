"""Real web servers on this machine that packages are fetched from, with every fault that a test asks for.

`Mirror` shows a folder as static servers do, or as an IPFS gateway (`/ipfs/<cid>/<path>`) does. `Kubo` imitates the two
commands of a Kubo node's RPC API that are used: POST only, `add` of a multipart form with implicit directories that
answers with a line of JSON for each file and directory, `cat` with offset and length, chunked, errors as status 500 and
JSON. No IPFS node was at hand to compare with: what they do is taken from the specification of gateways and from
Kubo's source.
"""

import base64
import hashlib
import json
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, unquote_plus, urlsplit


@dataclass(frozen=True)
class Fault:
    """What happens to one request instead of a whole answer.

    status:   answered, with these headers and an empty body; 0 for the body as usual, 1 for no answer at all.
    after:    bytes of the body that are sent first.
    then:     "die" closes the connection, "stall" says nothing more, "trickle" sends a byte now and then,
              "flood" goes on for ever.
    reason:   what stands beside the status; None for what belongs there.
    """

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    after: int = 0
    then: str = "die"
    reason: str | None = None


class Server(ABC):
    """A server in a thread; `asked` has method, path and Range header of every request."""

    def __init__(self) -> None:
        self.faults: dict[str, list[Fault]] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.closing = threading.Event()

    def __enter__(self) -> Any:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _any(self) -> None:
                path = urlsplit(self.path)
                outer.asked.append((self.command, self.path, self.headers.get("Range")))
                queue = next((faults for end, faults in outer.faults.items() if path.path.endswith(end)), [])
                fault = queue.pop(0) if queue else None
                if fault is not None and fault.status:
                    self.close_connection = True
                    if fault.status == 1:
                        outer.closing.wait(20)
                        return
                    self.send_response(fault.status, fault.reason)
                    for name, value in fault.headers:
                        self.send_header(name, value)
                    self.end_headers()
                    if fault.then == "flood":
                        outer.flood(self)
                    return
                outer.answer(self, path.path, parse_qs(path.query), fault)

            do_GET = do_POST = _any

            def log_message(self, *args: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Clients hang up on purpose."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def ranges(self, end: str) -> list[str | None]:
        """Range headers of the requests for paths with that end."""
        return [span for _, path, span in self.asked if urlsplit(path).path.endswith(end)]

    @abstractmethod
    def answer(self, to: Any, path: str, query: dict[str, list[str]], fault: Fault | None) -> None:
        """Answer a request, with a fault if one is due."""

    def flood(self, to: Any) -> None:
        while not self.closing.is_set():
            to.wfile.write(bytes(2**16))

    def send(self, to: Any, content: bytes, fault: Fault | None, *, chunked: bool) -> None:
        """A body, chunked or as it is, and what goes wrong with it."""

        def write(part: bytes) -> None:
            to.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)

        if fault is None:
            for start in range(0, len(content), 1000):
                write(content[start : start + 1000])
            if chunked:
                to.wfile.write(b"0\r\n\r\n")
            return
        if fault.after:
            write(content[: fault.after])
        to.wfile.flush()
        to.close_connection = True
        if fault.then == "stall":
            self.closing.wait(20)
        elif fault.then == "trickle":
            for byte in content[fault.after :]:
                if self.closing.wait(0.02):
                    return
                write(bytes([byte]))
        elif fault.then == "flood":
            while not self.closing.is_set():
                write(bytes(2**16))


class Mirror(Server):
    """A static server over a folder.

    ranges_known: whether it answers a Range with 206.
    lengths:      whether it says how long bodies are; without, they are chunked.
    change:       what it makes of each file's content before it is served, given the end of its path.
    prefix:       path that the folder is shown at.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ranges_known: bool = True,
        lengths: bool = True,
        change: Callable[[str, bytes], bytes] | None = None,
        prefix: str = "/",
    ) -> None:
        super().__init__()
        self.folder, self.ranges_known, self.lengths = folder, ranges_known, lengths
        self.change, self.prefix = change, prefix

    def answer(self, to: Any, path: str, query: dict[str, list[str]], fault: Fault | None) -> None:
        file = self.folder / unquote(path).removeprefix(self.prefix)
        if to.command != "GET" or not path.startswith(self.prefix) or not file.is_file():
            to.send_response(404 if to.command == "GET" else 405)
            to.send_header("Content-Length", "0")
            to.end_headers()
            return
        content = file.read_bytes()
        if self.change is not None:
            content = self.change(file.name, content)
        whole, status = len(content), 200
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", to.headers.get("Range", ""))
        if span and self.ranges_known:
            start, end = int(span[1]), min(int(span[2]), whole - 1)
            if start > end:
                to.send_response(416)
                to.send_header("Content-Range", f"bytes */{whole}")
                to.send_header("Content-Length", "0")
                to.end_headers()
                return
            content, status = content[start : end + 1], 206
        to.send_response(status)
        if status == 206:
            to.send_header("Content-Range", f"bytes {start}-{end}/{whole}")
        if self.lengths:
            to.send_header("Content-Length", str(len(content)))
        else:
            to.send_header("Transfer-Encoding", "chunked")
        to.end_headers()
        self.send(to, content, fault, chunked=not self.lengths)


class Kubo(Server):
    """A node's RPC API; `files` has the content of every path below a CID.

    change: what becomes of a form's files, and of the lines of the answer, given both.
    """

    def __init__(self, *, change: Callable[[dict[str, bytes], list[Any]], None] | None = None) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.queries: list[dict[str, list[str]]] = []
        self.change = change

    def answer(self, to: Any, path: str, query: dict[str, list[str]], fault: Fault | None) -> None:
        form = to.rfile.read(int(to.headers.get("Content-Length") or 0))
        if to.command != "POST":
            to.send_response(405)
            to.send_header("Allow", "OPTIONS, POST")
            to.send_header("Content-Length", "0")
            to.end_headers()
            return
        self.queries.append(query)
        if path == "/api/v0/add":
            self._reply(to, self._add(to.headers["Content-Type"], form, query), fault)
        elif path == "/api/v0/cat":
            self._cat(to, query, fault)
        else:
            self._error(to, 404, "404 page not found")

    def _add(self, kind: str, form: bytes, query: dict[str, list[str]]) -> bytes:
        parts = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + form)
        added = {}
        for part in parts.iter_parts():
            assert part.get_content_type() == "application/octet-stream"
            name = unquote_plus(re.search(r'filename="([^"]*)"', part["Content-Disposition"])[1])
            added[name] = part.get_payload(decode=True)
        assert query["wrap-with-directory"] == ["true"], "else there is no directory"
        lines = [self._line(name, content) for name, content in added.items()]
        folders = {"/".join(name.split("/")[:depth]) for name in added for depth in range(name.count("/") + 1)}
        for folder in sorted(folders, reverse=True):
            inside = {n: c for n, c in added.items() if not folder or n.startswith(folder + "/")}
            lines.append(self._line(folder, repr(sorted(inside.items())).encode()))
        if self.change is not None:
            self.change(added, lines)
        cid = next((line["Hash"] for line in lines if line.get("Name") == ""), "")
        self.files |= {f"/ipfs/{cid}/{name}": content for name, content in added.items()}
        return "".join(json.dumps(line) + "\n" for line in lines).encode()

    @staticmethod
    def _line(name: str, content: bytes) -> dict[str, str]:
        code = base64.b32encode(b"\x01\x55\x12\x20" + hashlib.sha256(content).digest()).decode().lower().rstrip("=")
        return {"Name": name, "Hash": "b" + code, "Size": str(len(content))}

    def _cat(self, to: Any, query: dict[str, list[str]], fault: Fault | None) -> None:
        path = query["arg"][0]
        if path not in self.files:
            name, cid = path.rpartition("/")[2], path.split("/")[2]
            self._error(to, 500, f'no link named "{name}" under {cid}')
            return
        start = int(query["offset"][0])
        content = self.files[path][start : start + int(query["length"][0])]
        self._reply(to, content, fault, length=len(content))

    def _reply(self, to: Any, content: bytes, fault: Fault | None, length: int | None = None) -> None:
        to.send_response(200)
        to.send_header("Trailer", "X-Stream-Error")
        to.send_header("Transfer-Encoding", "chunked")
        if length is not None:
            to.send_header("X-Content-Length", str(length))
        to.end_headers()
        self.send(to, content, fault, chunked=True)

    @staticmethod
    def _error(to: Any, status: int, message: str) -> None:
        content = json.dumps({"Message": message, "Code": 0, "Type": "error"}).encode()
        to.send_response(status)
        to.send_header("Content-Type", "application/json")
        to.send_header("Content-Length", str(len(content)))
        to.end_headers()
        to.wfile.write(content)
