"""The pickles of CIFAR-10, read as data: nothing of them is imported, constructed or called.

A pickle is a program for a stack machine, and Python's own reader runs whatever functions it names. This reader knows
the instructions that a dictionary of lists, numbers, texts and byte arrays takes, and four names, for which it has
meanings of its own. Everything else is refused by name. Both what Python 2 wrote, as in the official archive, and what
Python 3 writes with protocol 2 and bytes for keys can be read.
"""

import math
import pickletools
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.errors import DataError

Uint8 = npt.NDArray[np.uint8]

PROTOCOL = 2
MAX_DIMENSIONS = 4
# letters of a refused name in a message
SHOWN = 80
REMEDY = "do not trust this file; get the official archive"


class _Name(Enum):
    """What a name stands for; none is ever imported."""

    RECONSTRUCT = "an array to be filled"
    ARRAY = "the type of arrays"
    ELEMENT = "the type of elements"
    ENCODE = "bytes, written by Python 3 as text"


class _Element:
    """The type of elements, which is always unsigned bytes."""


class _Array:
    """An array, None until it is filled."""

    value: Uint8 | None = None


NAMES = {
    "numpy.core.multiarray _reconstruct": _Name.RECONSTRUCT,
    "numpy._core.multiarray _reconstruct": _Name.RECONSTRUCT,
    "numpy ndarray": _Name.ARRAY,
    "numpy dtype": _Name.ELEMENT,
    "_codecs encode": _Name.ENCODE,
}
CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
# these push their argument as it is
ARGUMENTS = {"BININT", "BININT1", "BININT2", "BINUNICODE"}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read(content: bytes, *, source: str) -> dict[bytes, Any]:
    """Read a pickled dictionary.

    content: the file.
    source:  how messages name it.

    Returns its entries: keys as bytes; an array as uint8 with its shape; strings of Python 2 as bytes. Raises
    `DataError` for anything else, naming the byte where it begins, and for bytes behind the end.
    """
    machine = _Machine()
    place = 0
    try:
        for opcode, argument, position in pickletools.genops(content):
            place = 0 if position is None else position
            machine.step(opcode.name, argument)
        entries = machine.result()
    except DataError as error:
        raise DataError(f"{source}, byte {place}: {error}; {REMEDY}") from error
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise DataError(f"{source}: damaged after byte {place}, no pickle of CIFAR-10; {REMEDY}") from error
    if place + 1 != len(content):
        raise DataError(f"{source}: {len(content) - place - 1} bytes behind the end of the pickle; {REMEDY}")
    return entries


class _Machine:
    """The stack machine: `step` may raise `DataError`, and what Python raises where an instruction does not fit."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in ARGUMENTS:
            self.stack.append(argument)
        elif name in TUPLES:
            self.stack.append(tuple(self.pop(TUPLES[name])))
        elif name not in INSTRUCTIONS:
            raise DataError(f"instruction {name} is none that a batch of CIFAR-10 needs")
        else:
            INSTRUCTIONS[name](self, argument)

    def pop(self, count: int) -> list[Any]:
        """Take the last `count` values, all above the last mark."""
        cut = len(self.stack) - count
        if cut < (self.marks[-1] if self.marks else 0):
            raise IndexError("the stack is too short")
        taken = self.stack[cut:]
        del self.stack[cut:]
        return taken

    def result(self) -> dict[bytes, Any]:
        """The dictionary that is left, with its arrays and keys as `read` returns them."""
        (entries,) = self.stack
        if not isinstance(entries, dict):
            raise DataError("it holds no dictionary")
        return {_bytes(key): value.value if isinstance(value, _Array) else value for key, value in entries.items()}

    def _protocol(self, argument: int) -> None:
        if argument != PROTOCOL:
            raise DataError(f"protocol {argument}; the pickles of CIFAR-10 have protocol {PROTOCOL}")

    def _string(self, argument: str) -> None:
        self.stack.append(argument.encode("latin-1"))

    def _list(self, argument: None) -> None:
        self.stack.append([])

    def _dictionary(self, argument: None) -> None:
        self.stack.append({})

    def _mark(self, argument: None) -> None:
        self.marks.append(len(self.stack))

    def _tuple(self, argument: None) -> None:
        self.stack.append(tuple(self._marked()))

    def _put(self, argument: int) -> None:
        self.memo[argument] = self.stack[-1]

    def _get(self, argument: int) -> None:
        self.stack.append(self.memo[argument])

    def _append(self, argument: None) -> None:
        items = self.pop(1)
        self._top(list).extend(items)

    def _appends(self, argument: None) -> None:
        items = self._marked()
        self._top(list).extend(items)

    def _item(self, argument: None) -> None:
        self._fill(self.pop(2))

    def _items(self, argument: None) -> None:
        self._fill(self._marked())

    def _global(self, argument: str) -> None:
        if argument not in NAMES:
            wanted = argument.replace(" ", ".")[:SHOWN]
            raise DataError(f"it asks for {wanted!r}, which no batch of CIFAR-10 needs")
        self.stack.append(NAMES[argument])

    def _reduce(self, argument: None) -> None:
        name, arguments = self.pop(2)
        if name is _Name.RECONSTRUCT and arguments[0] is _Name.ARRAY:
            self.stack.append(_Array())
        elif name is _Name.ELEMENT and _bytes(arguments[0]) == b"u1":
            self.stack.append(_Element())
        elif name is _Name.ENCODE and arguments[1:] == ("latin1",):
            self.stack.append(_bytes(arguments[0]))
        else:
            raise DataError("a call that no batch of CIFAR-10 needs")

    def _build(self, argument: None) -> None:
        (state,) = self.pop(1)
        target = self.stack[-1]
        if isinstance(target, _Array):
            target.value = _filled(*state)
        elif not isinstance(target, _Element):
            raise DataError("a state that no batch of CIFAR-10 needs")

    def _stop(self, argument: None) -> None:
        if self.marks:
            raise DataError("it ends inside a list or dictionary")

    def _marked(self) -> list[Any]:
        taken = self.pop(len(self.stack) - self.marks[-1])
        self.marks.pop()
        return taken

    def _top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise TypeError(f"no {kind.__name__} to fill")
        return self.stack[-1]

    def _fill(self, items: list[Any]) -> None:
        # the hash of a tuple in a tuple in a tuple … has no limit of depth
        if not all(isinstance(key, str | bytes) for key in items[::2]):
            raise TypeError("a key that is no text")
        self._top(dict).update(zip(items[::2], items[1::2], strict=True))


INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine._protocol,
    "BINSTRING": _Machine._string,
    "SHORT_BINSTRING": _Machine._string,
    "EMPTY_LIST": _Machine._list,
    "EMPTY_DICT": _Machine._dictionary,
    "MARK": _Machine._mark,
    "TUPLE": _Machine._tuple,
    "BINPUT": _Machine._put,
    "LONG_BINPUT": _Machine._put,
    "BINGET": _Machine._get,
    "LONG_BINGET": _Machine._get,
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "SETITEM": _Machine._item,
    "SETITEMS": _Machine._items,
    "GLOBAL": _Machine._global,
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
    "STOP": _Machine._stop,
}


def _bytes(text: Any) -> bytes:
    if isinstance(text, str):
        return text.encode("latin-1")
    if not isinstance(text, bytes):
        raise TypeError("neither bytes nor text")
    return text


def _filled(version: Any, shape: Any, element: Any, columns_first: Any, data: Any) -> Uint8:
    """An array from its state; the order of its dimensions in memory is the file's."""
    if version != 1 or not isinstance(element, _Element) or type(data) is not bytes:
        raise DataError("an array that does not hold unsigned bytes")
    if type(shape) is not tuple or len(shape) > MAX_DIMENSIONS or not all(type(side) is int for side in shape):
        raise DataError("an array without a shape")
    if min(shape, default=0) < 0 or math.prod(shape) != len(data):
        raise DataError(f"an array of shape {shape} from {len(data)} bytes")
    return np.frombuffer(data, np.uint8).reshape(shape, order="F" if columns_first else "C")
