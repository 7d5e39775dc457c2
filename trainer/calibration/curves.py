"""Learning curves: accuracy of a run by its total epochs, from short runs to longer ones, with what is not known.

With u = n / n1, n epochs over those of the shortest run, every family is a − b·g(u), where g falls from 1 to 0:

| family     | g(u)                              | parameters  | known as                                      |
|------------|-----------------------------------|-------------|-----------------------------------------------|
| power law  | u^−c                              | a, b, c     | pow3                                          |
| log power  | (1 + r)·u^−c / (1 + r·u^−c)       | a, b, c     | log power; r = b / (a − b), so a / (1 + r·u^−c) |
| exponential| exp(−c·(u − 1))                   | a, b, c     | exp3                                          |
| Janoschek  | exp(−c·(u^d − 1))                 | a, b, c, d  | Janoschek, the stretched exponential of Weibull |
| MMF        | (1 + c) / (1 + c·u^d)             | a, b, c, d  | Morgan, Mercer and Flodin; Hill               |

These are the families that did well for Domhan, Springenberg and Hutter (IJCAI 2015, "Speeding up automatic
hyperparameter optimization of deep neural networks by extrapolation of learning curves") and in the review of Viering
and Loog (https://arxiv.org/abs/2103.10948, table 1). As there, all are weighed against each other, here by the
probability that each gives to what was measured.

A curve is asked for three things that most families say differently: how accurate the shortest run is, which part of
its errors more epochs take away in the end, and how soon. Their priors are weak and the same for all families, see
`PRIORS`. Measured accuracies scatter around the curve with Student's t of `TAIL` degrees of freedom, which forgives a
run that went astray, and an unknown width. SciPy finds the most probable parameters; around them parameters are drawn
by importance sampling that adapts itself (Cornuet et al., https://arxiv.org/abs/0907.1254), which also gives the
probability of the family.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.errors import DataError

Float = npt.NDArray[np.float64]
# of u, shape (k,), and columns of parameters, each (m, 1): shape (m, k)
Shape = Callable[..., Float]

TAIL = 5.0
DRAWS = 4000
"""Curves that stand for all that may be."""
ROUNDS, TRIED = 4, 4000
"""Rounds of importance sampling, and draws of each."""
LENGTHS, RUNS = 3, 4
"""The fewest lengths, and the fewest runs, that a curve is fitted to."""
DRIFT = 0.002
"""Standard deviation, in accuracy, by which no family is right, for every doubling beyond the longest run.

Of runs of six presets 82 % lay within the 10 % and 90 % quantiles without it, yet 90 % of those of twice the epochs and
70 % of those of eight times; with it about 89 % of either. `bench/calibration.py` asks other runs.
"""

PRIORS = {"first": (-1.5, 1.5), "gain": (-0.5, 1.25), "scatter": (math.log(0.003), 0.7)}
"""Mean and standard deviation of: the logit of the shortest run's errors; the logit of their part that is gained in the
end; the logarithm of the scatter's width, in accuracy."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A way to fall from 1 to 0.

    names:  of the parameters of g, all positive.
    priors: mean and standard deviation of the logarithm of each.
    """

    name: str
    names: tuple[str, ...]
    priors: tuple[tuple[float, float], ...]
    falls: Shape


def _power(u: Float, ratio: Float, c: Float) -> Float:
    return u**-c


def _log_power(u: Float, ratio: Float, c: Float) -> Float:
    # ratio is b / a, so r = b / (a - b) = ratio / (1 - ratio)
    fallen: Float = u**-c
    return fallen / (1 - ratio + ratio * fallen)


def _exponential(u: Float, ratio: Float, c: Float) -> Float:
    return np.exp(-c * (u - 1))


def _janoschek(u: Float, ratio: Float, c: Float, d: Float) -> Float:
    return np.exp(-c * (u**d - 1))


def _mmf(u: Float, ratio: Float, c: Float, d: Float) -> Float:
    return (1 + c) / (1 + c * u**d)


FAMILIES = (
    Family(name="power law", names=("c",), priors=((math.log(0.7), 0.7),), falls=_power),
    Family(name="log power", names=("c",), priors=((math.log(0.7), 0.7),), falls=_log_power),
    Family(name="exponential", names=("c",), priors=((math.log(0.3), 1.0),), falls=_exponential),
    Family(
        name="Janoschek",
        names=("c", "d"),
        priors=((math.log(0.7), 0.8), (math.log(0.6), 0.5)),
        falls=_janoschek,
    ),
    Family(name="MMF", names=("c", "d"), priors=((0.0, 1.0), (0.0, 0.5)), falls=_mmf),
)


def _sigmoid(x: Float) -> Float:
    found: Float = 0.5 * (1 + np.tanh(0.5 * x))
    return found


def accuracies(family: Family, theta: Float, u: Float) -> Float:
    """Accuracies by curves.

    theta: parameters, shape (m, 3 + shape): the logits of errors and of gain, logarithms of those of g, of the scatter.
    u:     epochs over those of the shortest run, shape (k,).

    Returns shape (m, k), in [0, 1].
    """
    first, gain = _sigmoid(theta[:, :1]), _sigmoid(theta[:, 1:2])
    b = gain * first
    a = 1 - first + b
    with np.errstate(over="ignore"):
        falls = family.falls(u[None, :], b / a, *(np.exp(theta[:, 2 + i : 3 + i]) for i in range(len(family.names))))
    found: Float = a - b * falls
    return found


def _priors(family: Family) -> tuple[Float, Float]:
    pairs = (PRIORS["first"], PRIORS["gain"], *family.priors, PRIORS["scatter"])
    mean, deviation = np.array(pairs, np.float64).T
    return mean, deviation


def _log_t(x: Float, freedom: float) -> Float:
    """Logarithm of the density of Student's t."""
    constant = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    found: Float = constant - (freedom + 1) / 2 * np.log1p(x**2 / freedom)
    return found


def _log_posterior(family: Family, theta: Float, u: Float, measured: Float) -> Float:
    """Logarithm of prior times likelihood, shape (m,)."""
    mean, deviation = _priors(family)
    prior = -0.5 * ((theta - mean) / deviation) ** 2 - np.log(deviation) - 0.5 * math.log(2 * math.pi)
    scatter = np.exp(theta[:, -1:])
    likely = _log_t((measured - accuracies(family, theta, u)) / scatter, TAIL) - np.log(scatter)
    found: Float = prior.sum(axis=1) + likely.sum(axis=1)
    return found


@dataclass(frozen=True, kw_only=True)
class FamilyFit:
    """One family, fitted.

    weight: probability of the family, given what was measured.
    best:   its most probable parameters, as `accuracies` takes them.
    theta:  parameters drawn, shape (count, 3 + shape); count by weight.
    """

    family: Family
    weight: float
    best: Float
    theta: Float

    @property
    def parameters(self) -> dict[str, float]:
        """The most probable parameters by their names in the table of this module."""
        first, gain = (float(_sigmoid(self.best[i])) for i in (0, 1))
        shape = {name: math.exp(self.best[2 + i]) for i, name in enumerate(self.family.names)}
        return {"a": 1 - first + gain * first, "b": gain * first} | shape


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What is known of a learning curve: `DRAWS` curves, any of which may be the one.

    shortest, longest: total epochs of the shortest and the longest run.
    rows:     rows that accuracies were measured on.
    noise:    what `predict` adds to each curve, standard normal or Student's t, shape (DRAWS, 3): the scatter of a run,
              the rows that happened to be judged on, and how wrong all families are.
    """

    shortest: int
    longest: int
    rows: int
    families: tuple[FamilyFit, ...]
    noise: Float

    @property
    def best(self) -> FamilyFit:
        """The most probable family."""
        return max(self.families, key=lambda fit: fit.weight)

    @property
    def parameters(self) -> dict[str, float]:
        """Those of the best family, and `epochs`, the n1 that u = 1 stands for."""
        return self.best.parameters | {"epochs": float(self.shortest)}

    def curves(self, epochs: npt.ArrayLike) -> Float:
        """Each curve at so many total epochs, shape (k,): accuracies, shape (DRAWS, k), without any noise."""
        u = np.asarray(epochs, np.float64) / self.shortest
        return np.concatenate([accuracies(fit.family, fit.theta, u) for fit in self.families if len(fit.theta)])

    def predict(self, epochs: npt.ArrayLike) -> Float:
        """Accuracies that one more run may have on fresh rows, shape (DRAWS, k), in [0, 1]; a row is one run."""
        n = np.asarray(epochs, np.float64)
        known = self.curves(n)
        scatter = np.concatenate([np.exp(fit.theta[:, -1]) for fit in self.families if len(fit.theta)])
        run, judged, wrong = self.noise.T[:, :, None]
        sampling = np.sqrt(np.clip(known * (1 - known), 0, None) / self.rows)
        beyond = DRIFT * np.log2(np.maximum(n / self.longest, 1))
        found: Float = np.clip(known + scatter[:, None] * run + sampling * judged + beyond * wrong, 0, 1)
        return found

    @property
    def asymptotes(self) -> Float:
        """What each curve comes near, shape (DRAWS,)."""
        parts = []
        for fit in self.families:
            first, gain = _sigmoid(fit.theta[:, 0]), _sigmoid(fit.theta[:, 1])
            parts.append(1 - first + gain * first)
        return np.concatenate(parts)


def fit(epochs: Sequence[int], measured: Sequence[float], *, rows: int, seed: int = 0) -> Fit:
    """Fit all families to runs.

    epochs:   total epochs of each run, 1 or more.
    measured: their accuracies, in [0, 1], on the same rows.
    rows:     how many those were.
    seed:     of the draws.

    Raises `DataError` for fewer than `RUNS` runs or `LENGTHS` lengths, and for an accuracy that is none.
    """
    n, y = np.asarray(epochs, np.float64), np.asarray(measured, np.float64)
    if n.shape != y.shape or n.ndim != 1:
        raise DataError(f"{n.size} lengths of runs and {y.size} accuracies; give one for each")
    for length, accuracy in zip(n, y, strict=True):
        if not length >= 1 or not math.isfinite(length):
            raise DataError(f"a run of {length:g} epochs; use 1 or more")
        if not 0 <= accuracy <= 1:
            raise DataError(f"the run of {length:g} epochs has accuracy {accuracy}; use a number from 0 to 1")
    lengths = len(set(n.tolist()))
    if len(n) < RUNS or lengths < LENGTHS:
        raise DataError(
            f"{len(n)} runs of {lengths} lengths are too few for a learning curve; "
            f"measure {RUNS} runs of {LENGTHS} lengths at least, such as with a larger --budget"
        )
    if rows < 1:
        raise DataError(f"accuracies on {rows} rows; use 1 or more")
    rng = np.random.default_rng(seed)
    u = n / n.min()
    sampled = [_sample(family, u, y, rng) for family in FAMILIES]
    evidence = np.array([found[1] for found in sampled])
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    counts = _shares(weights, DRAWS)
    families = tuple(
        FamilyFit(family=family, weight=float(weight), best=best, theta=draw(count))
        for family, weight, count, (best, _, draw) in zip(FAMILIES, weights, counts, sampled, strict=True)
    )
    noise = np.column_stack([rng.standard_t(TAIL, DRAWS), rng.standard_normal(DRAWS), rng.standard_normal(DRAWS)])
    return Fit(shortest=int(n.min()), longest=int(n.max()), rows=rows, families=families, noise=noise)


def _shares(weights: Float, count: int) -> list[int]:
    """So many in parts by weight, each a whole number: the largest remainders are rounded up."""
    exact = weights * count
    found = np.floor(exact).astype(int)
    for index in np.argsort(found - exact)[: count - int(found.sum())]:
        found[index] += 1
    return [int(part) for part in found]


def _sample(
    family: Family, u: Float, measured: Float, rng: np.random.Generator
) -> tuple[Float, float, Callable[[int], Float]]:
    """The most probable parameters, the logarithm of the family's probability, and a way to draw parameters."""
    best, covariance = _most_probable(family, u, measured)
    mean, deviation = _priors(family)
    centre = best
    drawn: list[Float] = []
    densities: list[tuple[Float, Float]] = []
    for _ in range(ROUNDS):
        part = TRIED // 4
        normal = mean + deviation * rng.standard_normal((part, len(mean)))
        around = centre + _student(rng, TRIED - part, covariance)
        drawn.append(np.concatenate([normal, around]))
        densities.append((centre, covariance))
        theta = np.concatenate(drawn)
        proposed = np.logaddexp.reduce(
            [_log_mixture(theta, mean, deviation, *density) for density in densities], axis=0
        ) - math.log(len(densities))
        logs = _log_posterior(family, theta, u, measured) - proposed
        top = logs.max()
        weights = np.exp(logs - top)
        total = weights.sum()
        weights /= total
        centre = weights @ theta
        spread = theta - centre
        # a little wider than what was found, so that the next round also sees its edges
        covariance = 1.2 * (spread * weights[:, None]).T @ spread + 1e-10 * np.eye(len(mean))
    evidence = float(top + math.log(total) - math.log(len(theta)))

    def draw(count: int) -> Float:
        # evenly spaced places on the sum of weights: less chance than drawing each
        places = (np.arange(count) + rng.random()) / max(count, 1)
        sums = np.cumsum(weights)
        chosen = np.searchsorted(sums / sums[-1], places)
        found: Float = rng.permutation(theta[np.minimum(chosen, len(theta) - 1)])
        return found

    return best, evidence, draw


def _student(rng: np.random.Generator, count: int, covariance: Float) -> Float:
    root = np.linalg.cholesky(covariance)
    scale = np.sqrt(rng.chisquare(TAIL, (count, 1)) / TAIL)
    found: Float = rng.standard_normal((count, len(root))) @ root.T / scale
    return found


def _log_mixture(theta: Float, mean: Float, deviation: Float, centre: Float, covariance: Float) -> Float:
    """Logarithm of the density that a round draws from: a quarter prior, the rest Student's t around the centre."""
    prior = (-0.5 * ((theta - mean) / deviation) ** 2 - np.log(deviation) - 0.5 * math.log(2 * math.pi)).sum(axis=1)
    size = len(mean)
    root = np.linalg.cholesky(covariance)
    square = (np.linalg.solve(root, (theta - centre).T) ** 2).sum(axis=0)
    constant = (
        math.lgamma((TAIL + size) / 2)
        - math.lgamma(TAIL / 2)
        - size / 2 * math.log(TAIL * math.pi)
        - np.log(np.diag(root)).sum()
    )
    student = constant - (TAIL + size) / 2 * np.log1p(square / TAIL)
    found: Float = np.logaddexp(math.log(0.25) + prior, math.log(0.75) + student)
    return found


def _most_probable(family: Family, u: Float, measured: Float) -> tuple[Float, Float]:
    """The parameters of the highest posterior, and a covariance around them."""
    # SciPy takes a moment to import
    from scipy.optimize import minimize

    mean, deviation = _priors(family)

    def cost(theta: Float) -> float:
        return -float(_log_posterior(family, theta[None, :], u, measured)[0])

    starts = []
    first = float(np.clip(1 - measured[u == u.min()].mean(), 1e-3, 1 - 1e-3))
    for gain in (-1.0, 1.0):
        for rate in (-1.0, 0.5):
            start = mean.copy()
            start[0], start[1], start[2] = math.log(first / (1 - first)), gain, mean[2] + rate * deviation[2]
            starts.append(start)
    found = min((minimize(cost, start, method="BFGS") for start in starts), key=lambda result: float(result.fun))
    best = np.asarray(found.x, np.float64)
    covariance = np.asarray(found.hess_inv, np.float64)
    covariance = (covariance + covariance.T) / 2
    values, vectors = np.linalg.eigh(covariance)
    # BFGS only guesses it: no narrower than is numerically sound, no wider than the priors
    values = np.clip(values, 1e-8, float(deviation.max()) ** 2)
    return best, (vectors * values) @ vectors.T
