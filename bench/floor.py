"""The opcode floor: gas per multiply-add that no code of a design can go below, for its inner loop is these opcodes.

| design | inner loop | gas a word | multiply-adds a word |
|---|---|---|---|
| dense | two reads (3 + 3 each), MUL 5, ADD 3 | 20 | 16 lanes to 4 bits; to 8 bits 10 in the first layer, 8 after |
| binary (1/1/1) | two reads, XOR 3, ADD 3 | 18 | 128: bits are spread to every second one |
| binary, its fold | two ANDs, a shift, two ADDs, a DUP and three constants | 27 in 3 words | 2 bits count to 3 |

Stacks, loops, unpacking, activations and calls come on top: that is what the ratio of measured gas to floor shows.
A row of results that brings its own `floor_gas_per_mac` is believed.
"""

from itertools import pairwise
from typing import Any

from trainer.encode import plan

DENSE_WORD = 20
BINARY_WORD, BINARY_INPUTS = 18, 128
BINARY_FOLD, WORDS_A_FOLD = 27, 3


def floor(row: dict[str, Any]) -> float:
    """Floor of a row of `results/gas.json`, weighted by the multiply-adds of its layers; full words are assumed."""
    if "floor_gas_per_mac" in row:
        return float(row["floor_gas_per_mac"])
    input_bits, weight_bits, activation_bits = map(int, row["bits"].split("/"))
    if weight_bits == 1:
        return (BINARY_WORD + BINARY_FOLD / WORDS_A_FOLD) / BINARY_INPUTS
    widths = tuple(map(int, row["net"].split("-")))
    gas = 0.0
    for layer, (inputs, outputs) in enumerate(pairwise(widths)):
        packed = plan(widths, layer, input_bits=input_bits, activation_bits=activation_bits, weight_bits=weight_bits)
        gas += DENSE_WORD * inputs * outputs / packed.lanes
    return gas / sum(inputs * outputs for inputs, outputs in pairwise(widths))
