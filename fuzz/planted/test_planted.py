"""The planted bugs still fit the contracts; `make planted` plays them."""

from pathlib import Path

import pytest

from fuzz.planted.run import ROOT, patches, planted


@pytest.mark.parametrize("patch", patches(), ids=lambda patch: patch.stem)
def test_a_planted_bug_fits_the_contracts_and_changes_them(patch: Path, tmp_path: Path) -> None:
    contracts = planted(patch, tmp_path)
    files = [path.relative_to(tmp_path) for path in contracts.rglob("*.vy")]
    changed = [file for file in files if (ROOT / file).read_bytes() != (tmp_path / file).read_bytes()]
    assert len(changed) == 1
    assert patch.read_text().splitlines()[0].endswith(".")


def test_there_are_enough() -> None:
    assert len(patches()) >= 43
