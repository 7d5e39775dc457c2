"""The reader of pickles: it reads what CIFAR-10 holds, and refuses by name whatever else a pickle can ask for."""

import contextlib
import os
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cifar_files import python2
from trainer import pickles
from trainer.errors import DataError

# {"labels": [6, 300], "data": array([[1, 2, 3], [4, 5, 6]])}, instruction by instruction
BY_HAND = (
    b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(K\x06M\x2c\x01eU\x04dataq\x04"
    b"cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07"
    b"(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x08U\x02u1K\x00K\x01\x87Rq\x09"
    b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T\x06\x00\x00\x00\x01\x02\x03\x04\x05\x06tbu."
)
ARRAY = np.arange(6, dtype=np.uint8).reshape(2, 3)


def read(content: bytes) -> dict[bytes, Any]:
    return pickles.read(content, source="file")


def test_a_pickle_written_by_hand_is_read() -> None:
    entries = read(BY_HAND)
    assert entries.keys() == {b"labels", b"data"}
    assert entries[b"labels"] == [6, 300]
    assert entries[b"data"].dtype == np.uint8
    assert entries[b"data"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert pickle.loads(BY_HAND.replace(b"numpy.core", b"numpy._core"))["data"].tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("order", ["C", "F"])
def test_what_python_2_wrote_is_read(order: str) -> None:
    long = "x" * 1000
    entries = read(
        python2({"data": np.array(ARRAY, order=order), "list": [*range(3)] * 1000, "one": [7], "text": long})
    )
    assert (entries[b"data"] == ARRAY).all()
    assert entries[b"list"] == [*range(3)] * 1000
    assert entries[b"one"] == [7]
    assert entries[b"text"] == long.encode()


def test_what_python_3_writes_with_protocol_2_is_read() -> None:
    entries = read(pickle.dumps({b"data": ARRAY, b"labels": [1, -2, True, None, ()], "name": "e"}, protocol=2))
    assert (entries[b"data"] == ARRAY).all()
    assert entries[b"labels"] == [1, -2, True, None, ()]
    assert entries[b"name"] == "e"


class _Run:
    """A pickle of it calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_call_is_refused_and_never_made(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "made"
    content = pickle.dumps({b"data": _Run(os.mkdir, str(file))}, protocol=protocol)
    with pytest.raises(DataError, match="do not trust this file; get the official archive"):
        read(content)
    assert not file.exists()
    pickle.loads(content)
    assert file.exists()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (_Run(os.system, "true"), "posix.system"),
        (_Run(eval, "1"), "__builtin__.eval"),
        (_Run(getattr, "a", "b"), "__builtin__.getattr"),
        (_Run(np.frombuffer, b"a"), "numpy.*frombuffer"),
        (Path("a"), "pathlib.PosixPath"),
        (np.array([None]), "not hold unsigned bytes|call that no batch"),
        (np.array([1.0]), "call that no batch"),
        (np.array(["a"]), "call that no batch"),
        ({1, 2}, "__builtin__.set"),
        (1 + 2j, "__builtin__.complex"),
        (2**40, "instruction LONG1"),
        (0.5, "instruction BINFLOAT"),
    ],
)
def test_everything_else_is_refused_by_name(value: object, name: str) -> None:
    with pytest.raises(DataError, match=f"^file, byte [0-9]+: .*({name})"):
        read(pickle.dumps({b"data": value}, protocol=2))


ALLOWED = {*pickles.INSTRUCTIONS, *pickles.CONSTANTS, *pickles.ARGUMENTS, *pickles.TUPLES}


OTHERS = [opcode for opcode in pickletools.opcodes if opcode.name not in ALLOWED]


@pytest.mark.parametrize("opcode", OTHERS, ids=lambda opcode: opcode.name)
def test_every_other_instruction_is_refused(opcode: pickletools.OpcodeInfo) -> None:
    kind = "" if opcode.arg is None else opcode.arg.name
    argument = b"'1'\n" if kind == "stringnl" else b"1\n1\n" if "nl" in kind else bytes(8)
    with pytest.raises(DataError, match=f"file, byte 3: instruction {opcode.name} is none that a batch"):
        read(b"\x80\x02}" + opcode.code.encode("latin-1") + argument)


def test_instructions_that_import_or_construct_are_among_the_others() -> None:
    harmful = {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"}
    assert harmful <= {opcode.name for opcode in OTHERS}


def mark(*parts: bytes) -> bytes:
    return b"\x80\x02}(U\x01a" + b"".join(parts) + b"u."


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
EMPTY_ARRAY = RECONSTRUCT + b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R"
UINT8 = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (mark(b"ccopy_reg\n_reconstructor\n"), "asks for 'copy_reg._reconstructor'"),
        (mark(b"c" + b"m" * 1000 + b"\nf\n"), "asks for 'm{80}'"),
        (mark(EMPTY_ARRAY, b"(K\x02K\x01\x85", UINT8, b"\x89U\x01ctb"), "does not hold unsigned bytes"),
        (mark(EMPTY_ARRAY, b"(K\x01K\x01\x85K\x00\x89U\x01ctb"), "does not hold unsigned bytes"),
        (mark(EMPTY_ARRAY, b"(K\x01K\x01\x85", UINT8, b"\x89]tb"), "does not hold unsigned bytes"),
        (mark(EMPTY_ARRAY, b"(K\x01K\x01", UINT8, b"\x89U\x01ctb"), "without a shape"),
        (mark(EMPTY_ARRAY, b"(K\x01N\x85", UINT8, b"\x89U\x01ctb"), "without a shape"),
        (mark(EMPTY_ARRAY, b"(K\x01(K\x01K\x01K\x01K\x01K\x01t", UINT8, b"\x89U\x01ctb"), "without a shape"),
        (mark(EMPTY_ARRAY, b"(K\x01K\x02\x85", UINT8, b"\x89U\x01ctb"), r"of shape \(2,\) from 1 bytes"),
        (
            mark(EMPTY_ARRAY, b"(K\x01J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86", UINT8, b"\x89U\x01ctb"),
            "of shape .-1, -1",
        ),
        (mark(b"]Nb"), "a state that no batch"),
        (mark(RECONSTRUCT, b"Nb"), "a state that no batch"),
        (mark(RECONSTRUCT, b"cnumpy\ndtype\n\x85R"), "a call that no batch"),
        (mark(b"cnumpy\ndtype\nU\x01O\x85R"), "a call that no batch"),
        (mark(b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00zip\x86R"), "a call that no batch"),
        (b"\x80\x02].", "it holds no dictionary"),
        (b"\x80\x02}(.", "it ends inside a list or dictionary"),
        (b"\x80\x04}.", "protocol 4; the pickles of CIFAR-10 have protocol 2"),
        (b"\x80\x02}.x", "1 bytes behind the end"),
        (mark(b"(cnumpy\nndarray\n\x85R"), "damaged after byte"),
        (mark(b"N\x86\x87"), "damaged after byte"),
        (mark(b"h\x05"), "damaged after byte"),
        (b"\x80\x02}U\x01as.", "damaged after byte"),
        (mark(b"Na"), "damaged after byte"),
        (mark(b"(Ne"), "damaged after byte"),
        (mark(b"NN"), "damaged after byte"),
        (mark(EMPTY_ARRAY, b"Nb"), "damaged after byte"),
        (mark(EMPTY_ARRAY, b"K\x01\x85b"), "damaged after byte"),
        (b"\x80\x02}K\x01K\x01s.", "damaged after byte"),
        (b"\x80\x02}\x80\x02", "damaged after byte"),
        (b"\x80\x02.", "damaged after byte"),
        (b"\x80\x02}}.", "damaged after byte"),
        (b"\x80\x02s.", "damaged after byte"),
        (b"\x80\x02}q", "damaged after byte"),
        (b"\xff", "damaged after byte 0"),
        (b"", "damaged after byte 0"),
    ],
)
def test_what_does_not_fit_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=f"^file.*{reason}.*; get the official archive$"):
        read(content)


def test_depth_does_no_harm() -> None:
    # the hash of so deep a key would overflow the stack of C
    deep = b"N" + b"\x85" * 300_000
    with pytest.raises(DataError, match="damaged after byte"):
        read(b"\x80\x02}" + deep + b"Ns.")
    assert read(b"\x80\x02}U\x01a" + deep + b"s.").keys() == {b"a"}


def test_a_place_in_the_memo_costs_nothing() -> None:
    assert read(b"\x80\x02}r\xff\xff\xff\xff.") == {}


@given(st.data())
def test_no_change_of_a_pickle_escapes(data: st.DataObject) -> None:
    content = bytearray(BY_HAND)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        if not content:
            break
    with contextlib.suppress(DataError):
        entries = read(bytes(content))
        assert all(isinstance(key, bytes) for key in entries)
