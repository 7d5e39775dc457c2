"""The adapter: what runs when, what each example leaves behind, how parameters find strategies, what is refused."""

from typing import Any, ClassVar

import boa
import pytest
from hypothesis import assume

from fuzz.brownie import accounts, chain, given, reverts, state_machine, strategy
from fuzz.brownie.contracts import split_call

FEW = {"max_examples": 3, "stateful_step_count": 3}


def test_order_and_isolation(state_machine: Any) -> None:
    class Machine:
        st_amount = strategy("uint8", min_value=1, max_value=9)

        def __init__(cls, log: list[str], *, giver: Any) -> None:
            cls.log, cls.giver = log, giver
            giver.transfer(accounts[9], 1)
            log.append("init")

        def setup(self) -> None:
            assert self.giver.balance() == 100 * 10**18 - 1
            assert (chain.time(), chain.height) == self.now
            self.log.append("setup")

        def initialize(self, st_amount: int) -> None:
            self.log.append("initialize")

        def rule(self, st_amount: int, other: Any = "st_amount", plain: int = 7) -> bool:
            assert plain == 7
            assert 1 <= other <= 9
            self.giver.transfer(accounts[1], st_amount)
            chain.sleep(st_amount)
            chain.mine(2, timedelta=5)
            self.log.append("rule")
            return True

        def invariant_one(self) -> None:
            self.log.append("invariant")

        def teardown(self) -> None:
            self.log.append("teardown")

        def teardown_final(cls) -> None:
            assert isinstance(cls, type)
            cls.log.append("final")

        now = (chain.time(), chain.height)

    log: list[str] = []
    before = accounts[2].balance()
    assert state_machine(Machine, log, giver=accounts[2], settings=FEW).log is log
    assert log[:4] == ["init", "setup", "initialize", "invariant"]
    assert log[-2:] == ["teardown", "final"]
    assert {log.count(word) for word in ("init", "final")} == {1}
    assert log.count("setup") == log.count("teardown") == 3
    assert log.count("rule") >= 3
    assert accounts[2].balance() == before


def test_teardown_is_left_out_after_a_failure_and_the_chain_put_back() -> None:
    class Machine:
        st_flag = strategy("bool")
        calls: ClassVar[list[str]] = []

        def rule(self, st_flag: bool) -> None:
            chain.sleep(10)
            assume(st_flag)
            raise ZeroDivisionError

        def teardown(self) -> None:
            self.calls.append("teardown")

        def teardown_final(cls) -> None:
            cls.calls.append("final")

    now = chain.time()
    with pytest.raises(ZeroDivisionError):
        state_machine(Machine, settings=FEW)
    assert Machine.calls == ["final"]
    assert chain.time() == now


@given(wait=strategy("uint8", min_value=1))
def test_given_isolates(wait: int) -> None:
    assert accounts[0].balance() == 100 * 10**18
    accounts[0].transfer(accounts[1], wait)
    boa.env.set_storage(accounts[0], 1, boa.env.get_storage(accounts[0], 1) + 1)
    assert boa.env.get_storage(accounts[0], 1) == 1


def test_what_is_no_machine_is_refused() -> None:
    class Nothing: ...

    class Unknown:
        st_amount = strategy("uint8")

        def rule(self, st_amuont: int) -> None: ...

    class Drawing:
        st_amount = strategy("uint8")

        def rule(self) -> None: ...

        def invariant(self, st_amount: int) -> None: ...

    for cls, says in (
        (Nothing, "Nothing has no rules"),
        (Unknown, r"rule: nothing to draw 'st_amuont' from.*\['st_amount'\]"),
        (Drawing, "invariant: an invariant looks"),
    ):
        with pytest.raises(TypeError, match=says):
            state_machine(cls)


def test_transactions_are_read_as_brownie_writes_them() -> None:
    sender = accounts[3]
    assert split_call((1, {"from": sender, "value": "1 gwei", "gas_price": 0}), "0x") == (
        [1],
        {"sender": sender, "value": 10**9},
    )
    assert split_call((1,), "0x") == ([1], {"sender": "0x"})
    with pytest.raises(ValueError, match=r"transaction with \['vaule'\]"):
        split_call(({"from": sender, "vaule": 1},), "0x")


def test_time_moves_on_only() -> None:
    with pytest.raises(ValueError, match="cannot sleep -1"):
        chain.sleep(-1)
    with pytest.raises(ValueError, match="lower the amount"):
        accounts[0].transfer(accounts[1], "1000 ether")
    contract = boa.loads("@external\n@payable\ndef __default__():\n    raise 'no'\n")
    accounts.fund()
    with reverts("no"):
        accounts[0].transfer(contract.address, 1)
