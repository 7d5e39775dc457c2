"""Open challenges as a planner sees them: from the market's index, or from a file, amounts in the feed's currency.

    {"version": 1, "challenges": [
      {"id": 7, "rule": "FIRST", "opening": 0.5, "reward": 2.0, "bond": 0.2, "fee": 0.001, "opens": 1764000000,
       "closes": 1764172800, "threshold": 220, "samples": 256, "seals": 1, "presets": ["fashion-196-64"]}]}

Amounts in a file are in whole ether, or in whole units of `token`, an address that the feed has a price of.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.agent.odds import (
    CLAIM_GAS,
    COMMIT_GAS,
    RELEASE_GAS,
    SETTLE_GAS,
    UNSEAL_BYTE_GAS,
    UNSEAL_GAS,
    UNSEAL_SLOT_GAS,
    WITHDRAW_GAS,
    Gas,
    gas_of,
)
from trainer.allocation.feed import Feed
from trainer.allocation.plan import MOST_CHALLENGES
from trainer.datasets import CIFAR_10, DIGITS, FASHION_MNIST
from trainer.errors import DataError
from trainer.index import Challenge
from trainer.presets import PRESETS
from trainer.protocol import ETHER, Phase, Rule, Terms
from trainer.strict import Value, read_json

VERSION = 1
AUDIT_GAS_A_SAMPLE = 40_000
"""Gas of executing one sample in a full audit, rounded up from `python -m bench.market` for networks such as 196-64."""
USUAL_MODEL, USUAL_GROUPS = 8_000, 8
"""Bytes of a model and groups of a hold-out, where a file does not say what winning costs."""
FEATURES = {DIGITS: 64, FASHION_MNIST: 784, CIFAR_10: 3072}
CLASSES = 10
POOLING = 4


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A challenge in which models can be sealed; amounts in the feed's currency.

    opening, reward: what a seal of the first and of the last second of the commits wins; the same where it is flat.
    bond, fee:       of a seal: the one comes back, the other does not.
    opens, closes:   first second of the commits, and the first after them.
    threshold:       right answers that are needed, of `samples`.
    seals:           how many there are already.
    presets:         that may be trained for it.
    gas:             that taking part takes.
    gas_price:       of a gas.
    """

    id: int
    rule: Rule
    opening: float
    reward: float
    bond: float
    fee: float
    opens: int
    closes: int
    threshold: int
    samples: int
    seals: int
    presets: tuple[str, ...]
    gas: Gas
    gas_price: float

    def reward_at(self, now: float) -> float:
        """What a seal of that second would win: on a straight line from `opening` to `reward`."""
        part = (now - self.opens) / (self.closes - self.opens)
        return self.opening + (self.reward - self.opening) * min(max(part, 0.0), 1.0)


@dataclass(frozen=True, kw_only=True)
class Market:
    """What there is to enter, and what cannot be.

    at_risk: bonds of seals that the account has already.
    notes:   why challenges are left out, or what is taken for granted of them; a sentence each.
    """

    offers: tuple[Offer, ...] = ()
    at_risk: float = 0.0
    notes: tuple[str, ...] = ()


def load(path: Path, feed: Feed, gas_price: float) -> Market:
    """The challenges in a file; raises `DataError` that names file, value and remedy.

    gas_price: currency that a gas costs.
    """
    table = read_json(path).table(["version", "challenges"])
    if table["version"].whole(0) != VERSION:
        raise table["version"].wrong(f"only version {VERSION} is known")
    offers = tuple(_offer(each, feed, gas_price) for each in table["challenges"].items())
    ids = [offer.id for offer in offers]
    for number, id in enumerate(ids):
        if id in ids[:number]:
            raise DataError(f"{path}: challenges {number}: id is {id}, as another's; keep one")
    return Market(offers=offers)


def _offer(value: Value, feed: Feed, gas_price: float) -> Offer:
    table = value.table(
        ["id", "rule", "reward", "bond", "fee", "opens", "closes", "threshold", "samples", "seals", "presets"],
        ["opening", "token", "gas"],
    )
    unit = feed.ether
    if "token" in table:
        address = table["token"].text().lower()
        if address != ETHER and address not in feed.tokens:
            raise table["token"].wrong("the feed has no price of that token; add it to its tokens")
        unit = feed.ether if address == ETHER else feed.tokens[address]
    samples = table["samples"].whole(1, 2**20)
    opens, closes = table["opens"].time(), table["closes"].time()
    if closes <= opens:
        raise table["closes"].wrong(f"use a time after {opens}, at which commits open")
    reward = table["reward"].number(most=1e15, above=0)
    presets = tuple(each.one_of(PRESETS) for each in table["presets"].items())
    return Offer(
        id=table["id"].whole(0, MOST_CHALLENGES),
        rule=Rule[table["rule"].one_of([rule.name or "" for rule in Rule])],
        opening=(table["opening"].number(0, reward) if "opening" in table else reward) * unit,
        reward=reward * unit,
        bond=table["bond"].number(0, 1e15) * unit,
        fee=table["fee"].number(0, 1e15) * unit,
        opens=opens,
        closes=closes,
        threshold=table["threshold"].whole(1, samples),
        samples=samples,
        seals=table["seals"].whole(0, 2**32),
        presets=presets,
        gas=_gas(table["gas"]) if "gas" in table else usual_gas(samples),
        gas_price=gas_price,
    )


def _gas(value: Value) -> Gas:
    table = value.table(["always", "claim", "won", "lost"])
    return Gas(**{name: each.whole(0, 2**40) for name, each in table.items()})


def usual_gas(samples: int) -> Gas:
    """Gas of taking part with a network of a few thousand bytes, under a full audit of so many samples."""
    unseal = UNSEAL_GAS + UNSEAL_BYTE_GAS * USUAL_MODEL + UNSEAL_SLOT_GAS * USUAL_GROUPS
    return Gas(
        always=COMMIT_GAS,
        claim=CLAIM_GAS,
        won=unseal + AUDIT_GAS_A_SAMPLE * samples + SETTLE_GAS + WITHDRAW_GAS,
        lost=RELEASE_GAS + WITHDRAW_GAS,
    )


def from_index(
    lives: Sequence[Challenge],
    *,
    now: int,
    block: int,
    feed: Feed,
    gas_price: float,
    decimals: Callable[[str], int],
    profiled: Collection[str],
    me: str | None = None,
) -> Market:
    """The challenges of a market in which models can be sealed at a moment.

    now, block: timestamp and number of the block to come.
    decimals:   of a token.
    profiled:   presets that are known to the profile.
    me:         the account: what it sealed already is not entered again, and its bonds are at risk.
    """
    offers: list[Offer] = []
    notes: list[str] = []
    at_risk = 0.0
    for life in lives:
        clock, terms = life.clock(now, block), life.terms
        price = feed.ether if terms.token == ETHER else feed.tokens.get(terms.token.lower())
        own = [seal for seal in life.seals if me is not None and seal.trainer.lower() == me.lower()]
        if price is None:
            if clock.phase == Phase.COMMIT:
                notes.append(f"challenge {life.id} pays in {terms.token}, of which the feed has no price: left out")
            continue
        unit = price / 10 ** decimals(terms.token)
        at_risk += sum(seal.bond for seal in own) * unit
        if clock.phase != Phase.COMMIT or own or (me is not None and life.poster.lower() == me.lower()):
            continue
        presets = tuple(name for name in sorted(profiled) if name in PRESETS and fits(name, terms))
        if not presets:
            notes.append(f"challenge {life.id}: no preset of the profile has its inputs and classes: left out")
            continue
        data = sorted({PRESETS[name].dataset or "" for name in presets})
        notes.append(
            f"challenge {life.id} has the shape of {' or '.join(data)}: its data are taken to be as hard as those"
        )
        samples = terms.holdout * terms.samples
        offers.append(
            Offer(
                id=life.id,
                rule=terms.rule,
                opening=terms.opening * unit,
                reward=terms.reward * unit,
                bond=terms.trainer_bond * unit,
                fee=terms.seal_fee * unit,
                opens=clock.ends - terms.windows.commit,
                closes=clock.ends,
                threshold=terms.threshold,
                samples=samples,
                seals=len(life.seals),
                presets=presets,
                gas=gas_of(terms, terms.model_bytes, AUDIT_GAS_A_SAMPLE * samples if terms.full_audit else 0),
                gas_price=gas_price,
            )
        )
    return Market(offers=tuple(offers), at_risk=at_risk, notes=tuple(notes))


def fits(name: str, terms: Terms) -> bool:
    """Whether a preset's networks take a challenge's samples, as far as its terms tell."""
    preset = PRESETS[name]
    features = FEATURES.get(preset.dataset or "")
    if features is None:
        return False
    width = features // POOLING if preset.pooled else features
    bits = preset.recipe.input_bits
    return (
        terms.input_bits == bits
        and terms.classes == CLASSES
        and math.ceil(width * bits / 8) <= terms.sample_bytes < math.ceil(width * bits / 8) + 32
    )
