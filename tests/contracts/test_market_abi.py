"""The interfaces, word for word: what clients, watchers and their filters rely on.

A function's payability and an event's indexed values are part of it: they change no behaviour that a call shows. What
is compared is what `trainer.abi.load` reads, so a client never decodes with another interface than the contract's.
"""

import pytest

from contracts.write_abi import DEPLOYED, TARGET, generate


@pytest.mark.parametrize("contract", DEPLOYED)
def test_the_interface_is_the_recorded_one(contract: str) -> None:
    """A change of it is a decision, made with `python -m contracts.write_abi`: it breaks who reads the contract."""
    recorded = (TARGET / f"{contract}.json").read_text()
    # lines, so that a difference names the function
    assert generate(contract).splitlines() == recorded.splitlines()


def test_every_file_is_compared() -> None:
    assert sorted(file.stem for file in TARGET.iterdir()) == sorted(DEPLOYED)
