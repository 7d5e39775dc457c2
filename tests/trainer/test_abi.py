"""Calls and events from the JSON ABI: the same bytes as eth_abi's for every function, and refusals that say why."""

import json
from typing import Any

import pytest
from eth_abi.abi import default_codec
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from trainer.abi import FILES, Abi, Event, load, reason
from trainer.errors import ChainError, NodeError

CONTRACTS = sorted(file.stem for file in FILES.iterdir())
MARKET = load("Market")


def kind_of(entry: dict[str, Any]) -> str:
    """A type's canonical name, written without a look at the module's."""
    if not entry["type"].startswith("tuple"):
        return str(entry["type"])
    return entry["type"].replace("tuple", "(" + ",".join(kind_of(part) for part in entry["components"]) + ")")


def value_of(kind: str, parts: list[dict[str, Any]]) -> st.SearchStrategy[Any]:
    """Any value of a type."""
    if kind.endswith("[]"):
        return st.lists(value_of(kind[:-2], parts), max_size=3)
    return {
        **{f"uint{bits}": st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64, 256)},
        "int256": st.integers(-(2**255), 2**255 - 1),
        "address": st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
        "bytes32": st.binary(min_size=32, max_size=32),
        "bool": st.booleans(),
        "bytes": st.binary(max_size=70),
        "string": st.text(max_size=40),
        "tuple": st.tuples(*(value_of(part["type"], part.get("components", [])) for part in parts)),
    }[kind]


def entries(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Functions or events of all contracts."""
    return [
        (contract, entry)
        for contract in CONTRACTS
        for entry in json.loads((FILES / f"{contract}.json").read_text())
        if entry["type"] == kind
    ]


FUNCTIONS, EVENTS = entries("function"), entries("event")


def test_every_type_can_be_drawn() -> None:
    """What hypothesis draws it may not draw the next time."""
    for _, entry in (*FUNCTIONS, *EVENTS):
        for part in (*entry["inputs"], *entry.get("outputs", [])):
            value_of(part["type"], part.get("components", []))


@given(st.data())
def test_calls_are_what_eth_abi_encodes(data: st.DataObject) -> None:
    contract, entry = data.draw(st.sampled_from(FUNCTIONS))
    kinds = [kind_of(part) for part in entry["inputs"]]
    args = tuple(data.draw(value_of(part["type"], part.get("components", []))) for part in entry["inputs"])
    selector = keccak(f"{entry['name']}({','.join(kinds)})".encode())[:4]
    assert load(contract).call(entry["name"], args) == selector + default_codec.encode(kinds, args)


@given(st.data())
def test_outputs_are_read_back(data: st.DataObject) -> None:
    contract, entry = data.draw(st.sampled_from(FUNCTIONS))
    kinds = [kind_of(part) for part in entry["outputs"]]
    values = tuple(data.draw(value_of(part["type"], part.get("components", []))) for part in entry["outputs"])
    output = default_codec.encode(kinds, values)
    read = load(contract).output(entry["name"], output)
    assert default_codec.encode(kinds, read) == output
    if output:
        with pytest.raises(NodeError, match=f"{entry['name']} returned .* is the contract another"):
            load(contract).output(entry["name"], output[:-1] if len(output) < 33 else output[:31])


@given(st.data())
def test_events_are_read_back_whole_and_without_long_values(data: st.DataObject) -> None:
    contract, entry = data.draw(st.sampled_from(EVENTS))
    values = [data.draw(value_of(part["type"], part.get("components", []))) for part in entry["inputs"]]
    kinds = [kind_of(part) for part in entry["inputs"]]
    indexed = [part["indexed"] for part in entry["inputs"]]
    words = [default_codec.encode([k], [v]) for k, v, i in zip(kinds, values, indexed, strict=True) if i]
    plain = [(k, v) for k, v, i in zip(kinds, values, indexed, strict=True) if not i]
    logged = default_codec.encode([k for k, _ in plain], [v for _, v in plain])
    topics = [keccak(f"{entry['name']}({','.join(kinds)})".encode()), *words]
    abi = load(contract)
    event = abi.kind(topics)
    as_read = [tuple(value) if isinstance(value, list) else value for value in values]
    assert event.fields == tuple(part["name"] for part in entry["inputs"])
    assert abi.event(topics, logged) == (entry["name"], *as_read)
    long = [part["type"] in ("bytes", "string") or part["type"].endswith("[]") for part in entry["inputs"]]
    short = [None if away else value for value, away in zip(as_read, long, strict=True)]
    assert event.read_head(topics, logged[: event.head]) == (entry["name"], *short)
    with pytest.raises(NodeError, match=f"data of {entry['name']}|log of {entry['name']}"):
        event.read_head(topics[: 1 + len(words) // 2] if not logged else topics, logged[: event.head][:-1])


def test_heads_of_arrays_of_fixed_length() -> None:
    """No event of ours has one; an interface may."""
    inner = [{"name": "a", "type": "uint256"}, {"name": "b", "type": "address"}]
    values = [
        {"name": "pairs", "type": "tuple[2]", "components": inner, "indexed": False},
        {"name": "text", "type": "string", "indexed": False},
        {"name": "last", "type": "uint256[3]", "indexed": False},
    ]
    event = Event({"name": "E", "inputs": values})
    pairs = ((1, "0x" + "11" * 20), (2, "0x" + "22" * 20))
    data = default_codec.encode(["(uint256,address)[2]", "string", "uint256[3]"], [pairs, "hello", (7, 8, 9)])
    assert event.head == 4 * 32 + 32 + 3 * 32
    assert event.read_head([event.topic], data[: event.head]) == ("E", pairs, None, (7, 8, 9))


def test_logs_of_other_contracts_are_refused() -> None:
    with pytest.raises(NodeError, match="topic 0x0+, which the ABI does not know"):
        MARKET.event([bytes(32)], b"")
    with pytest.raises(NodeError, match="no topic"):
        MARKET.event([], b"")


@pytest.mark.parametrize(
    ("name", "word", "says"), [("Credited", b"\1" * 32, "no address"), ("Posted", b"\2" * 32, "data of Posted")]
)
def test_words_of_another_type_are_refused(name: str, word: bytes, says: str) -> None:
    event = next(event for event in MARKET.events.values() if event.name == name)
    with pytest.raises(NodeError, match=says):
        event.read([event.topic, *[word] * (event.topics - 1)], word * (event.head // 32))


def test_a_flag_is_zero_or_one() -> None:
    event = Event({"name": "E", "inputs": [{"name": "yes", "type": "bool", "indexed": False}]})
    assert [event.read([event.topic], n.to_bytes(32)) for n in (0, 1)] == [("E", False), ("E", True)]
    for wrong in (2, 256, 1 << 255):
        with pytest.raises(NodeError, match="no truth value"):
            event.read([event.topic], wrong.to_bytes(32))


def test_words_of_another_length_are_refused() -> None:
    with pytest.raises(ChainError, match="where words of 32 belong"):
        MARKET.call("commit", (1, b"\1" * 31))


def test_payable_calls_are_known() -> None:
    assert MARKET.payable == {"post", "commit"}


def test_reasons_are_read() -> None:
    for text in ("", "draw: no hash of the seed block", "é" * 40):
        assert reason(keccak(b"Error(string)")[:4] + default_codec.encode(["string"], [text])) == text
    assert reason(b"") == ""


@pytest.mark.parametrize(
    "output",
    [
        keccak(b"Panic(uint256)")[:4] + bytes(32),
        keccak(b"Error(string)")[:4],
        keccak(b"Error(string)")[:4] + default_codec.encode(["string"], ["x"]) + b"\0",
        keccak(b"Error(string)")[:4] + default_codec.encode(["uint256", "string"], [1, "x"]),
    ],
)
def test_revert_data_without_a_reason_is_refused(output: bytes) -> None:
    with pytest.raises(ChainError, match="revert data without a reason"):
        reason(output)


def test_the_abi_is_one_object_a_process() -> None:
    assert load("Market") is MARKET
    assert isinstance(MARKET, Abi)
