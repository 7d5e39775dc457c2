"""The examples' own machines, on contracts with a bug: they fail, and shrink to the shortest story there is."""

from pathlib import Path
from typing import Any

import pytest

from fuzz.brownie import Container, accounts, chain, state_machine
from fuzz.brownie.examples import test_auction, test_depositer

EXAMPLES = Path(__file__).parent / "examples"


def story(machine: type, *args: Any, steps: int) -> list[str]:
    """What hypothesis prints of the shortest failure, a line a step; of few steps there is less to shrink."""
    with pytest.raises(AssertionError) as failure:
        state_machine(machine, *args, settings={"stateful_step_count": steps, "max_examples": 300})
    lines = [line for note in failure.value.__notes__ for line in note.splitlines()]
    return [line for line in lines if line.startswith("state.") and "invariant" not in line]


def test_the_documented_bug_takes_a_deposit_of_one_and_a_withdrawal_of_nothing() -> None:
    assert story(test_depositer.StateMachine, accounts, Container(EXAMPLES / "BuggyDepositer.vy"), steps=3) == [
        "state.rule_deposit(address=accounts[0], value=1)",
        "state.rule_withdraw(address=accounts[0], value=0)",
        "state.teardown()",
    ]


def test_a_refund_that_can_be_fetched_twice_takes_two_bids_and_one_withdrawal() -> None:
    steps = story(test_auction.StateMachine, accounts, chain, Container(EXAMPLES / "BuggyAuction.vy"), steps=4)
    # the second bid is a rule_bid or a rule_outbid: hypothesis does not call one simpler than the other
    assert len(steps) == 4, steps
    assert steps[0].startswith("state.initialize_with_a_bid(")
    assert "bid(" in steps[1]
    assert steps[2].startswith("state.rule_withdraw(")
