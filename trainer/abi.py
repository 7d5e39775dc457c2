"""Encodes calls and decodes events of one contract from its JSON ABI, with every codec looked up once.

Words are read and written here; only values of variable length go through `eth_abi`, at tens of microseconds each.
Needs neither titanoboa nor the compiler: `load` reads what `contracts/write_abi.py` wrote.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi.abi import default_codec
from eth_abi.exceptions import DecodingError
from eth_abi.registry import registry
from eth_hash.auto import keccak

from trainer.errors import ChainError, NodeError

FILES = Path(__file__).resolve().parent.parent / "contracts" / "abi"
"""Where the ABIs of the deployed contracts are, one `.json` a contract."""
SELECTOR_OF_ERROR = keccak(b"Error(string)")[:4]
WORD = 32


def _kind(entry: Mapping[str, Any]) -> str:
    kind = str(entry["type"])
    if kind.startswith("tuple"):
        return "(" + ",".join(_kind(part) for part in entry["components"]) + ")" + kind[5:]
    return kind


def _size(entry: Mapping[str, Any]) -> int | None:
    """Bytes of a value in its place; None if that place only says where the value is."""
    kind = str(entry["type"])
    if kind.endswith("]"):
        inner, _, count = kind[:-1].rpartition("[")
        size = _size({**entry, "type": inner}) if count else None
        return None if size is None else size * int(count)
    if kind == "tuple":
        parts = [_size(part) for part in entry["components"]]
        return None if None in parts else sum(part for part in parts if part is not None)
    return None if kind in ("bytes", "string") else WORD


def _address(word: bytes) -> str:
    if any(word[:12]):
        raise NodeError(f"0x{word.hex()} is no address; ask another node")
    return "0x" + word[12:].hex()


def _flag(word: bytes) -> bool:
    if word[:31] != bytes(31) or word[31] > 1:
        raise NodeError(f"0x{word.hex()} is no truth value; ask another node")
    return bool(word[31])


READERS: dict[str, Callable[[bytes], Any]] = {
    "uint256": int.from_bytes,
    "address": _address,
    "bytes32": bytes,
    "bool": _flag,
}


class Event:
    """One event: its name, and how to read its values in the order of their declaration.

    fields: names of the values.
    topic:  32 bytes, the first topic of its logs.
    head:   bytes of data before the first value of variable length: what `read_head` needs.
    """

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.name = str(entry["name"])
        self.fields = tuple(str(part["name"]) for part in entry["inputs"])
        kinds = [(_kind(part), bool(part["indexed"])) for part in entry["inputs"]]
        self.topic = keccak(f"{self.name}({','.join(kind for kind, _ in kinds)})".encode())
        self.readers = [(READERS[kind] if indexed else None) for kind, indexed in kinds]
        self.topics = 1 + sum(indexed for _, indexed in kinds)
        self.plain = [kind for kind, indexed in kinds if not indexed]
        self.words = [READERS[kind] for kind in self.plain] if all(kind in READERS for kind in self.plain) else None
        self.sizes = [_size(part) for part in entry["inputs"] if not part["indexed"]]
        self.head = sum(WORD if size is None else size for size in self.sizes)
        self.fixed = None not in self.sizes

    def read(self, topics: Sequence[bytes], data: bytes) -> tuple[Any, ...]:
        """Name and values. Raises `NodeError` if they are not those of this event."""
        if self.words is None:
            try:
                plain = iter(default_codec.decode(self.plain, data))
            except (DecodingError, OverflowError) as error:
                raise NodeError(f"data of {self.name}: {error}; ask another node") from error
        else:
            plain = self._words(data)
        return self._whole(topics, plain)

    def read_head(self, topics: Sequence[bytes], head: bytes) -> tuple[Any, ...]:
        """Name and values, None for each of variable length; `head` is the data or its first `self.head` bytes."""
        if self.fixed:
            return self.read(topics, head)
        if len(head) < self.head:
            raise NodeError(f"data of {self.name} ends after {len(head)} bytes; ask another node")
        plain: list[Any] = []
        at = 0
        for kind, size in zip(self.plain, self.sizes, strict=True):
            end = at + (WORD if size is None else size)
            if size is None:
                plain.append(None)
            elif kind in READERS:
                plain.append(READERS[kind](head[at:end]))
            else:
                plain.append(default_codec.decode([kind], head[at:end])[0])
            at = end
        return self._whole(topics, iter(plain))

    def _words(self, data: bytes) -> Iterator[Any]:
        readers = self.words or []
        if len(data) != WORD * len(readers):
            raise NodeError(f"data of {self.name}: {len(data)} bytes, not {WORD * len(readers)}; ask another node")
        return iter([read(data[WORD * i : WORD * i + WORD]) for i, read in enumerate(readers)])

    def _whole(self, topics: Sequence[bytes], plain: Iterator[Any]) -> tuple[Any, ...]:
        if len(topics) != self.topics:
            raise NodeError(f"a log of {self.name} with {len(topics)} topics, not {self.topics}; ask another node")
        indexed = iter(topics[1:])
        return self.name, *(next(plain) if read is None else read(next(indexed)) for read in self.readers)


class Abi:
    """The calls and events of a contract.

    events:    by their first topic.
    selectors: by function, 4 bytes each.
    payable:   functions that take ether.
    """

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Read the JSON ABI, as the compiler or `json.load` gives it."""
        self.events: dict[bytes, Event] = {}
        self.selectors: dict[str, bytes] = {}
        self.encoders: dict[str, Callable[[Sequence[Any]], bytes]] = {}
        self.outputs: dict[str, list[str]] = {}
        self.payable: set[str] = set()
        for entry in entries:
            if entry["type"] == "event":
                event = Event(entry)
                self.events[event.topic] = event
            elif entry["type"] == "function":
                kinds = [_kind(part) for part in entry["inputs"]]
                name = str(entry["name"])
                self.selectors[name] = keccak(f"{name}({','.join(kinds)})".encode())[:4]
                self.outputs[name] = [_kind(part) for part in entry["outputs"]]
                if entry["stateMutability"] == "payable":
                    self.payable.add(name)
                static = all(kind in READERS for kind in kinds)
                self.encoders[name] = words if static else registry.get_tuple_encoder(*kinds)

    def call(self, name: str, args: Sequence[Any]) -> bytes:
        """Calldata: addresses as hexadecimal text, flags and enumerations as numbers, structs as tuples."""
        return self.selectors[name] + bytes(self.encoders[name](args))

    def output(self, name: str, data: bytes) -> tuple[Any, ...]:
        """What a call returned; a struct is one value, a tuple. Raises `NodeError` if `data` is something else."""
        try:
            return tuple(default_codec.decode(self.outputs[name], data))
        except (DecodingError, OverflowError) as error:
            raise NodeError(
                f"{name} returned {len(data)} bytes that the ABI does not know ({error}); is the contract another?"
            ) from error

    def event(self, topics: Sequence[bytes], data: bytes) -> tuple[Any, ...]:
        """An event as name and values in the order of its declaration.

        Raises `NodeError` if the contract has no such event.
        """
        return self.kind(topics).read(topics, data)

    def kind(self, topics: Sequence[bytes]) -> Event:
        """Which event a log's topics name. Raises `NodeError` if the contract has none such."""
        event = self.events.get(topics[0]) if topics else None
        if event is None:
            what = f"topic 0x{topics[0].hex()}" if topics else "no topic"
            raise NodeError(f"a log with {what}, which the ABI does not know; is the contract another?")
        return event


@cache
def load(contract: str) -> Abi:
    """The ABI of one of the project's contracts, such as `Market`, read once a process."""
    return Abi(json.loads((FILES / f"{contract}.json").read_text()))


def words(args: Sequence[Any]) -> bytes:
    """Numbers, addresses and words, 32 bytes each."""
    coded = b"".join(
        arg if isinstance(arg, bytes) else (int(arg, 16) if isinstance(arg, str) else arg).to_bytes(WORD)
        for arg in args
    )
    if len(coded) != WORD * len(args):
        raise ChainError(f"{[len(arg) for arg in args if isinstance(arg, bytes)]} bytes where words of 32 belong")
    return coded


def reason(output: bytes) -> str:
    """A revert's reason; empty if it gives none. Raises `ChainError` for anything but `Error(string)`."""
    if not output:
        return ""
    length = int.from_bytes(output[36:68])
    if (
        output[:4] != SELECTOR_OF_ERROR
        or output[4:36] != WORD.to_bytes(WORD)
        or len(output) != 68 + -(-length // WORD) * WORD
    ):
        raise ChainError(f"revert data without a reason: 0x{output.hex()}")
    return output[68 : 68 + length].decode()
