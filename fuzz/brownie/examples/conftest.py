"""The contract handles, which is all that the examples get from us."""

from pathlib import Path

import pytest

from fuzz.brownie import Container

HERE = Path(__file__).parent


@pytest.fixture
def Depositer() -> Container:
    return Container(HERE / "Depositer.vy")


@pytest.fixture
def Auction() -> Container:
    return Container(HERE / "Auction.vy")
