# pragma version 0.4.3
"""
@title An account that is a contract: it refuses ether, or calls back when it receives any
@notice Modes: 0 takes ether, 1 refuses it, 2 calls `target` with `data` and reverts if that fails,
        3 calls `target` with `data` and ignores a failure.
"""
mode: public(uint256)
target: public(address)
data: Bytes[1024]
reentered: public(bool)


@external
def behave(mode: uint256, target: address, data: Bytes[1024]):
    self.mode = mode
    self.target = target
    self.data = data


@external
@payable
def act(target: address, data: Bytes[131072], amount: uint256):
    raw_call(target, data, value=amount)


@external
@payable
def __default__():
    assert self.mode != 1, "actor: refused"
    if self.mode == 2:
        raw_call(self.target, self.data)
        self.reentered = True
    if self.mode == 3:
        self.reentered = raw_call(self.target, self.data, revert_on_failure=False)
