"""Values out of JSON and TOML that are what they should be, or an error that names where they stand."""

import json
import math
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import DataError

SHOWN = 60
"""Characters of a wrong value that an error repeats, at most."""
DEEPEST = 32
"""Lists and tables within one another, at most: JSON's parser is recursive, and vyper lifts Python's limit on that."""
LAST_SECOND = 2**40
"""No time is later: a value in milliseconds or nanoseconds is told from one in seconds by that."""
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:-]{0,63}")


@dataclass(frozen=True)
class Value:
    """A value and where it stands, such as `rig.toml: device 1: name`; every method raises `DataError` that says so."""

    value: Any
    where: str

    def wrong(self, remedy: str) -> DataError:
        """The error for this value."""
        shown = repr(self.value)
        if len(shown) > SHOWN:
            shown = shown[: SHOWN - 1] + "…"
        return DataError(f"{self.where} is {shown}; {remedy}")

    def table(self, required: Iterable[str] = (), optional: Iterable[str] = ()) -> "dict[str, Value]":
        """The entries of a table that has all of `required`, and nothing but these and `optional`."""
        entries = self.entries()
        required, optional = tuple(required), tuple(optional)
        for name in required:
            if name not in entries:
                raise DataError(f"{self.where}: {name} is missing; it has {', '.join(required)}")
        for name in entries:
            if name not in required and name not in optional:
                raise DataError(f"{self.where}: no such entry: {name!r}; there are {', '.join((*required, *optional))}")
        return entries

    def entries(self) -> "dict[str, Value]":
        """The entries of a table with any names."""
        if not isinstance(self.value, dict):
            raise self.wrong("use a table of names and values")
        return {name: Value(value, f"{self.where}: {name}") for name, value in self.value.items()}

    def items(self, least: int = 0) -> "list[Value]":
        """The values of a list with at least so many, numbered from 0."""
        if not isinstance(self.value, list):
            raise self.wrong("use a list")
        if len(self.value) < least:
            raise self.wrong(f"name {least} or more")
        return [Value(value, f"{self.where} {number}") for number, value in enumerate(self.value)]

    def text(self) -> str:
        """A text that is not empty."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.wrong("use a text that is not empty")
        return self.value

    def word(self) -> str:
        """A name that means nothing to a shell, and is no option: it becomes part of a command."""
        if not isinstance(self.value, str) or not WORD.fullmatch(self.value):
            raise self.wrong("use letters, digits and . _ + : - behind a letter or digit, at most 64 of them")
        return self.value

    def one_of(self, known: Iterable[str]) -> str:
        """One of the texts that are known."""
        known = tuple(known)
        if not isinstance(self.value, str) or self.value not in known:
            raise self.wrong(f"use one of {', '.join(known)}")
        return self.value

    def number(self, least: float = -math.inf, most: float = math.inf, *, above: float = -math.inf) -> float:
        """A finite number in [least, most], and above `above`."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.wrong("use a number")
        try:
            found = float(self.value)
        except OverflowError:
            found = math.inf
        if not math.isfinite(found):
            raise self.wrong("use a finite number")
        if found < least or found > most or found <= above:
            bounds = [f"above {above:g}"] if above > -math.inf else []
            bounds += [f"of {least:g} or more"] if least > -math.inf else []
            bounds += [f"of {most:g} or less"] if most < math.inf else []
            raise self.wrong(f"use a number {' and '.join(bounds)}")
        return found

    def whole(self, least: int, most: int | None = None) -> int:
        """A whole number in [least, most]."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.wrong("use a whole number")
        if self.value < least or (most is not None and self.value > most):
            raise self.wrong(f"use a whole number of {least} or more" + ("" if most is None else f", at most {most}"))
        return self.value

    def time(self) -> int:
        """A moment in unix seconds."""
        return self.whole(0, LAST_SECOND)

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.wrong("use true or false")
        return self.value


def from_json(text: str | bytes, where: str, remedy: str = "mend or delete it") -> Value:
    """The value that a JSON text is; raises `DataError` that names `where`, also for a name that stands there twice."""
    try:
        if isinstance(text, bytes):
            text = text.decode()
        if _depth(text) > DEEPEST:
            raise ValueError(f"more than {DEEPEST} lists and tables within one another")
        return Value(json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, where)), where)
    except ValueError as error:
        raise DataError(f"{where}: no JSON ({error}); {remedy}") from error


def read_json(path: Path, remedy: str = "mend or delete it") -> Value:
    """The value in a JSON file; raises `DataError` that names it, and `remedy` where it holds none."""
    return from_json(_content(path, remedy), str(path), remedy)


def read_toml(path: Path) -> Value:
    """The table in a TOML file; raises `DataError` that names it."""
    try:
        return Value(tomllib.loads(_content(path).decode()), str(path))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise DataError(f"{path}: no TOML ({error}); mend it") from error


def _content(path: Path, remedy: str = "") -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {remedy or 'name another file'}") from error


def _depth(text: str) -> int:
    """How many lists and tables are open at once, at most, in a text that may be JSON."""
    depth = deepest = 0
    for bracket in re.findall(r"[][{}]", re.sub(r'"(?:[^"\\]|\\.)*"', "", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _once(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise DataError(f"{where}: {name!r} stands there twice; keep one")
        found[name] = value
    return found
