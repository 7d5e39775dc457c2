"""What a demonstration tells: each transaction with its gas as it happens, and the same facts for a program."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from trainer.chain import Receipt


@dataclass(frozen=True, kw_only=True)
class Step:
    """One transaction: who did what at which second of the chain, and its gas."""

    name: str
    actor: str
    told: str
    time: int
    execution_gas: int
    transaction_gas: int


class Journal:
    """Prints each step (unless `quiet`) and keeps it."""

    def __init__(self, *, quiet: bool) -> None:
        """Start an empty journal."""
        self.console = Console(quiet=quiet, soft_wrap=True, highlight=False)
        self.steps: list[Step] = []

    def heading(self, text: str) -> None:
        """A phase begins."""
        self.console.print(f"\n[bold]{text}[/bold]")

    def say(self, text: str) -> None:
        """A line without a transaction."""
        self.console.print(f"  {text}")

    def step(self, name: str, actor: str, told: str, time: int, receipt: Receipt) -> Receipt:
        """A transaction; returns its receipt."""
        entry = Step(
            name=name,
            actor=actor,
            told=told,
            time=time,
            execution_gas=receipt.execution_gas,
            transaction_gas=receipt.transaction_gas,
        )
        self.steps.append(entry)
        self.console.print(
            f"  {name:9} {actor:7} {told:66} {entry.execution_gas:>10,} {entry.transaction_gas:>10,} gas"
        )
        return receipt

    def table(self, title: str, columns: list[str], rows: list[list[str]]) -> None:
        """A table of facts; all columns but the first are right-aligned."""
        table = Table(title=title, title_justify="left")
        for number, column in enumerate(columns):
            table.add_column(column, justify="left" if number == 0 else "right")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def gas_of(self, name: str) -> list[Step]:
        """All steps of one kind."""
        return [step for step in self.steps if step.name == name]

    def facts(self) -> list[dict[str, Any]]:
        """The steps for a program."""
        return [vars(step) for step in self.steps]
