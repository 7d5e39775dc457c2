# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Ledger: every token's money, in four columns
@license MIT
@notice
    1. What comes in is escrowed, and must arrive exactly.
    2. What is escrowed is credited to an owner, or burned.
    3. A credit leaves only by its owner's withdrawal.
    4. What is burned stays for nobody.
    So for each token: balance = escrowed + credited + burned, unless somebody forces more in.
    Nobody can stop a withdrawal; the owner names the receiver.
"""

from ethereum.ercs import IERC20


event Credited:
    token: indexed(address)
    owner: indexed(address)
    amount: uint256


event Burned:
    token: indexed(address)
    amount: uint256


event Withdrawn:
    token: indexed(address)
    owner: indexed(address)
    to: address
    amount: uint256


# token -> owner -> amount he may withdraw
credit: public(HashMap[address, HashMap[address, uint256]])
# token -> sums
escrowed: public(HashMap[address, uint256])
credited: public(HashMap[address, uint256])
burned: public(HashMap[address, uint256])


@internal
@payable
def _take(token: address, amount: uint256):
    """
    @dev Escrows `amount` from the caller.
    @param token The token; the zero address is ether.
    @param amount In the token's smallest unit, more than zero.
    """
    self.escrowed[token] += amount
    if token == empty(address):
        assert msg.value == amount, "ledger: wrong amount of ether"
    else:
        assert msg.value == 0, "ledger: ether beside a token"
        before: uint256 = staticcall IERC20(token).balanceOf(self)
        assert extcall IERC20(token).transferFrom(
            msg.sender, self, amount, default_return_value=True
        ), "ledger: token refused"
        assert staticcall IERC20(token).balanceOf(self) == before + amount, "ledger: wrong amount arrived"


@internal
def _credit(token: address, owner: address, amount: uint256):
    """
    @dev Moves escrow to an owner's credit.
    @param token The token.
    @param owner Who may withdraw it.
    @param amount May be zero.
    """
    self.escrowed[token] -= amount
    self.credited[token] += amount
    self.credit[token][owner] += amount
    log Credited(token=token, owner=owner, amount=amount)


@internal
def _burn(token: address, amount: uint256):
    """
    @dev Moves escrow to nobody.
    @param token The token.
    @param amount May be zero.
    """
    self.escrowed[token] -= amount
    self.burned[token] += amount
    log Burned(token=token, amount=amount)


@external
def withdraw(token: address, to: address) -> uint256:
    """
    @notice Sends the caller all he is credited with.
    @param token The token; the zero address is ether.
    @param to Who receives it.
    @return The amount sent.
    """
    amount: uint256 = self.credit[token][msg.sender]
    assert amount > 0, "ledger: nothing to withdraw"
    assert to != empty(address), "ledger: no receiver"
    self.credit[token][msg.sender] = 0
    self.credited[token] -= amount
    if token == empty(address):
        raw_call(to, b"", value=amount)
    else:
        before: uint256 = staticcall IERC20(token).balanceOf(self)
        assert extcall IERC20(token).transfer(to, amount, default_return_value=True), "ledger: token refused"
        assert staticcall IERC20(token).balanceOf(self) + amount == before, "ledger: wrong amount left"
    log Withdrawn(token=token, owner=msg.sender, to=to, amount=amount)
    return amount
