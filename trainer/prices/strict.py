"""Reads JSON objects value by value; what is missing, wrong or too much is named with the file and its remedy."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from eth_utils.address import is_address

from trainer.errors import AssayError, DataError

T = TypeVar("T")


class Reader:
    """One JSON object, whose values are taken one after another; every method raises `DataError`."""

    def __init__(self, value: Any, where: str, remedy: str) -> None:
        """where, remedy: begin and end of every message."""
        self.where, self.remedy = where, remedy
        if not isinstance(value, dict):
            self.fail("is no object")
        self.left: dict[str, Any] = dict(value)

    @classmethod
    def file(cls, path: Path, remedy: str) -> "Reader":
        """The object that a file holds."""
        try:
            value = json.loads(path.read_text())
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}; {remedy}") from error
        except ValueError as error:
            raise DataError(f"{path} is no JSON ({error}); {remedy}") from error
        return cls(value, str(path), remedy)

    def fail(self, what: str) -> NoReturn:
        """Raise the error."""
        raise DataError(f"{self.where}: {what}; {self.remedy}")

    def take(self, name: str) -> Any:
        """A value of any kind."""
        if name not in self.left:
            self.fail(f"{name} is missing")
        return self.left.pop(name)

    def version(self, wanted: int) -> None:
        """The version, which must be this one."""
        found = self.take("version")
        if found != wanted or isinstance(found, bool):
            self.fail(f"version is {found!r}, not {wanted}")

    def whole(self, name: str, least: int = 0) -> int:
        """A whole number."""
        found = self.take(name)
        if isinstance(found, bool) or not isinstance(found, int) or found < least:
            self.fail(f"{name} is {found!r}, and should be a whole number of {least} or more")
        return found

    def real(self, name: str, least: float = 0.0) -> float:
        """A finite number."""
        return self._real(name, self.take(name), least)

    def _real(self, name: str, found: Any, least: float) -> float:
        if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found) or found < least:
            self.fail(f"{name} is {found!r}, and should be a number of {least:g} or more")
        return float(found)

    def text(self, name: str) -> str:
        """A text."""
        found = self.take(name)
        if not isinstance(found, str):
            self.fail(f"{name} is {found!r}, and should be a text")
        return found

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        """One of some texts."""
        found = self.text(name)
        if found not in allowed:
            self.fail(f"{name} is {found!r}; there are {', '.join(allowed)}")
        return found

    def word(self, name: str) -> bytes:
        """32 bytes as hexadecimal text."""
        text = self.text(name)
        try:
            found = bytes.fromhex(text.removeprefix("0x"))
        except ValueError:
            found = b""
        if len(found) != 32 or len(text) != 66:
            self.fail(f"{name} is {text!r}, and should be 0x and 64 hexadecimal digits")
        return found

    def address(self, name: str) -> str:
        """An address."""
        text = self.text(name)
        if not is_address(text):
            self.fail(f"{name} is {text!r}, and should be an address")
        return text

    def pair(self, name: str, *, whole: bool = False) -> list[float | None] | None:
        """Two numbers of 0 or more, either of which may be null; with `whole` both are numbers, or all is null."""
        found = self.take(name)
        if whole and found is None:
            return None
        if not isinstance(found, list) or len(found) != 2:
            self.fail(f"{name} is {found!r}, and should be two numbers")
        return [None if one is None and not whole else self._real(name, one, 0.0) for one in found]

    def objects(self, name: str) -> list["Reader"]:
        """A list of objects."""
        found = self.take(name)
        if not isinstance(found, list):
            self.fail(f"{name} is {found!r}, and should be a list")
        return [Reader(value, f"{self.where}: {name}[{i}]", self.remedy) for i, value in enumerate(found)]

    def object(self, name: str) -> "Reader":
        """An object."""
        return Reader(self.take(name), f"{self.where}: {name}", self.remedy)

    def made(self, make: Callable[[], T]) -> T:
        """What is made of values, whose own errors are told with the place."""
        try:
            return make()
        except AssayError as error:
            if str(error).startswith(self.where):
                raise
            self.fail(str(error))

    def end(self) -> None:
        """Nothing may be left."""
        if self.left:
            self.fail(f"there is no {', '.join(sorted(self.left))} in such a file")
