"""An auction in the shape of Brownie's tests: time, initializers, one strategy drawn twice, receipts, and `given`."""

import brownie
from brownie import accounts
from brownie.test import given, strategy

DAY = 86400


class StateMachine:
    st_bidder = strategy("address", length=4, exclude=accounts[0])
    st_amount = strategy("uint256", min_value=1, max_value="1 ether")
    st_wait = strategy("uint32", max_value=DAY // 2)

    def __init__(cls, accounts, chain, Auction):
        cls.chain = chain
        cls.bidders = accounts[1:4]
        cls.auction = Auction.deploy(accounts[0], DAY, {"from": accounts[0]})
        cls.opened = chain.time()

    def setup(self):
        self.refunds = dict.fromkeys(self.bidders, 0)
        self.best, self.leader, self.paid = 0, None, False

    def _over(self):
        return self.chain.time() >= self.opened + DAY

    def _bid(self, bidder, amount):
        if self._over() or amount <= self.best:
            with brownie.reverts("auction is over" if self._over() else "bid too low"):
                self.auction.bid({"from": bidder, "value": amount})
            return
        tx = self.auction.bid({"from": bidder, "value": amount})
        assert tx.events["Bid"]["amount"] == amount
        if self.leader is not None:
            self.refunds[self.leader] += self.best
        self.best, self.leader = amount, bidder

    def initialize_with_a_bid(self, st_bidder, st_amount):
        self._bid(st_bidder, st_amount)

    def rule_bid(self, st_bidder, st_amount):
        self._bid(st_bidder, st_amount)

    def rule_outbid(self, first="st_bidder", second="st_bidder", amount="st_amount"):
        self._bid(first, self.best + amount)
        self._bid(second, self.best + 1)

    def rule_withdraw(self, st_bidder):
        before = st_bidder.balance()
        tx = self.auction.withdraw({"from": st_bidder})
        assert tx.return_value == self.refunds[st_bidder]
        assert st_bidder.balance() == before + self.refunds[st_bidder]
        self.refunds[st_bidder] = 0

    def rule_wait(self, st_wait):
        self.chain.sleep(st_wait)
        self.chain.mine()

    def rule_end(self):
        if not self._over() or self.paid:
            with brownie.reverts("auction has ended" if self._over() else "auction is running"):
                self.auction.end()
            return
        self.auction.end()
        self.paid = True

    def invariant_owes_what_it_holds(self):
        held = sum(self.refunds.values()) + (0 if self.paid else self.best)
        assert self.auction.balance() == held
        for bidder, amount in self.refunds.items():
            assert self.auction.refunds(bidder) == amount

    def teardown(self):
        assert self.auction.highest_bid() == self.best


def test_stateful(Auction, accounts, chain, state_machine):
    state_machine(StateMachine, accounts, chain, Auction, settings={"max_examples": 20, "stateful_step_count": 20})


@given(amount=strategy("uint256", min_value=1, max_value="10 ether"), bidder=strategy("address"))
def test_first_bid_leads(Auction, amount, bidder):
    auction = Auction.deploy(accounts[0], DAY)
    auction.bid({"from": bidder, "value": amount})
    assert auction.highest_bidder() == bidder
