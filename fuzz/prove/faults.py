"""Faults, each planted into a copy of the contracts: a property that cannot see its fault would prove nothing."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """A piece of source and what replaces it.

    name:  of the fault, and of its bytecode in build/prove.
    claim: the property that must refute it.
    call:  where: a call of the market, or a number of groups for the split.
    file:  below contracts/.
    old, new: the piece, found there exactly once, and what is put there.
    """

    name: str
    claim: str
    call: str
    file: str
    old: str
    new: str


MARKET, LEDGER, PHASES, SPLIT = "Market.vy", "modules/ledger.vy", "modules/phases.vy", "modules/split.vy"
SCHEDULE, TERMS = "modules/schedule.vy", "modules/terms.vy"
FAULTS = [
    Fault(
        "opens-above",
        "stays valid",
        "post",
        TERMS,
        '    assert terms.opening <= terms.reward, "terms: opening over the reward"\n',
        "",
    ),
    Fault("gives-back-too-much", "stays valid", "commit", SCHEDULE, "* left // window", "* (left + 1) // window"),
    Fault(
        "settles-twice",
        "paid once",
        "settle",
        MARKET,
        "    self.clock[id].phase = phases.Phase.CLOSED\n    self.clock[id].outcome = now.outcome\n",
        "    self.clock[id].outcome = now.outcome\n",
    ),
    Fault(
        "releases-twice",
        "paid once",
        "release",
        MARKET,
        "    self.seals[id][seal].bond = 0\n    ledger._credit(",
        "    ledger._credit(",
    ),
    Fault(
        "credit-without-debit",
        "conserved",
        "cancel",
        LEDGER,
        "    self.escrowed[token] -= amount\n    self.credited[token] += amount\n",
        "    self.credited[token] += amount\n",
    ),
    Fault("keeps-the-change", "conserved", "commit", LEDGER, "msg.value == amount", "msg.value >= amount"),
    Fault("withdraws-twice", "owed", "withdraw", LEDGER, "    self.credit[token][msg.sender] = 0\n", ""),
    Fault(
        "another-clock",
        "apart",
        "nominate",
        MARKET,
        "self.clock[id].leader = seal + 1",
        "self.clock[0].leader = seal + 1",
    ),
    Fault(
        "forgets-a-seal",
        "stays valid",
        "commit",
        MARKET,
        "self.clock[id].seals = index + 1",
        "self.clock[id].seals = index",
    ),
    Fault(
        "a-second-too-long",
        "in phase",
        "commit",
        PHASES,
        "now.phase == Phase.COMMIT and block.timestamp >= now.ends",
        "now.phase == Phase.COMMIT and block.timestamp > now.ends",
    ),
    Fault("a-block-too-long", "clock", "clock_of", PHASES, "block.number < seed_block:", "block.number <= seed_block:"),
    Fault("no-lock", "locked", "claim", MARKET, "# pragma nonreentrancy on\n", ""),
    Fault(
        "drops-a-half",
        "injective",
        "5",
        SPLIT,
        "left = (left + self._mix(key, i, right) % a) % a",
        "left = self._mix(key, i, right) % a",
    ),
]


def planted(contracts: Path, fault: Fault) -> None:
    """Plant `fault` into a copy of the contracts."""
    file = contracts / fault.file
    source = file.read_text()
    if source.count(fault.old) != 1:
        raise ValueError(f"{fault.name}: {fault.file} holds the piece {source.count(fault.old)} times, not once")
    file.write_text(source.replace(fault.old, fault.new))
