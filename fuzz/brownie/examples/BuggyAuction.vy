# pragma version 0.4.3
"""
@title An open auction: whoever is outbid fetches his bids himself, as often as he likes
"""
event Bid:
    bidder: indexed(address)
    amount: uint256


beneficiary: public(address)
ends: public(uint256)
ended: public(bool)
highest_bidder: public(address)
highest_bid: public(uint256)
refunds: public(HashMap[address, uint256])


@deploy
def __init__(beneficiary: address, duration: uint256):
    self.beneficiary = beneficiary
    self.ends = block.timestamp + duration


@external
@payable
def bid():
    assert block.timestamp < self.ends, "auction is over"
    assert msg.value > self.highest_bid, "bid too low"
    self.refunds[self.highest_bidder] += self.highest_bid
    self.highest_bidder = msg.sender
    self.highest_bid = msg.value
    log Bid(bidder=msg.sender, amount=msg.value)


@external
def withdraw() -> uint256:
    amount: uint256 = self.refunds[msg.sender]
    send(msg.sender, amount)
    return amount


@external
def end():
    assert block.timestamp >= self.ends, "auction is running"
    assert not self.ended, "auction has ended"
    self.ended = True
    send(self.beneficiary, self.highest_bid)
