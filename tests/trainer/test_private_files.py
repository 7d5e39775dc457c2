"""What nobody else on this machine may read: models before they are shown, their salts, and what chooses rows."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent_terms import linear
from trainer import networks
from trainer.agent import study
from trainer.agent.study import Judged, save
from trainer.client import Seal
from trainer.files import write_file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def open_to_all() -> Iterator[None]:
    """Let the system take nothing away: what is closed, the code closed."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_file_is_for_its_owner_alone_where_that_is_asked(tmp_path: Path) -> None:
    write_file(tmp_path / "public", b"1")
    write_file(tmp_path / "private", b"1", private=True)
    # also over one that was open
    (tmp_path / "before").write_bytes(b"0")
    (tmp_path / "before").chmod(0o666)
    write_file(tmp_path / "before", b"1", private=True)
    assert [mode(tmp_path / name) for name in ("public", "private", "before")] == [0o644, 0o600, 0o600]


def test_a_model_and_the_rows_it_is_judged_on_are_private(tmp_path: Path) -> None:
    save(tmp_path / "one", Judged(model=networks.model_of(linear()), right=5, rows=9))
    seed = study._seed(tmp_path / "one" / "seed")
    assert {path.name: mode(path) for path in (tmp_path / "one").iterdir()} == {
        "model.bin": 0o600,
        "judged.json": 0o600,
        "seed": 0o600,
    }
    assert study._seed(tmp_path / "one" / "seed") == seed
    assert study._seed(tmp_path / "other") != seed


def test_a_seal_is_behind_a_directory_of_its_owner(tmp_path: Path) -> None:
    Seal(challenge=3, trainer="0x" + "1" * 40, model=b"model", salt=b"\7" * 32).save(tmp_path / "seals" / "3")
    assert mode(tmp_path / "seals" / "3") == 0o700
