# pragma version 0.4.3
"""
@title An ERC-20 token that misbehaves on demand
@notice Flaws: 0 none, 1 takes a fee on arrival, 2 returns nothing, 3 returns False, 4 refuses one address,
        5 calls back into `target` during a transfer, 6 delivers more than stated, 7 calls back and ignores a failure,
        8 takes more from the sender than stated.
"""
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
flaw: public(uint256)
blocked: public(address)
target: public(address)
data: Bytes[1024]
reentered: public(bool)


@external
def mint(to: address, amount: uint256):
    self.balanceOf[to] += amount


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    return True


@external
def break_with(flaw: uint256, blocked: address, target: address, data: Bytes[1024]):
    self.flaw = flaw
    self.blocked = blocked
    self.target = target
    self.data = data


@internal
def _move(sender: address, to: address, amount: uint256):
    assert sender != self.blocked and to != self.blocked, "token: blocked"
    self.balanceOf[sender] -= amount
    arrives: uint256 = amount
    if self.flaw == 1:
        arrives = amount - 1
    if self.flaw == 6:
        arrives = amount + 1
    self.balanceOf[to] += arrives
    if self.flaw == 8:
        self.balanceOf[sender] -= 1
    if self.flaw == 5:
        raw_call(self.target, self.data)
    if self.flaw == 7:
        self.reentered = raw_call(self.target, self.data, revert_on_failure=False)


@external
@raw_return
def transfer(to: address, amount: uint256) -> Bytes[32]:
    if self.flaw == 3:
        return abi_encode(False)
    self._move(msg.sender, to, amount)
    if self.flaw == 2:
        return b""
    return abi_encode(True)


@external
@raw_return
def transferFrom(sender: address, to: address, amount: uint256) -> Bytes[32]:
    if self.flaw == 3:
        return abi_encode(False)
    self.allowance[sender][msg.sender] -= amount
    self._move(sender, to, amount)
    if self.flaw == 2:
        return b""
    return abi_encode(True)
