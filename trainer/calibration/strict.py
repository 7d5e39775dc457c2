"""JSON read without forgiveness: a value that is missing, unknown, of another kind or out of range is named."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from trainer.errors import DataError

SHOWN = 60
"""Characters of a wrong value that an error shows."""
MOST_DEPTH = 64
"""Lists and tables in each other."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """A value of a JSON file, which knows where it stands; every reader raises `DataError` that names file and place.

    found: as `json` gives it.
    file:  what the file is called in errors.
    place: such as devices[0].power.source; empty for the whole file.
    """

    found: Any
    file: str
    place: str = ""

    def refuse(self, remedy: str) -> NoReturn:
        """Raise `DataError`: the value, and what to use in its place."""
        shown = json.dumps(self.found)
        shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + "…"
        raise DataError(f"{self.file}: {self.place or 'the file'} is {shown}; {remedy}")

    def table(self, *names: str) -> dict[str, "Value"]:
        """A table of exactly these names; without any, a table of whatever names it has."""
        if not isinstance(self.found, dict):
            self.refuse("use a table, {…}")
        if names:
            missing = [name for name in names if name not in self.found]
            unknown = [name for name in self.found if name not in names]
            if missing or unknown:
                wrong = [f"without {name!r}" for name in missing] + [f"with the unknown {name!r}" for name in unknown]
                raise DataError(
                    f"{self.file}: {self.place or 'the file'} is {', '.join(wrong)}; use exactly {', '.join(names)}"
                )
        start = f"{self.place}." if self.place else ""
        return {name: Value(found=value, file=self.file, place=f"{start}{name}") for name, value in self.found.items()}

    def list(self) -> list["Value"]:
        """A list of whatever it holds."""
        if not isinstance(self.found, list):
            self.refuse("use a list, […]")
        return [
            Value(found=value, file=self.file, place=f"{self.place}[{number}]")
            for number, value in enumerate(self.found)
        ]

    def text(self, choices: Sequence[str] = ()) -> str:
        """A text that is not empty; with choices, one of them."""
        if not isinstance(self.found, str) or not self.found:
            self.refuse(f"use one of {', '.join(choices)}" if choices else "use a text")
        if choices and self.found not in choices:
            self.refuse(f"use one of {', '.join(choices)}")
        return self.found

    def number(self, least: float = -math.inf, most: float = math.inf, *, above: float = -math.inf) -> float:
        """A finite number from `least` to `most`, and greater than `above`."""
        try:
            found = math.nan if isinstance(self.found, bool | str) else float(self.found)
        except (TypeError, OverflowError):
            found = math.nan
        # no comparison holds for what is not a number
        if not (math.isfinite(found) and least <= found <= most and found > above):
            self.refuse(f"use a number{_range(least, most, above)}")
        return found

    def whole(self, least: int) -> int:
        """A whole number of at least `least`."""
        if isinstance(self.found, bool) or not isinstance(self.found, int) or self.found < least:
            self.refuse(f"use a whole number of {least} or more")
        return self.found


def _range(least: float, most: float, above: float) -> str:
    words = [f"above {above:g}"] if above > -math.inf else [f"of {least:g} or more"] if least > -math.inf else []
    return "".join(f" {word}" for word in [*words, *([f"up to {most:g}"] if most < math.inf else [])])


def read(path: Path, remedy: str) -> Value:
    """The JSON of a file; raises `DataError` for a file that is none, naming it and `remedy`."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not JSON ({error.reason} at byte {error.start}); {remedy}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    return parse(text, str(path), remedy)


def parse(text: str, file: str, remedy: str) -> Value:
    """The JSON of a text; raises `DataError` for what is none, and for a name that stands in a table twice."""
    try:
        _check_depth(text)
        return Value(found=json.loads(text, object_pairs_hook=_once), file=file)
    except ValueError as error:
        raise DataError(f"{file}: not JSON ({error}); {remedy}") from error


def _check_depth(text: str) -> None:
    """Refuse what would use up the stack of Python's own reader, which may end the process."""
    depth = 0
    for sign in re.findall(r"[][{}]", re.sub(r'"(?:[^"\\]|\\.)*"', "", text)):
        depth += 1 if sign in "[{" else -1
        if depth > MOST_DEPTH:
            raise ValueError(f"more than {MOST_DEPTH} lists or tables in each other")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice!r} stands in one table twice")
    return dict(pairs)
