"""What came of a simulation: sums, prices and shares, as one JSON object, and a reader that takes no other."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.errors import DataError
from trainer.simulation.economy import Hour, Ledger, State
from trainer.simulation.population import USD, WORK, World
from trainer.simulation.settings import HOURS_A_YEAR, Settings

VERSION = 1
EXA = 10**18 // WORK
"""Units of work of 1e18 FLOPs, by which prices are."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A simulation that has ended."""

    settings: Settings
    world: World
    state: State
    hours: Hour

    @property
    def won(self) -> npt.NDArray[np.bool_]:
        """Which challenges were won."""
        return np.asarray(self.state.outcomes.winner >= 0)

    def prices(self) -> Floats:
        """USD paid for 1e18 FLOPs in each challenge; NaN where nobody won."""
        return np.where(self.won, self._per_work(self.state.outcomes.paid), np.nan)

    def costs(self) -> Floats:
        """What 1e18 FLOPs cost the winner: mining forgone and electricity; NaN where nobody won."""
        return np.where(self.won, self._per_work(self.state.outcomes.winner_spent), np.nan)

    def least(self) -> Floats:
        """Lowest cost of a model when its challenge opened, over all rigs and with its seal, for 1e18 FLOPs."""
        return np.where(self.state.outcomes.least > 0, self._per_work(self.state.outcomes.least), np.nan)

    def training_share(self) -> Floats:
        """Part of its hours that each rig trained."""
        return np.asarray(self.state.purses.trained / self.settings.hours)

    def advantage(self) -> Floats:
        """Speed in training over speed in mining of each rig, over the median rig's."""
        ratio = self.world.rigs.speed / self.world.rigs.hash
        return np.asarray(ratio / np.median(ratio))

    def _per_work(self, money: npt.NDArray[np.int64]) -> Floats:
        return np.asarray(money / self.world.challenges.work * EXA / USD)


def balance(state: State) -> int:
    """Money that came in less money that went out, in millionths of a USD: 0, or an hour was kept wrong."""
    ledger = Ledger(*map(int, state.ledger))
    came = ledger.issued + ledger.posters
    spent = ledger.electricity + ledger.fees + ledger.gas + ledger.bonds + ledger.interest + ledger.dust
    return int(came - spent - state.purses.wealth.sum())


def idle_or_busy(state: State, hours: int) -> bool:
    """Whether each rig mined, trained or was off in every hour, and never two of these."""
    purses = state.purses
    return bool((purses.mined + purses.trained + purses.off == hours).all())


def digest(run: Run) -> str:
    """SHA-256 of all that came out, in hexadecimal."""
    found = hashlib.sha256()
    for part in (*run.state.purses, *run.state.ledger, *run.state.outcomes, *run.hours):
        found.update(np.ascontiguousarray(part, np.int64).tobytes())
    return found.hexdigest()


def ranks(values: npt.ArrayLike) -> Floats:
    """Ranks from 1 on; equals share the mean of theirs."""
    values = np.asarray(values)
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place])


def rank_correlation(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Spearman's; 0 where either is constant."""
    x, y = ranks(a), ranks(b)
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / scale if scale else 0.0


def summary(run: Run) -> dict[str, Any]:
    """One JSON object; money in USD, prices in USD for 1e18 FLOPs, shares of 1; null where there is nothing to say."""
    settings, state, outcomes, asked = run.settings, run.state, run.state.outcomes, run.world.challenges
    ledger = {name: int(money) / USD for name, money in state.ledger._asdict().items()}
    won = run.won
    watches = run.world.rigs.watches > 0
    prices, costs, least = run.prices(), run.costs(), run.least()
    with np.errstate(all="ignore"):
        markup, over_least = prices / costs, prices / least
        ceiling = outcomes.paid / asked.reward
    window = asked.closes - asked.opens
    carried = (asked.reward + asked.bond) * window * settings.capital / HOURS_A_YEAR
    wasted = int(outcomes.spent.sum() - outcomes.winner_spent[won].sum())
    return {
        "version": VERSION,
        "settings": asdict(settings),
        "digest": digest(run),
        "balance": balance(state),
        "ledger": ledger,
        "hours": {
            name: int(getattr(state.purses, name).sum()) / (settings.miners * settings.hours)
            for name in ("mined", "trained", "off")
        },
        "challenges": {
            "number": len(asked.work),
            "won": int(won.sum()),
            "entrants": _mean(outcomes.entrants),
            "seals": _mean(outcomes.seals),
            "stopped": _mean(outcomes.stopped),
            "full": int((outcomes.entrants >= 16).sum()),
        },
        "price": _spread(prices),
        "winner_cost": _spread(costs),
        "price_over_winner_cost": _spread(markup),
        "price_over_least_cost": _spread(over_least),
        "part_of_reward_paid": _spread(np.where(won, ceiling, np.nan)),
        "hours_to_the_winning_seal": _spread(np.where(won, outcomes.sealed - asked.opens, np.nan)),
        "winning_score": _spread(np.where(won & (asked.best > 0), outcomes.score / 1e6, np.nan)),
        "poster": {"paid": ledger["posters"], "capital": _number(carried.sum() / USD)},
        "trainers": {
            "paid": ledger["posters"],
            "opportunity_cost": int(outcomes.spent.sum()) / USD,
            "of_that_for_nothing": wasted / USD,
            "fees_and_gas": ledger["fees"] + ledger["gas"],
            "bonds_lost": ledger["bonds"],
            "interest": ledger["interest"],
            "profit": ledger["posters"]
            - int(outcomes.spent.sum()) / USD
            - sum(ledger[name] for name in ("fees", "gas", "bonds", "interest")),
        },
        "least_expected_of_any_hour_of_training": None if int(state.worst) >= 1 << 42 else int(state.worst) / USD,
        "advantage_and_training": rank_correlation(run.advantage()[watches], run.training_share()[watches]),
        "months": months(run),
    }


def months(run: Run) -> list[dict[str, Any]]:
    """By months of 730 hours: medians of prices paid, the lowest opportunity cost, and who did what."""
    found = []
    sealed, prices = run.state.outcomes.sealed, run.prices()
    for start in range(0, run.settings.hours, 730):
        part = slice(start, min(start + 730, run.settings.hours))
        inside = (sealed >= part.start) & (sealed < part.stop)
        found.append(
            {
                "from": start,
                "price": _number(np.median(prices[inside])) if inside.any() else None,
                "cheapest": float(np.median(run.hours.cheapest[part])) * EXA / 1000 / USD,
                "mining": float(run.hours.mining[part].mean()) / run.settings.miners,
                "training": float(run.hours.training[part].mean()) / run.settings.miners,
                "hash_rate": float(run.hours.hash[part].mean()),
                "difficulty": float(run.hours.difficulty[part].mean()),
            }
        )
    return found


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def _mean(values: npt.NDArray[np.int64]) -> float | None:
    return float(values.mean()) if len(values) else None


def _spread(values: Floats) -> dict[str, float] | None:
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
    return {"quarter": float(low), "median": float(middle), "three_quarters": float(high), "mean": float(known.mean())}


_KEYS = (
    *("version", "settings", "digest", "balance", "ledger", "hours", "challenges", "price", "winner_cost"),
    *("price_over_winner_cost", "price_over_least_cost", "part_of_reward_paid", "hours_to_the_winning_seal"),
    *("winning_score", "poster", "trainers", "least_expected_of_any_hour_of_training", "advantage_and_training"),
    "months",
)


def read(path: Path) -> dict[str, Any]:
    """A summary that `trainer simulate --json` has printed; raises `DataError` naming what is wrong."""
    try:
        found = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path}: no JSON ({error}); write one with `trainer simulate --json`") from error
    if not isinstance(found, dict) or found.get("version") != VERSION:
        said = found.get("version") if isinstance(found, dict) else type(found).__name__
        raise DataError(f"{path}: version {said!r} is not {VERSION}; write one with `trainer simulate --json`")
    for name in (*_KEYS, *found):
        if name not in found or name not in _KEYS:
            raise DataError(
                f"{path}: {name} is {'missing' if name not in found else 'unknown'}; write one with "
                "`trainer simulate --json`"
            )
    if not isinstance(found["settings"], dict):
        raise DataError(f"{path}: settings are no object; write one with `trainer simulate --json`")
    try:
        Settings(**found["settings"])
    except TypeError as error:
        raise DataError(f"{path}: settings: {error}; write one with `trainer simulate --json`") from error
    if found["balance"] != 0:
        raise DataError(f"{path}: balance is {found['balance']}, not 0; the file is not what was printed")
    return found
