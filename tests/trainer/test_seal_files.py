"""A seal on the disk: whole, or not there at all."""

import os
from pathlib import Path

import pytest

from trainer.client import Seal
from trainer.errors import ChainError

SEAL = Seal(challenge=3, trainer="0x" + "1" * 40, model=b"model", salt=b"\7" * 32, segments=(b"one", b"two"))


class Killed(BaseException):
    """Stands for the end of the process."""


def test_what_is_saved_is_loaded_also_over_another(tmp_path: Path) -> None:
    for model in (b"other", b"model"):
        seal = Seal(challenge=3, trainer=SEAL.trainer, model=model, salt=SEAL.salt, segments=SEAL.segments)
        seal.save(tmp_path / "seals" / "3")
        assert Seal.load(tmp_path / "seals" / "3") == seal
    assert [path.name for path in (tmp_path / "seals").iterdir()] == ["3"]


@pytest.mark.parametrize("step", range(1, 7))
def test_killed_while_it_is_saved_it_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    directory, calls = tmp_path / "3", []
    fsync = os.fsync

    def kill(handle: int) -> None:
        calls.append(handle)
        if len(calls) == step:
            raise Killed
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", kill)
        with pytest.raises(Killed):
            SEAL.save(directory)
    if directory.is_dir():
        assert Seal.load(directory) == SEAL
    # the next process saves its own, whatever was left
    SEAL.save(directory)
    assert Seal.load(directory) == SEAL


def test_half_a_seal_is_no_seal(tmp_path: Path) -> None:
    SEAL.save(tmp_path / "3")
    (tmp_path / "3" / "seal.json").unlink()
    with pytest.raises(ChainError, match="no complete seal"):
        Seal.load(tmp_path / "3")
