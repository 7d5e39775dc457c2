"""Distributions of what a model costs its trainers: each by its quantiles and its survival function."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtr, ndtri

from trainer.errors import DataError

KINDS = ("uniform", "exponential", "lognormal", "pareto")


@dataclass(frozen=True, kw_only=True)
class Costs:
    """A distribution of costs, above a lowest one that nobody can go below.

    kind:  uniform on [lowest, lowest + spread]; lowest + an exponential of mean `spread`; lognormal: lowest + the
           exponential of a normal of standard deviation `spread`; pareto: lowest times a Pareto of exponent 1 / spread.
    """

    kind: str = "uniform"
    lowest: float = 1.0
    spread: float = 1.0

    def __post_init__(self) -> None:
        """Raise `DataError` naming what is wrong."""
        if self.kind not in KINDS:
            raise DataError(f"kind: no distribution is named {self.kind!r}; use one of {', '.join(KINDS)}")
        if not 0 <= self.lowest < 1e9:
            raise DataError(f"lowest: {self.lowest} is out of range; use 0 or more")
        if not 0 < self.spread < 1e9:
            raise DataError(f"spread: {self.spread} is out of range; use more than 0")
        if self.kind == "pareto" and self.lowest == 0:
            raise DataError("lowest: 0 leaves a Pareto distribution nothing to multiply; use more")

    def upper(self, above: Array) -> Array:
        """The cost that a share `above` of trainers exceeds; `above` in (0, 1]."""
        if self.kind == "uniform":
            return self.lowest + self.spread * (1 - above)
        if self.kind == "exponential":
            return self.lowest - self.spread * jnp.log(above)
        if self.kind == "lognormal":
            return self.lowest + jnp.exp(-self.spread * ndtri(above))
        return self.lowest * above**-self.spread

    def above(self, cost: Array) -> Array:
        """The share of trainers whose costs exceed `cost`, in [0, 1]."""
        if self.kind == "uniform":
            return jnp.clip(1 - (cost - self.lowest) / self.spread, 0, 1)
        if self.kind == "exponential":
            return jnp.exp(-jnp.maximum(cost - self.lowest, 0) / self.spread)
        if self.kind == "lognormal":
            return ndtr(-jnp.log(jnp.maximum(cost - self.lowest, 1e-300)) / self.spread)
        return jnp.minimum((self.lowest / jnp.maximum(cost, self.lowest)) ** (1 / self.spread), 1)
