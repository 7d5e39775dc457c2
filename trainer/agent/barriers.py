"""Why a challenge is not entered whatever the model: terms that nobody should accept, or that cannot be met here."""

from collections.abc import Mapping, Set
from fractions import Fraction

from trainer.protocol import Terms

TRAINED = ("DenseEngine", "BinaryEngine", "ConvolutionEngine")
"""Engines that there is training for within one transaction."""
AUDIT_SECONDS = 60
"""What each transaction of a full audit may take: a few blocks, and one that was missed."""
SLOTS = 8
"""Groups in one audit."""
MOST_BYTES = 2**28
"""Bytes of a data set that is entered: all of CIFAR-10 has 184 million, and memory holds some times as many."""
LEAST_UNSEAL = 120
"""Seconds without which an unsealing is a matter of luck."""


def barrier(
    terms: Terms, engine: str | None, *, kinds: Set[str], rates: Mapping[str, Fraction], most_bytes: int
) -> str:
    """Why not, before any training; empty if nothing is in the way.

    engine:     the name of the contract at the terms' engine; None for a stranger.
    kinds:      names of engines that can be trained for.
    rates:      by token, wei that its smallest unit is worth.
    most_bytes: samples of its data set, packed as the market has them, that there is room and time for.
    """
    if engine is None:
        return f"the engine {terms.engine} is none of this version of Assay: it may answer what it likes"
    if engine not in kinds:
        return f"there is no recipe for {engine}; name a --preset for it"
    if terms.token not in rates:
        return f"it pays in {terms.token}, which is not listed with --token"
    size = terms.groups * terms.samples * terms.sample_bytes
    if size > most_bytes:
        return f"its data set has {size:,} bytes, and {most_bytes:,} are the most; allow more with --most-bytes"
    if terms.windows.unseal < LEAST_UNSEAL:
        return f"a candidate has {terms.windows.unseal} s to unseal, less than the {LEAST_UNSEAL} s that are safe"
    # a group or more a transaction, at best
    if terms.full_audit and terms.windows.audit < audit_seconds(-(-terms.holdout // SLOTS)):
        return f"its full audit has {terms.windows.audit} s, too few to execute {terms.holdout} groups"
    return ""


def audit_seconds(transactions: int) -> int:
    """Seconds that a full audit of so many transactions may take."""
    return AUDIT_SECONDS * (transactions + 1)
