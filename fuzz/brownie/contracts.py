"""The contract handle: Brownie's calls, `contract.deposit(1, {"from": accounts[0]})`, on titanoboa."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boa

from fuzz.brownie.accounts import accounts
from fuzz.brownie.units import wei
from trainer.chain import compile_contract

reverts = boa.reverts
KEYS = {"from": "sender", "value": "value", "amount": "value", "gas": "gas", "gas_limit": "gas"}
UNUSED = {"gas_price", "allow_revert", "required_confs", "nonce", "silent", "priority_fee", "max_fee"}
"""Keys of a transaction which mean nothing here."""


class Events(list[tuple[str, dict[str, Any]]]):
    """What a transaction logged, in order; `events["Bid"]["amount"]` is of the first of that name."""

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return super().__getitem__(key)
        for name, fields in self:
            if name == key:
                return fields
        raise KeyError(f"no event {key!r} was logged, only {[name for name, _ in self]}")

    def __contains__(self, key: object) -> bool:
        return any(name == key for name, _ in self)


@dataclass(frozen=True)
class Transaction:
    """What Brownie calls a receipt; gas is that of the execution, without the 21,000 and calldata."""

    return_value: Any
    gas_used: int
    events: Events


def split_call(args: tuple[Any, ...], default: str) -> tuple[list[Any], dict[str, Any]]:
    """Arguments and titanoboa's keywords; raises ValueError for a key of the transaction that nobody knows."""
    given = dict(args[-1]) if args and isinstance(args[-1], dict) and set(args[-1]) <= {*KEYS, *UNUSED} else None
    if given is None and args and isinstance(args[-1], dict) and "from" in args[-1]:
        raise ValueError(f"transaction with {sorted(set(args[-1]) - {*KEYS, *UNUSED})}; there are {sorted(KEYS)}")
    plain = args if given is None else args[:-1]
    options = {"sender": default} | {KEYS[key]: value for key, value in (given or {}).items() if key in KEYS}
    options["sender"] = str(options["sender"])
    if "value" in options:
        options["value"] = wei(options["value"])
    return [getattr(arg, "contract_address", arg) for arg in plain], options


class Contract:
    """A deployed contract: views return values, other functions a `Transaction`; without "from" the owner calls."""

    def __init__(self, contract: Any, owner: str) -> None:
        self.boa, self.owner = contract, owner
        self.contract_address = self.address = str(contract.address)
        self._views = {item["name"] for item in contract.abi if item.get("stateMutability") in ("view", "pure")}

    def balance(self) -> int:
        return int(boa.env.get_balance(self.address))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self.boa, name)

        def call(*args: Any) -> Any:
            plain, options = split_call(args, self.owner)
            if options.get("value", 0) > boa.env.get_balance(options["sender"]):
                raise ValueError(f"{args[-1]['from']!r} has not {options['value']} wei; lower the amount")
            result = function(*plain, **options)
            if name in self._views:
                return result
            events = Events((type(log).__name__, log._asdict()) for log in self.boa.get_logs())
            return Transaction(result, int(self.boa._computation.get_gas_used()), events)

        return call


class Container:
    """What Brownie makes of a source file: `Depositer = Container(path)`, then `Depositer.deploy({"from": …})`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def deploy(self, *args: Any) -> Contract:
        """A new contract in the active environment; the last argument may be a transaction."""
        plain, options = split_call(args, accounts[0])
        sender = options.pop("sender")
        with boa.env.sender(sender):
            return Contract(compile_contract(self.path).deploy(*plain, **options), sender)
