"""What every command on a node has: the same settings, the same way to say what it did, and one line for an error."""

import inspect
import json as json_module
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from trainer.amounts import ether
from trainer.errors import ChainError
from trainer.node import keys, settings
from trainer.node.rpc import Rpc

if TYPE_CHECKING:
    from trainer.chain import Receipt
    from trainer.node.chain import NodeChain
    from trainer.node.outbox import Preview
    from trainer.roles.desk import Desk

GWEI = 10**9
POLL_SECONDS = 1.0
output = Console(soft_wrap=True, markup=False, emoji=False, highlight=False)
progress = Console(stderr=True, soft_wrap=True, markup=False, emoji=False, highlight=False)

COMMON: dict[str, tuple[Any, Any]] = {
    "config": (
        Annotated[Path | None, typer.Option(help="File of settings; by default assay.toml if it is there.")],
        None,
    ),
    "node": (Annotated[str | None, typer.Option(help="Address of the node, such as http://127.0.0.1:8545.")], None),
    "chain_id": (Annotated[int | None, typer.Option(help="What the chain must be.")], None),
    "market": (Annotated[str | None, typer.Option(help="Address of the market.")], None),
    "home": (Annotated[Path | None, typer.Option(help="Directory of seals, transactions and cache; ~/.assay.")], None),
    "json": (Annotated[bool, typer.Option("--json", help="Print one JSON object.")], False),
}
SENDING: dict[str, tuple[Any, Any]] = {
    "keystore": (Annotated[Path | None, typer.Option(help="File with the encrypted key.")], None),
    "password_file": (Annotated[Path | None, typer.Option(help="File with its password; by default asked for.")], None),
    "signer": (Annotated[str | None, typer.Option(help="Address of a signer, such as clef, in place of a key.")], None),
    "account": (Annotated[str | None, typer.Option(help="Which of the signer's accounts.")], None),
    "max_fee_gwei": (Annotated[float | None, typer.Option(help="Most that a gas may cost; 100.")], None),
    "confirmations": (Annotated[int | None, typer.Option(help="Blocks until a transaction counts; 1.")], None),
    "dry_run": (Annotated[bool, typer.Option("--dry-run", help="Say what it would take, and send nothing.")], False),
}
WAITING: dict[str, tuple[Any, Any]] = {
    "wait": (Annotated[bool, typer.Option("--wait", help="Wait until it is time.")], False),
}
IPFS: dict[str, tuple[Any, Any]] = {
    "ipfs_gateway": (Annotated[str | None, typer.Option(help="IPFS gateway, such as https://ipfs.io.")], None),
    "ipfs_node": (Annotated[str | None, typer.Option(help="RPC API of an IPFS node, http://127.0.0.1:5001.")], None),
}
OWN = {"json", "config", "dry_run", "wait"}
"""Options that are no settings."""


class Work:
    """One run of a command on a node."""

    def __init__(self, chosen: settings.Settings, *, json: bool, sends: bool, dry: bool, wait: bool = False) -> None:
        """Nothing is asked of anyone yet."""
        self.settings, self.json, self.sends, self.dry, self.wait = chosen, json, sends, dry, wait
        self.transactions: list[dict[str, Any]] = []
        self._waited: str | None = None

    @cached_property
    def chain(self) -> "NodeChain":
        """The chain; with the key where the command sends."""
        from trainer.node.chain import connect

        chain = connect(self.settings, self._signer() if self.sends else None)
        chain.dry = self.dry
        if chain.outbox is not None:
            chain.outbox.before = self._preview
        return chain

    @cached_property
    def desk(self) -> "Desk":
        """The market, with its logs."""
        from trainer.roles.desk import Desk

        desk = Desk(self.chain, self.settings)
        desk.waiting = self.waits if self.wait else None
        return desk

    def _signer(self) -> keys.Signer:
        chosen = self.settings
        if chosen.keystore is not None:
            password = keys.password_for(chosen.keystore, chosen.password_file)
            return keys.unlock(chosen.keystore, password)
        if chosen.signer is not None:
            return keys.RemoteSigner(Rpc(chosen.signer, patience=chosen.patience), chosen.account)
        raise ChainError(keys.NO_KEY)

    def _preview(self, key: str, preview: "Preview") -> None:
        price = preview.fees.base + preview.fees.tip
        self.say(
            f"{short(key)}: about {preview.gas:,} gas at {price / GWEI:.3g} gwei, {ether(preview.cost)} ether"
            + (f", and {ether(preview.value)} with it" if preview.value else "")
        )
        if self.dry:
            self.transactions.append(
                {
                    "key": short(key),
                    "gas": preview.gas,
                    "gas_price": price,
                    "cost": str(preview.cost),
                    "value": str(preview.value),
                    "sent": False,
                }
            )

    def say(self, text: str) -> None:
        """Something on the way, on stderr."""
        progress.print(text)

    def waits(self, text: str | None) -> None:
        """Something that is waited for, said once on stderr, and a moment; None: it came."""
        if text != self._waited:
            self.say(text or "it is time")
        self._waited = text
        if text is not None:
            time.sleep(POLL_SECONDS)

    def sent(self, what: str, receipt: "Receipt") -> None:
        """A transaction that counts."""
        if self.dry:
            return
        self.say(f"{what}: {receipt.transaction_gas:,} gas, {receipt.transaction}")
        self.transactions.append(
            {"what": what, "transaction": receipt.transaction, "gas": receipt.transaction_gas, "sent": True}
        )

    def tell(self, result: dict[str, Any], after: str = "") -> None:
        """The result, on stdout: as JSON, or as lines and what to do after; of an estimate, the transactions alone."""
        if self.dry:
            result = {}
        if self.json:
            typer.echo(json_module.dumps({**result, "transactions": self.transactions} if self.sends else result))
            return
        if self.dry:
            output.print("Nothing was sent.")
            return
        width = max(map(len, result), default=0)
        for name, value in result.items():
            output.print(f"{name:{width}}  {value}".rstrip())
        if after:
            output.print(f"Next: {after}")


def short(key: str) -> str:
    """A key without the market's address."""
    return key.partition("/")[2] if key.startswith("0x") else key


def on_node(
    app: typer.Typer, name: str | None = None, *, sends: bool = False, waits: bool = False, ipfs: bool = False
) -> Callable[[Callable[..., None]], None]:
    """Register `function(work, its own options)` as a command that also takes the options of all commands on a node.

    sends: whether it signs: then it takes a key, and --dry-run.
    waits: whether it takes --wait.
    ipfs:  whether it takes the addresses of IPFS.
    """
    common = {**(WAITING if waits else {}), **(IPFS if ipfs else {}), **COMMON, **(SENDING if sends else {})}

    def register(function: Callable[..., None]) -> None:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

        def command(**given: Any) -> None:
            options = {option: given.pop(option) for option in common}
            flags = {option: value for option, value in options.items() if option not in OWN}
            chosen = settings.load(options["config"], flags)
            dry, wait = bool(options.get("dry_run")), bool(options.get("wait"))
            function(Work(chosen, json=bool(options["json"]), sends=sends, dry=dry, wait=wait), **given)

        added = [
            inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for option, (kind, default) in common.items()
        ]
        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + added
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        command.__doc__, command.__name__ = function.__doc__, function.__name__
        app.command(name)(command)

    return register
