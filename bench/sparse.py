"""What skipping zero inputs would buy in the dense kernel: `python -m bench.sparse` writes its results file.

Half of Fashion-MNIST is zeros, and a word of 16 zeros multiplied by anything is zero. The kernel cannot know: asking
costs a branch. Two measurements:

1. how often the engine's words of inputs, at 4 bits, are all zero in real samples: one word alone, and shared by what
   the unrolled kernel could skip as a block (a term of 8 or 16 samples, a flush of up to 13 terms of a sample);
2. what a row costs in a kernel compiled by the same compiler, 13 products written out, that asks at each word or once
   a flush, when no word, half, or every word is zero.

`gas_per_product` of a design is interpolated between its two measured ends with the measured share of zeros.
"""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import boa
import numpy as np

from trainer import datasets, fetch, quantise
from trainer.chain import Chain
from trainer.encode import _fields, plan
from trainer.integer import Uint8

RESULTS = Path(__file__).parent / "results" / "sparse.json"
WIDTHS = (784, 32, 10)
BITS = 4
SAMPLES = 4096
# terms of a slot, and those whose products are added before a lane is read
SLOT, FLUSH = 24, 13
# rows that each measurement runs, so that the call itself does not count
ROWS = 64

KERNEL = """
# pragma version 0.4.3
# pragma optimize gas

@external
@pure
def run(inputs: uint256[{terms}], weights: uint256[{terms}], rows: uint256) -> uint256:
    xs: uint256[{terms}] = inputs
    wb: uint256[{terms}] = weights
    low: uint256 = 0
    t: uint256 = 0
    for r: uint256 in range(rows, bound=1024):
        # unchecked: only the gas matters here
{body}
    return low
"""


def product(term: int) -> str:
    """One product; both words are at constant places."""
    return f"unsafe_mul(xs[{term}], wb[{term}])"


def summed(terms: range) -> str:
    """A sum of products as one balanced expression."""
    if len(terms) == 1:
        return product(terms[0])
    half = (len(terms) + 1) // 2
    return f"unsafe_add({summed(terms[:half])}, {summed(terms[half:])})"


def plain() -> list[str]:
    """As the engine does it: all products of a flush in one expression."""
    return [f"low = unsafe_add(low, {summed(range(FLUSH))})"]


def ask_each() -> list[str]:
    """A branch at every word."""
    lines = ["t = 0"]
    for term in range(FLUSH):
        lines += [f"if xs[{term}] != 0:", f"    t = unsafe_add(t, {product(term)})"]
    return [*lines, "low = unsafe_add(low, t)"]


def ask_once() -> list[str]:
    """A branch at a flush: `t` stands for a flag kept a flush and sample, read as any word is."""
    return ["if xs[0] != 0:", *(f"    {line}" for line in plain())]


def words(x: Uint8) -> Any:
    """Whether each word of inputs holds anything, as the engine packs layer 0: (samples, terms)."""
    p = plan(WIDTHS, 0, input_bits=BITS, activation_bits=BITS, weight_bits=BITS)
    fields = _fields(p, 0)
    per_chunk = p.lanes * p.depth
    # a field of a row, counted from the right within its chunk, is lane * depth + term
    term = fields // per_chunk * p.depth + (per_chunk - 1 - fields % per_chunk) % p.depth
    filled = np.zeros((len(x), p.terms), bool)
    for t in range(p.terms):
        filled[:, t] = x[:, term == t].any(axis=1)
    return filled


def shares(x: Uint8) -> dict[str, float]:
    """How much of the kernel's work is on zeros, by what would be skipped at a time."""
    filled = words(x)
    terms = filled.shape[1]
    # a last slot takes one term more rather than leave it alone
    slots = [*range(0, terms - 1, SLOT), terms]
    halves = [(a, min(a + FLUSH, b)) for a, b in pairwise(slots)] + [(a + FLUSH, b) for a, b in pairwise(slots)]
    return {
        "inputs": float((x == 0).mean()),
        "words": float(1 - filled.mean()),
        "terms_of_8_samples": float(1 - filled.reshape(-1, 8, terms).any(axis=1).mean()),
        "terms_of_16_samples": float(1 - filled.reshape(-1, 16, terms).any(axis=1).mean()),
        "flushes_of_a_sample": float(1 - np.mean([filled[:, a:b].any(axis=1) for a, b in halves])),
    }


def kernel_gas(body: Callable[[], list[str]]) -> dict[str, float]:
    """Gas per product of a row with no, half and only zero words, the loop over rows and all."""
    lines = "\n".join(f"        {line}" for line in body())
    contract = boa.loads(KERNEL.format(terms=FLUSH, body=lines))
    gas = {}
    for name, zeros in (("none", 0), ("half", FLUSH // 2), ("all", FLUSH)):
        inputs = [1] * (FLUSH - zeros) + [0] * zeros
        used = []
        for rows in (ROWS, 2 * ROWS):
            contract.run(inputs, [1] * FLUSH, rows)
            used.append(int(contract._computation.get_gas_used()))
        gas[name] = round((used[1] - used[0]) / ROWS / FLUSH, 2)
    return gas


def main() -> None:
    """Measure both, write the file."""
    fetch.fetch()
    data = datasets.load(datasets.FASHION_MNIST)
    rows, test = data.split()
    x = quantise.fit(data, bits=BITS, rows=rows).apply(data.features[test[:SAMPLES]])
    share = shares(x)
    with Chain().active():
        gas = {"plain": kernel_gas(plain), "ask_each": kernel_gas(ask_each), "ask_once": kernel_gas(ask_once)}

    def between(design: str, zeros: float) -> float:
        return round(gas[design]["none"] + zeros * (gas[design]["all"] - gas[design]["none"]), 2)

    report = {
        "command": "python -m bench.sparse",
        "net": "-".join(map(str, WIDTHS)),
        "bits": BITS,
        "samples": SAMPLES,
        "zero_share": {name: round(value, 4) for name, value in share.items()},
        "gas_per_product_by_zero_words": gas,
        "gas_per_product": {
            "plain": gas["plain"]["none"],
            "ask_each": between("ask_each", share["words"]),
            "ask_once": between("ask_once", share["flushes_of_a_sample"]),
        },
    }
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
