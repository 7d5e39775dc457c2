"""Encodes calls and decodes events of one contract, with every codec looked up once.

Words are read and written here; only values of variable length go through `eth_abi`, at tens of microseconds each.
"""

from collections.abc import Callable, Sequence
from typing import Any

from eth_abi.abi import default_codec
from eth_abi.registry import registry
from eth_hash.auto import keccak
from vyper.compiler.output import build_abi_output

SELECTOR_OF_ERROR = keccak(b"Error(string)")[:4]


def _kind(entry: dict[str, Any]) -> str:
    if entry["type"].startswith("tuple"):
        return "(" + ",".join(_kind(part) for part in entry["components"]) + ")" + entry["type"][5:]
    return str(entry["type"])


def _address(word: bytes) -> str:
    assert not any(word[:12]), f"not an address: {word.hex()}"
    return "0x" + word[12:].hex()


def _flag(word: bytes) -> bool:
    assert word[:31] == bytes(31), f"not a truth value: {word.hex()}"
    assert word[31] < 2, f"not a truth value: {word.hex()}"
    return bool(word[31])


READERS: dict[str, Callable[[bytes], Any]] = {
    "uint256": int.from_bytes,
    "address": _address,
    "bytes32": bytes,
    "bool": _flag,
}


class Event:
    """One event: its name, and how to read its values in the order of their declaration."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.name = entry["name"]
        kinds = [(_kind(part), part["indexed"]) for part in entry["inputs"]]
        self.topic = keccak(f"{self.name}({','.join(kind for kind, _ in kinds)})".encode())
        self.readers = [(READERS[kind] if indexed else None) for kind, indexed in kinds]
        plain = [kind for kind, indexed in kinds if not indexed]
        self.words = [READERS[kind] for kind in plain] if all(kind in READERS for kind in plain) else None
        self.plain = plain

    def read(self, topics: Sequence[bytes], data: bytes) -> tuple[Any, ...]:
        """Name and values."""
        if self.words is None:
            values = iter(default_codec.decode(self.plain, data))
        else:
            assert len(data) == 32 * len(self.words), f"data of {self.name}: {data.hex()}"
            values = iter([read(data[32 * i : 32 * i + 32]) for i, read in enumerate(self.words)])
        indexed = iter(topics[1:])
        return self.name, *(next(values) if read is None else read(next(indexed)) for read in self.readers)


class Abi:
    """The calls and events of a contract."""

    def __init__(self, contract: Any) -> None:
        self.events: dict[bytes, Event] = {}
        self.selectors: dict[str, bytes] = {}
        self.encoders: dict[str, Any] = {}
        self.payable: set[str] = set()
        for entry in build_abi_output(contract.compiler_data):
            if entry["type"] == "event":
                event = Event(entry)
                self.events[event.topic] = event
            elif entry["type"] == "function":
                kinds = [_kind(part) for part in entry["inputs"]]
                name = entry["name"]
                self.selectors[name] = keccak(f"{name}({','.join(kinds)})".encode())[:4]
                if entry["stateMutability"] == "payable":
                    self.payable.add(name)
                static = all(kind in READERS for kind in kinds)
                self.encoders[name] = words if static else registry.get_tuple_encoder(*kinds)

    def call(self, name: str, args: Sequence[Any]) -> bytes:
        """Calldata."""
        return self.selectors[name] + bytes(self.encoders[name](args))

    def event(self, topics: Sequence[bytes], data: bytes) -> tuple[Any, ...]:
        """An event as name and values in the order of its declaration."""
        return self.events[topics[0]].read(topics, data)


def words(args: Sequence[Any]) -> bytes:
    """Numbers, addresses and words, 32 bytes each."""
    return b"".join(
        arg if isinstance(arg, bytes) else (int(arg, 16) if isinstance(arg, str) else arg).to_bytes(32) for arg in args
    )


def reason(output: bytes) -> str:
    """A revert's reason; empty if it gives none."""
    if not output:
        return ""
    assert output[:4] == SELECTOR_OF_ERROR, f"unexpected revert data {output.hex()}"
    assert output[4:36] == (32).to_bytes(32), f"unexpected revert data {output.hex()}"
    length = int.from_bytes(output[36:68])
    assert len(output) == 68 + -(-length // 32) * 32, f"unexpected revert data {output.hex()}"
    return output[68 : 68 + length].decode()
