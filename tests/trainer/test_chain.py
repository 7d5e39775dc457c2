"""What a transaction pays, and what it may ask for."""

import boa
import pytest

from tests.world import step_engine
from trainer.chain import Chain, floor_gas, intrinsic_gas, transaction_gas


def test_calldata_is_paid_by_the_byte_and_at_least_the_floor() -> None:
    data = bytes(10) + b"\x01" * 5
    assert intrinsic_gas(data) == 21_000 + 4 * 10 + 16 * 5
    assert floor_gas(data) == 21_000 + 10 * 10 + 40 * 5
    assert transaction_gas(data, 0, 0) == floor_gas(data)
    assert transaction_gas(data, 10_000, 0) == intrinsic_gas(data) + 10_000
    # refunds give back at most a fifth
    assert transaction_gas(data, 100_000, 10**6) == intrinsic_gas(data) + 100_000 - (intrinsic_gas(data) + 100_000) // 5


def test_a_transaction_has_no_more_gas_than_it_asks_for() -> None:
    chain = Chain()
    with chain.active():
        engine = step_engine()
        sender = chain.account("stranger", 10**18)
        receipt = chain.send(engine.predict, b"M\0\5\6", 2, 3, sender=sender)
        enough = intrinsic_gas(receipt.calldata) + receipt.execution_gas
        again = chain.send(engine.predict, b"M\0\5\6", 2, 3, sender=sender, gas_limit=enough)
        assert again == receipt
        with pytest.raises(boa.BoaError):
            chain.send(engine.predict, b"M\0\5\6", 2, 3, sender=sender, gas_limit=enough - 1)
