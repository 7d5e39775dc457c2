"""Requests to a JSON-RPC endpoint, and answers as the project's own types.

Reading is repeated, with growing pauses, while the endpoint cannot be reached or is overloaded. Execution API:
https://ethereum.github.io/execution-apis/.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from trainer.errors import ChainError, NodeError, Reverted, RpcError
from trainer.index.source import TOO_LARGE, Block, Log

TIMEOUT = 60.0
"""Seconds that one request may take."""
PATIENCE = 10.0
"""Seconds for which reading is repeated where nobody says how long."""
BUSY = frozenset({429, 500, 502, 503, 504})
"""HTTP states that pass."""
MANY = ("range", "limit", "more than", "too many", "too large", "exceed", "timeout", "timed out", "10000", "block span")
"""Words of nodes that will not look through so many blocks, or send so many logs, at once."""
ERROR = bytes.fromhex("08c379a0")
"""Selector of Error(string)."""
PANIC = bytes.fromhex("4e487b71")
"""Selector of Panic(uint256)."""


class Rpc:
    """One endpoint; not to be shared among threads."""

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        """Nothing is sent yet. Raises `NodeError` for what is no http(s) address.

        patience: seconds for which a request is repeated while nobody answers.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NodeError(f"{url!r} is no address of a node; use one such as http://127.0.0.1:8545")
        self.url, self.patience = url, patience
        # what follows the host may be a key
        self.name = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        self._session = requests.Session()
        self._chain_id: int | None = None

    # ── requests ──

    def call(self, method: str, *params: Any) -> Any:
        """What the node answers.

        Raises `RpcError` for an error that it names, and `NodeError` where nobody answered in time: then a transaction
        may have been sent all the same.
        """
        until, pause = time.monotonic() + self.patience, 0.1
        while True:
            try:
                return self._once(method, params)
            except _Passing as error:
                if time.monotonic() + pause > until:
                    raise NodeError(
                        f"no answer from the node {self.name} ({error}); check that it runs, and --node"
                    ) from error
            time.sleep(pause)
            pause = min(2 * pause, 3.0)

    def _once(self, method: str, params: Sequence[Any]) -> Any:
        body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        try:
            answer = self._session.post(self.url, json=body, timeout=TIMEOUT)
        except (requests.ConnectionError, requests.Timeout) as error:
            raise _Passing(_short(error)) from error
        except requests.RequestException as error:
            raise NodeError(f"{self.name} cannot be asked ({_short(error)}); check --node") from error
        found = _json(answer)
        # some nodes answer errors with a state of 400 or 500
        if not isinstance(found, Mapping) or not {"result", "error"} & set(found):
            if answer.status_code in BUSY:
                raise _Passing(f"HTTP {answer.status_code}")
            raise NodeError(f"{self.name} is no JSON-RPC node (HTTP {answer.status_code}); check --node")
        said = found.get("error")
        if said is None:
            return found["result"]
        if answer.status_code == 429:
            raise _Passing("HTTP 429")
        if not isinstance(said, Mapping):
            raise RpcError(method, 0, str(said))
        raise RpcError(method, int(said.get("code", 0)), str(said.get("message", "")), said.get("data"))

    # ── the chain ──

    def chain_id(self) -> int:
        """Chain id; asked once."""
        if self._chain_id is None:
            self._chain_id = number(self.call("eth_chainId"))
        return self._chain_id

    def head(self) -> Block:
        """The newest block."""
        return _block(self.call("eth_getBlockByNumber", "latest", False))

    def block(self, number: int) -> Block | None:
        """A block by its number; None if there is none, or not yet."""
        found = self.call("eth_getBlockByNumber", hex(number), False)
        return None if found is None else _block(found)

    def pending_timestamp(self) -> int:
        """Timestamp of the block that would be mined now, in seconds; 0 where the node does not tell."""
        try:
            found = self.call("eth_getBlockByNumber", "pending", False)
        except RpcError:
            return 0
        return number(found["timestamp"]) if isinstance(found, Mapping) else 0

    def logs(self, address: str, first: int, last: int, topics: Sequence[bytes] = ()) -> list[Log]:
        """Logs of a contract in blocks `first` to `last`, both included, in order; with `topics` those that begin so.

        Raises `NodeError` with `TOO_LARGE` in it where the node finds the range too large.
        """
        asked: dict[str, Any] = {"address": address, "fromBlock": hex(first), "toBlock": hex(last)}
        if topics:
            asked["topics"] = list(map(hexadecimal, topics))
        try:
            found = self.call("eth_getLogs", asked)
        except RpcError as error:
            # nodes say it in many ways, and some with the code of bad parameters
            said = error.said.lower().replace(" ", "")
            beyond = "outofrange" in said or "invalidblockrange" in said
            if last > first and not beyond and any(word.replace(" ", "") in said for word in MANY):
                raise NodeError(f"{TOO_LARGE}: {error}") from error
            raise
        return sorted(
            (_log(entry) for entry in found if not entry.get("removed")), key=lambda log: (log.block, log.index)
        )

    def every_log(self, address: str, first: int, last: int, topics: Sequence[bytes] = ()) -> list[Log]:
        """The same over as many blocks as there are: a range that the node finds too large is halved."""
        try:
            return self.logs(address, first, last, topics)
        except NodeError as error:
            if TOO_LARGE not in str(error) or first >= last:
                raise
        middle = (first + last) // 2
        return [*self.every_log(address, first, middle, topics), *self.every_log(address, middle + 1, last, topics)]

    def base_fee(self) -> int:
        """Base fee of the newest block, in wei a gas; 0 where the chain has none."""
        return number(self.call("eth_getBlockByNumber", "latest", False).get("baseFeePerGas") or "0x0")

    def tip(self) -> int:
        """What the node suggests to add to the base fee, in wei a gas; a gwei where it suggests nothing."""
        try:
            return number(self.call("eth_maxPriorityFeePerGas"))
        except RpcError:
            return 10**9

    def balance(self, address: str) -> int:
        """Wei of an account."""
        return number(self.call("eth_getBalance", address, "latest"))

    def code(self, address: str) -> bytes:
        """Code of a contract; empty for other accounts."""
        return octets(self.call("eth_getCode", address, "latest"))

    def nonce(self, address: str, *, pending: bool = False) -> int:
        """How many transactions of an account were mined, or with `pending` are known."""
        return number(self.call("eth_getTransactionCount", address, "pending" if pending else "latest"))

    def receipt(self, transaction: bytes) -> Mapping[str, Any] | None:
        """Receipt of a mined transaction, as the node gives it."""
        found: Mapping[str, Any] | None = self.call("eth_getTransactionReceipt", hexadecimal(transaction))
        return found

    def known(self, transaction: bytes) -> bool:
        """Whether the node holds a transaction, mined or not."""
        return self.call("eth_getTransactionByHash", hexadecimal(transaction)) is not None

    def view(self, to: str, data: bytes, *, sender: str | None = None, value: int = 0) -> bytes:
        """What a call would return; raises `Reverted` if the contract refuses."""
        return octets(self._executed("eth_call", to, data, sender, value, "latest"))

    def estimate(self, to: str | None, data: bytes, *, sender: str, value: int = 0, cap: int | None = None) -> int:
        """Gas that a transaction would take; raises `Reverted` if the contract refuses.

        cap: most gas that it may ask for; beyond it `ChainError` is raised.
        """
        try:
            return number(self._executed("eth_estimateGas", to, data, sender, value, cap=cap))
        except RpcError as error:
            if cap is None or not any(words in error.said.lower() for words in ("exceeds allowance", "out of gas")):
                raise
            raise ChainError(
                f"the transaction takes more than {cap:,} gas, all that one may ask for; do less in one"
            ) from error

    def _executed(
        self,
        method: str,
        to: str | None,
        data: bytes,
        sender: str | None,
        value: int,
        *more: str,
        cap: int | None = None,
    ) -> Any:
        asked = {"data": hexadecimal(data), "value": hex(value)}
        if to is not None:
            asked["to"] = to
        if sender is not None:
            asked["from"] = sender
        if cap is not None:
            asked["gas"] = hex(cap)
        try:
            return self.call(method, asked, *more)
        except RpcError as error:
            reason = revert_reason(error)
            if reason is None:
                raise
            raise Reverted(reason) from error

    def simulate(self, calls: Sequence[tuple[str, bytes]], *, sender: str) -> str | None:
        """Why one of the calls, each after those before it, would revert; None if none does. Nothing of them stays.

        Raises `RpcError` of a node that has no `eth_simulateV1`, needed for two calls or more.
        """
        if len(calls) == 1:
            try:
                self.view(*calls[0], sender=sender)
            except Reverted as error:
                return error.reason
            return None
        asked = [{"from": sender, "to": to, "input": hexadecimal(data)} for to, data in calls]
        blocks = self.call("eth_simulateV1", {"blockStateCalls": [{"calls": asked}]}, "latest")
        for done in blocks[0]["calls"]:
            if number(done["status"]) != 1:
                said = done.get("error", {})
                return reason_of(octets(said.get("data") or done.get("returnData") or "0x")) or said.get("message", "")
        return None

    def send(self, raw: bytes) -> None:
        """Give a signed transaction to the node; raises `RpcError` if it does not take it."""
        self.call("eth_sendRawTransaction", hexadecimal(raw))


class _Passing(Exception):
    """Nobody answered; asking again may help."""


def revert_reason(error: RpcError) -> str | None:
    """What a contract said where a node reports that it reverted; None for errors of another kind."""
    data = error.data
    # geth and anvil give the bytes, others an object around them
    if isinstance(data, Mapping):
        data = data.get("data") or data.get("result")
    if isinstance(data, str) and data.startswith("0x"):
        return reason_of(octets(data))
    if error.code == 3 or "revert" in error.said.lower():
        return error.said.partition("reverted")[2].lstrip(":, ").removeprefix("with reason string ").strip("'\"")
    return None


def reason_of(output: bytes) -> str:
    """The text in what a reverted call returns."""
    if output[:4] == ERROR:
        try:
            return str(decode(["string"], output[4:])[0])
        except (DecodingError, UnicodeDecodeError):
            return ""
    if output[:4] == PANIC and len(output) == 36:
        return f"panic {int.from_bytes(output[4:]):#x}"
    return ""


def number(text: Any) -> int:
    """A quantity of JSON-RPC; raises `NodeError` for anything else."""
    try:
        return int(text, 16)
    except (TypeError, ValueError) as error:
        raise NodeError(f"the node answered {text!r} where a number belongs; check --node") from error


def octets(text: Any) -> bytes:
    """Bytes of JSON-RPC; raises `NodeError` for anything else."""
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except (AttributeError, ValueError) as error:
        raise NodeError(f"the node answered {text!r} where bytes belong; check --node") from error


def hexadecimal(data: bytes) -> str:
    """Bytes as JSON-RPC writes them."""
    return "0x" + data.hex()


def _block(found: Any) -> Block:
    if not isinstance(found, Mapping):
        raise NodeError(f"the node answered {found!r} where a block belongs; check --node")
    return Block(number(found.get("number")), octets(found.get("hash")), number(found.get("timestamp")))


def _log(entry: Mapping[str, Any]) -> Log:
    # not every node has it, and none must
    told = entry.get("blockTimestamp")
    return Log(
        block=number(entry["blockNumber"]),
        block_hash=octets(entry["blockHash"]),
        index=number(entry["logIndex"]),
        transaction=octets(entry["transactionHash"]),
        topics=tuple(map(octets, entry["topics"])),
        data=octets(entry["data"]),
        timestamp=number(told) if isinstance(told, str) else None,
    )


def logs_of(receipt: Mapping[str, Any]) -> list[tuple[str, Log]]:
    """Address and log, in order, of what a transaction logged."""
    return [(str(entry["address"]), _log(entry)) for entry in receipt["logs"]]


def _json(answer: requests.Response) -> Any:
    try:
        return json.loads(answer.content)
    except ValueError:
        return None


def _short(error: Exception) -> str:
    return type(error).__name__ if "refused" not in str(error) else "connection refused"
