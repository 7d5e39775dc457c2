"""IPFS: through a gateway's `GET /ipfs/<cid>/<path>`, or a node's RPC API, `add` and `cat` (Kubo's, version 0).

A node's answers are not taken on trust either: a CID is only where a package lies, its root is what it is.
"""

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from requests import Response

from trainer.errors import PackageError
from trainer.exchange.sources import CHUNK, Folder, Source, SourceError, Stream, wrong_size
from trainer.exchange.web import Patience, Unfollowing, Web, ask, body, check_url, public, refusal

LARGEST_ANSWER = 2**16
"""Bytes of what `add` or an error may say."""
CID = r"[A-Za-z0-9]{32,128}"
ADDRESS = re.compile(rf"ipfs://({CID})((?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)/?")
# what a node says of a path that leads nowhere; anything else may be different tomorrow
ABSENT = ("no link named", "invalid path", "invalid cid", "is a directory")


class Node:
    """A node's RPC API. It can do anything to the node, so it is never open to the world: keep it on localhost."""

    def __init__(self, url: str, patience: Patience) -> None:
        """Use the API at `url`, such as http://127.0.0.1:5001."""
        check_url(url)
        self._api, self._patience = url.rstrip("/"), patience
        self.name = f"IPFS node {public(self._api)}"
        self._session = Unfollowing()

    def cat(self, path: str, start: int, length: int) -> Response:
        """Bytes of the file at an /ipfs/ path, unread."""
        query = {"arg": path, "offset": str(start), "length": str(length)}
        return self._post("cat", query, name=f"{self.name}: {path}")

    def add(self, files: Mapping[str, Path]) -> str:
        """Add and pin files under these paths, in a directory; returns the CID of the directory.

        Raises `PackageError` where the node refuses, or does not list every file.
        """
        query = {"wrap-with-directory": "true", "pin": "true", "cid-version": "1", "progress": "false"}
        form = _Form(files)
        response = self._post("add", query, data=form, headers={"Content-Type": form.content_type})
        added: dict[str, str] = {}
        for line in self._short(response).splitlines():
            entry = _object(line)
            if "Message" in entry:
                raise SourceError(f"{self.name}: {_said(entry)}")
            if isinstance(entry.get("Name"), str) and isinstance(entry.get("Hash"), str):
                added[entry["Name"]] = entry["Hash"]
        missing = [name for name in files if name not in added]
        if missing or not re.fullmatch(CID, added.get("", "")):
            raise SourceError(f"{self.name}: did not add {missing[0] if missing else 'the directory'}; try again")
        return added[""]

    def _post(self, command: str, query: Mapping[str, str], *, name: str | None = None, **more: Any) -> Response:
        name = name or self.name
        # a POST for reading, too: the API takes nothing else
        response = ask(
            self._session, "POST", f"{self._api}/api/v0/{command}", name, self._patience, params=query, **more
        )
        if response.status_code == 200:
            return response
        said = _said(_object(self._short(response)))
        if any(sign in said for sign in ABSENT):
            raise SourceError(f"{name}: {said}")
        raise refusal(response, name, said)

    def _short(self, response: Response) -> str:
        content = b""
        with Stream(0, body(response, self.name, self._patience)) as stream:
            for chunk in stream.chunks:
                content += chunk
                if len(content) > LARGEST_ANSWER:
                    raise SourceError(f"{self.name}: its answer does not end")
        return content.decode(errors="replace")


class OnNode:
    """A directory of packages that a node can find."""

    def __init__(self, node: Node, path: str, root: bytes) -> None:
        """Take the package of that root from the directory at an /ipfs/ path, which may also be the package's own."""
        self.name = f"{path} ({node.name})"
        self._node, self._path = node, path if path.endswith("/" + root.hex()) else f"{path}/{root.hex()}"

    def open(self, file: str, start: int, stop: int, size: int | None) -> Stream:
        """See `Source.open`."""
        response = self._node.cat(f"{self._path}/{file}", start, stop - start)
        name, there = f"{self.name}: {file}", response.headers.get("X-Content-Length", "")
        if size is not None and re.fullmatch(r"\d+", there) and int(there) != stop - start:
            response.close()
            raise wrong_size(name, start + int(there), size)
        return Stream(start, body(response, name, self._node._patience))


def find(text: str, root: bytes, patience: Patience, *, gateway: str | None, api: str | None) -> list[Source]:
    """The sources that a user's word means: a folder, an http(s) address, or `ipfs://` and a CID.

    gateway, api: addresses of an IPFS gateway and of a node's RPC API; with both, the node is the first choice.

    Raises `PackageError` for any other word.
    """
    scheme, mark, _ = text.partition("://")
    if not mark:
        return [Folder(Path(text), root)]
    if scheme.lower() in ("http", "https"):
        return [Web(text, root, patience)]
    if scheme.lower() != "ipfs":
        raise PackageError(f"{public(text)}: no source; use a folder, http(s)://… or ipfs://CID")
    address = ADDRESS.fullmatch(text)
    if address is None:
        raise PackageError(f"{text}: no IPFS address; use ipfs:// and the CID of a directory")
    path = f"/ipfs/{address[1]}{address[2]}"
    found: list[Source] = []
    if api is not None:
        found.append(OnNode(Node(api, patience), path, root))
    if gateway is not None:
        found.append(Web(gateway.rstrip("/") + path, root, patience))
    if not found:
        raise PackageError(
            f"{text}: no way to IPFS; name a gateway with --ipfs-gateway (or ASSAY_IPFS_GATEWAY), or a node's API "
            "with --ipfs-node (or ASSAY_IPFS_NODE)"
        )
    return found


class _Form:
    """A multipart form of files that is read from disk while it is sent: packages need not fit into memory twice."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._parts = [
            (
                f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n".encode(),
                path,
            )
            for name, path in files.items()
        ]
        self._end = f"--{boundary}--\r\n".encode()

    def __len__(self) -> int:
        return sum(len(head) + path.stat().st_size + 2 for head, path in self._parts) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        for head, path in self._parts:
            yield head
            with path.open("rb") as content:
                while chunk := content.read(CHUNK):
                    yield chunk
            yield b"\r\n"
        yield self._end


def _object(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _said(entry: Mapping[str, Any]) -> str:
    return " ".join(str(entry.get("Message", "")).split())[:200]
