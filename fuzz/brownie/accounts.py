"""Ten accounts with money, and the chain's clock, both of whichever environment of titanoboa is active."""

from collections.abc import Iterator, Sequence
from typing import Any, overload

import boa
from boa.util.abi import Address
from eth_hash.auto import keccak
from eth_utils import to_checksum_address

from fuzz.brownie.units import wei

COUNT = 10
WEALTH = 100 * 10**18


class Account(Address):  # type: ignore[misc]  # titanoboa has no types: its base is Any to mypy
    """An address that can pay; it prints as `accounts[3]`, so a falsifying example can be pasted into a test."""

    index: int

    def __new__(cls, index: int) -> "Account":
        canonical = keccak(b"brownie account %d" % index)[-20:]
        account: Account = str.__new__(cls, to_checksum_address(canonical))
        account.canonical_address = canonical
        account.index = index
        return account

    def __repr__(self) -> str:
        return f"accounts[{self.index}]"

    @property
    def address(self) -> str:
        return str(self)

    def balance(self) -> int:
        """In wei."""
        return int(boa.env.get_balance(self))

    def transfer(self, to: Any, amount: Any) -> None:
        """Send wei; raises `boa.BoaError` where a contract refuses it, ValueError without the means."""
        receiver, value = str(getattr(to, "address", to)), wei(amount)
        if value > self.balance():
            raise ValueError(f"{self!r} has {self.balance()} wei, not {value}; lower the amount")
        done = boa.env.execute_code(to_address=receiver, sender=self, value=value)
        if done.is_error:
            boa.env.lookup_contract(receiver).handle_error(done)


class Accounts(Sequence[Account]):
    """The accounts; `accounts[0]` is the simplest, and what failures shrink to."""

    def __init__(self, count: int = COUNT) -> None:
        self._all = tuple(Account(index) for index in range(count))

    @overload
    def __getitem__(self, index: int) -> Account: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Account]: ...
    def __getitem__(self, index: int | slice) -> Account | Sequence[Account]:
        return self._all[index]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Account]:
        return iter(self._all)

    def fund(self) -> None:
        """Give each 100 ether in the active environment, if it has less."""
        for account in self:
            boa.env.set_balance(account, max(WEALTH, account.balance()))


class Chain:
    """The clock. Calls do not move it; every call until the next `mine` is in the same block."""

    def time(self) -> int:
        """Timestamp of the block in which calls run now."""
        return int(boa.env.evm.patch.timestamp)

    @property
    def height(self) -> int:
        """Number of that block."""
        return int(boa.env.evm.patch.block_number)

    def sleep(self, seconds: int) -> None:
        """Let seconds pass; raises ValueError if they are fewer than none."""
        if seconds < 0:
            raise ValueError(f"cannot sleep {seconds} seconds: time only moves on")
        boa.env.evm.patch.timestamp += seconds

    def mine(self, blocks: int = 1, timestamp: int | None = None, timedelta: int = 0) -> None:
        """Move blocks on, in no time unless `timedelta` or the last block's `timestamp` says so."""
        self.sleep(timedelta if timestamp is None else timestamp - self.time())
        boa.env.evm.patch.block_number += blocks


accounts = Accounts()
chain = Chain()
