"""Brownie's fixtures, for tests that were written for it."""

from typing import Any

import pytest

from fuzz import brownie

brownie.stand_in()


@pytest.fixture
def accounts() -> brownie.Accounts:
    """Ten accounts of 100 ether."""
    brownie.accounts.fund()
    return brownie.accounts


@pytest.fixture
def chain() -> brownie.Chain:
    """The clock."""
    return brownie.chain


@pytest.fixture
def state_machine() -> Any:
    """What runs a class of rules."""
    return brownie.state_machine
