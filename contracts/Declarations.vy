# pragma version 0.4.3
"""
@title Declarations: what the training of a model is said to have taken
@license MIT
@notice
    A log and nothing else. Whoever won a challenge may say how many operations, how many seconds and which device its
    model took, so that rewards become prices of training.

    No storage and no money: nothing can be stopped, taken back or owned, and nothing anywhere depends on it. Nothing is
    checked but the bounds of the numbers; whether the caller has won, and whether what he says can be, is for readers
    to judge (`README.md` says which declaration of a challenge counts).
"""

# Beyond both no reader has to compute: 2**100 operations are some 40,000 years of the fastest computer of 2025, which
# does about 10**18 a second, and 2**40 seconds are 35,000 years of one device.
MAX_FLOPS: constant(uint256) = 2**100
MAX_SECONDS: constant(uint256) = 2**40


event Declared:
    market: indexed(address)
    challenge: indexed(uint256)
    trainer: indexed(address)
    flops: uint256
    seconds: uint256
    device: String[64]


@external
def declare(market: address, challenge: uint256, flops: uint256, seconds: uint256, device: String[64]):
    """
    @notice Says what a model took. Anyone may, any number of times; readers count what the winner said.
    @param market The market that the challenge is of.
    @param challenge Its id.
    @param flops Floating-point operations, a multiply-add being two.
    @param seconds Time, summed over all devices: two devices for an hour are 7,200.
    @param device What one of the devices is.
    """
    assert market != empty(address), "declarations: no market"
    assert flops > 0, "declarations: no operations"
    assert flops <= MAX_FLOPS, "declarations: too many operations"
    assert seconds > 0, "declarations: no time"
    assert seconds <= MAX_SECONDS, "declarations: too much time"
    assert len(device) > 0, "declarations: no device"
    log Declared(market=market, challenge=challenge, trainer=msg.sender, flops=flops, seconds=seconds, device=device)
