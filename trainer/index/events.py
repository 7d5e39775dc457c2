"""Logs of the market as events: what is read at once, and the bytes that are read only when asked for."""

from functools import lru_cache
from typing import Any, NamedTuple

from eth_utils.address import to_checksum_address

from trainer import abi
from trainer.abi import Abi
from trainer.errors import NodeError
from trainer.protocol import Outcome, Rule, Terms, Windows

ADDRESSES = ("poster", "trainer", "auditor", "winner", "token", "owner", "to")
"""Values of events that are addresses."""
LEDGER = ("Credited", "Burned", "Withdrawn")
"""Events of the ledger, which name no challenge."""


class Event(NamedTuple):
    """An event of the market.

    values:      by name; addresses with checksum, terms as `Terms`, the outcome as `Outcome`.
    timestamp:   of its block, in seconds.
    transaction: hash, 32 bytes.
    """

    name: str
    values: dict[str, Any]
    block: int
    timestamp: int
    transaction: bytes


def market_abi() -> Abi:
    """The market's interface."""
    return abi.load("Market")


@lru_cache(maxsize=65536)
def checksum(address: str) -> str:
    """An address as people write it: thousands of events name the same few."""
    return str(to_checksum_address(address))


def split(topics: tuple[bytes, ...], data: bytes) -> tuple[bytes, bytes]:
    """The data that `decoded` needs, and the rest: samples, models and predictions."""
    head = market_abi().kind(topics).head
    return data[:head], data[head:]


def decoded(topics: tuple[bytes, ...], head: bytes, tail: bytes | None) -> tuple[str, dict[str, Any]]:
    """Name and values of an event; without `tail` values of variable length are left out.

    Raises `NodeError` if it is none of the market's.
    """
    kind = market_abi().kind(topics)
    name, *read = kind.read_head(topics, head) if tail is None else kind.read(topics, head + tail)
    values = {field: value for field, value in zip(kind.fields, read, strict=True) if value is not None}
    for field in ADDRESSES:
        if field in values:
            values[field] = checksum(values[field])
    try:
        if name == "Posted":
            values["terms"] = terms_of(values["terms"])
        elif name == "Settled":
            values["outcome"] = Outcome(values["outcome"])
    except ValueError as error:
        raise NodeError(f"{name}: {error}; ask another node") from error
    return name, values


def terms_of(value: tuple[Any, ...]) -> Terms:
    """The ABI value of `Terms.as_tuple`, as terms."""
    token, reward, opening, poster_bond, trainer_bond, seal_fee, rule, threshold, root, *rest = value
    groups, holdout, samples, sample_bytes, input_bits, classes, model_bytes, engine, full_audit, windows = rest
    return Terms(
        token=checksum(token),
        reward=reward,
        opening=opening,
        poster_bond=poster_bond,
        trainer_bond=trainer_bond,
        seal_fee=seal_fee,
        rule=Rule(rule),
        threshold=threshold,
        root=bytes(root),
        groups=groups,
        holdout=holdout,
        samples=samples,
        sample_bytes=sample_bytes,
        input_bits=input_bits,
        classes=classes,
        model_bytes=model_bytes,
        engine=checksum(engine),
        full_audit=full_audit,
        windows=Windows(**dict(zip(WINDOWS, windows, strict=True))),
    )


WINDOWS = tuple(Windows.__dataclass_fields__)
