"""Every module as a contract of its own, so that its internal functions can be called one by one."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from trainer.chain import CONTRACTS, Chain, compile_contract


@pytest.fixture(scope="session")
def bench() -> Chain:
    return Chain(seed=2)


@pytest.fixture(scope="session")
def deployed(bench: Chain) -> Callable[[str], Any]:
    @cache
    def deploy(name: str) -> Any:
        return compile_contract(CONTRACTS / "modules" / f"{name}.vy").deploy()

    return deploy


@pytest.fixture
def module(request: pytest.FixtureRequest, bench: Chain, deployed: Callable[[str], Any]) -> Iterator[Any]:
    """The module that the test file is named after."""
    with bench.active():
        contract = deployed(request.module.__name__.rsplit("test_", 1)[1])
        # titanoboa's traces outlive anchors and name addresses that other tests gave to other contracts
        bench.env.sstore_trace.clear()
        bench.env.sha3_trace.clear()
        with bench.env.anchor():
            yield contract
