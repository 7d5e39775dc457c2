"""The faults of the proofs still fit the sources; the proofs themselves are `make prove`."""

import shutil
from pathlib import Path

import pytest

from fuzz.prove.faults import FAULTS, Fault, planted

CONTRACTS = Path(__file__).parents[2] / "contracts"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_can_be_planted(fault: Fault, tmp_path: Path) -> None:
    copy = tmp_path / "contracts"
    shutil.copytree(CONTRACTS, copy)
    planted(copy, fault)
    assert (copy / fault.file).read_text() != (CONTRACTS / fault.file).read_text()


def test_every_property_has_a_fault() -> None:
    seen = {fault.claim for fault in FAULTS}
    assert seen == {
        "conserved",
        "paid once",
        "apart",
        "in phase",
        "stays valid",
        "owed",
        "clock",
        "locked",
        "injective",
    }
