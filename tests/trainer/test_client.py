"""Names under which a client's transactions are sent once."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from trainer.chain import Receipt
from trainer.client import MarketClient


class Chain:
    """Keeps the names of what it is asked to send."""

    def __init__(self) -> None:
        self.keys: list[str | None] = []

    def active(self) -> Any:
        return nullcontext()

    def send(self, function: Any, *args: Any, key: str | None, **_: Any) -> Receipt:
        self.keys.append(key)
        return Receipt(result=None, execution_gas=0, transaction_gas=0, calldata=b"", events=())


def test_a_seal_is_put_up_again_in_another_round_of_nominations() -> None:
    ends = [1000, 1000, 2000]
    contract = SimpleNamespace(
        address="0xM", nominate=None, clock_of=lambda challenge: SimpleNamespace(ends=ends.pop(0))
    )
    chain = Chain()
    client = MarketClient(chain, contract)  # type: ignore[arg-type]  # a stand-in

    for _ in range(3):
        client.nominate(7, 2, sender="0xA")

    first, again, later = chain.keys
    assert first == again == "0xM/nominate/7/2/1000"
    assert later == "0xM/nominate/7/2/2000"
