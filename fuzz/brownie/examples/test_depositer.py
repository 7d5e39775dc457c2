"""The machine of Brownie's documentation of stateful tests, in its shape: not a line of it knows titanoboa."""

import brownie
from brownie.test import strategy


class StateMachine:
    value = strategy("uint256", max_value="1 ether")
    address = strategy("address")

    def __init__(cls, accounts, Depositer):
        cls.accounts = accounts
        cls.contract = Depositer.deploy({"from": accounts[0]})

    def setup(self):
        self.deposits = dict.fromkeys(self.accounts, 0)

    def rule_deposit(self, address, value):
        self.contract.deposit_for(address, {"from": self.accounts[0], "value": value})
        self.deposits[address] += value

    def rule_withdraw(self, address, value):
        if value <= self.deposits[address]:
            self.contract.withdraw_from(value, {"from": address})
            self.deposits[address] -= value
        else:
            with brownie.reverts("Insufficient balance"):
                self.contract.withdraw_from(value, {"from": address})

    def invariant(self):
        for address, amount in self.deposits.items():
            assert self.contract.deposited(address) == amount


def test_stateful(Depositer, accounts, state_machine):
    state_machine(StateMachine, accounts, Depositer)
