"""Writes `BinaryEngine.vy` from its template: `python -m contracts.generate_binary`.

Like `generate.py`, whose template lines `# <NAME>` it shares.
"""

from collections.abc import Callable
from pathlib import Path

from contracts.generate import OCTET, better, bytes_of, fill, plus, sum_of

HERE = Path(__file__).resolve().parent
TEMPLATE = HERE / "templates" / "BinaryEngine.vy.in"
TARGET = HERE / "BinaryEngine.vy"

WORDS = 3
"""Words of 256 inputs in a slot."""
CONSTANTS = (WORDS,)
"""Numbers of words of the kernels that have their masks as constants."""
QUARTER = 2 * WORDS
"""The place of the quarter of a word behind them, among words of fields."""


def cut(target: str, at: str, words: int) -> list[str]:
    """The words of a slot of a row or a sample at `at`, cut into fields of two bits."""
    lines = []
    for k in range(words):
        end = k == words - 1
        place = f"unsafe_add({at}, last_at)" if end else plus(at, 32 * k)
        lines += [
            f"v = extract32(payload, {place}, output_type=uint256)",
            f"{target}[{2 * k}] = v & {'last_ones' if end else 'ONES_2'}",
            f"{target}[{2 * k + 1}] = (v >> 1) & {'last_ones' if end else 'ONES_2'}",
        ]
    return [
        *lines,
        "if quarter:",
        "    # bit i of 64 comes to the lowest bit of field i // 4 + 16 * (i % 4)",
        f"    v = extract32(payload, unsafe_add({at}, rest_at), output_type=uint256) & rest_mask",
        f"    {target}[{QUARTER}] = (v | (v << 63) | (v << 126) | (v << 189)) & ONES_4",
    ]


def ladder(branches: list[list[str]]) -> list[str]:
    """One branch for each number of words, from the largest down."""
    lines = []
    for words in reversed(range(len(branches))):
        head = "if" if words == len(branches) - 1 else "elif"
        lines.append(f"{head} words == {words}:" if words else "else:")
        lines += ["    " + line for line in branches[words]]
    return lines


def sample() -> list[str]:
    """A slot of one sample."""
    return ladder([cut("xb", "pos", words) for words in range(WORDS + 1)])


def differ(s: int, fields: list[int]) -> str:
    """Where sample and row differ, of at most three words: fields of two bits."""
    return sum_of([f"(xs[{s}][{i}] ^ wb[{i}])" for i in fields])


def mask(bits: int, words: int) -> str:
    """The lower halves of fields: a constant, or a word of memory where that costs too much code."""
    return f"{'PAIRS' if words in CONSTANTS else 'pairs'}_{bits}"


def quads(s: int, words: int) -> list[str]:
    """Fields of four bits of one sample, in `ts`: at most 5, 9, 13, and without words 1."""
    # without a quarter its place is zero in both
    if words == 0:
        return []
    triples = [[0, 1, QUARTER], [2, 3]][:words] if words < WORDS else [[0, 1, 2], [3, 4, 5]]
    lines = [f"{name} = {differ(s, fields)}" for name, fields in zip("pq", triples, strict=False)]
    # a + b = (a + 4 b) - 3 b for both fields of two bits of all fields of four, whatever is lost above 2**256
    upper = sum_of([f"(({name} >> 2) & {mask(4, words)})" for name in "pq"[: len(triples)]])
    total = sum_of(["p", "q", differ(s, [QUARTER])] if words == WORDS else list("pq"[: len(triples)]))
    return [*lines, f"ts[{s}] = unsafe_sub({total}, unsafe_mul({upper}, 3))"]


def octets(s: int, words: int) -> str:
    """Four fields of eight bits of one sample, at most 208 each; without words eight of four bits, at most 8 each."""
    if words == 0:
        return f"({differ(s, [QUARTER])} % GROUPS)"
    low = mask(8, words)
    if words == 1:
        # sums of two are below 16
        fields = f"((unsafe_mul(ts[{s}], 17) >> 4) & {low})"
    else:
        fields = f"unsafe_add(ts[{s}] & {low}, (ts[{s}] >> 4) & {low})"
    return f"({fields} % GROUPS)"


def half_set(name: str, first: int, words: int) -> list[str]:
    """The counts of 8 samples."""
    numbers = [octets(first + s, words) for s in range(OCTET)]
    return [
        "# fields of two bits get at most 3, of four 13, of eight 8 * 26 = 208, of sixteen 832, which is a slot",
        *[line for s in range(OCTET) for line in quads(first + s, words)],
        f"{name} = " + sum_of([f"({number} << {32 * s})" if s else number for s, number in enumerate(numbers)]),
        *collect(name, words),
    ]


def collect(name: str, words: int) -> list[str]:
    """The fields of a lane become one."""
    eights = [f"{name} = unsafe_add({name} & PAIRS_8, ({name} >> 4) & PAIRS_8)"]
    return [
        *(eights if words == 0 else []),
        f"{name} = unsafe_add({name} & PAIRS_16, ({name} >> 8) & PAIRS_16)",
        f"{name} = unsafe_add({name}, {name} >> 16) & PAIRS_32",
    ]


def kernels() -> list[str]:
    """A slot of a row."""

    def branch(words: int) -> list[str]:
        return [
            *cut("wb", "u", words),
            "# places are below 2**41",
            "if single:",
            *["    " + line for line in quads(0, words)],
            f"    low = {octets(0, words)}",
            *["    " + line for line in collect("low", words)],
            "else:",
            *["    " + line for line in half_set("low", 0, words)],
            "    if wide:",
            *["        " + line for line in half_set("high", OCTET, words)],
        ]

    return ladder([branch(words) for words in range(WORDS + 1)])


def gather() -> list[str]:
    """32 neurons of every sample, from two words, behind those before; of the upper half only if it is wanted."""

    def ones(first: int) -> list[str]:
        lanes = [f"(v >> {32 * s})" if s else "v" for s in range(OCTET)]
        return [f"ts[{first + s}] = (ts[{first + s}] << 32) | ({lane} & LANE)" for s, lane in enumerate(lanes)]

    return [
        "v = ((p & PAIRS_32) << 16) | (q & PAIRS_32)",
        *ones(0),
        "if wide:",
        "    v = (p & ~PAIRS_32) | ((q >> 16) & PAIRS_32)",
        *["    " + line for line in ones(OCTET)],
    ]


def both(lines_of: Callable[[int], list[str]]) -> list[str]:
    """Lines for each sample of a set, those of the upper half only if it is wanted."""
    low = [line for s in range(OCTET) for line in lines_of(s)]
    high = ["    " + line for s in range(OCTET, 2 * OCTET) for line in lines_of(s)]
    return [*low, "if wide:", *high]


def no_quarter() -> list[str]:
    """What a quarter is where there is none."""
    return both(lambda s: [f"xs[{s}][{QUARTER}] = 0"])


def spread() -> list[str]:
    """A word of inputs of every sample, cut into fields of two bits."""
    return both(lambda s: [f"v = ts[{s}] >> m", f"xs[{s}][u] = v & ONES_2", f"xs[{s}][t] = (v >> 1) & ONES_2"])


def generate() -> str:
    """The source of the engine."""
    blocks = {
        "SAMPLE": sample(),
        "NO_QUARTER": no_quarter(),
        "GATHER": gather(),
        "SPREAD": spread(),
        "KERNELS": kernels(),
        "LAST_LOW": better("low"),
        "LAST_HIGH": better("high"),
        "CLASSES": [f"v = {bytes_of('low', 64)}", "if wide:", f"    v |= {bytes_of('high')}"],
    }
    first, rest = fill(TEMPLATE.read_text(), blocks).split("\n", 1)
    note = "# generated by generate_binary.py from templates/BinaryEngine.vy.in: edit those, not this"
    return f"{first}\n{note}\n{rest}"


if __name__ == "__main__":
    TARGET.write_text(generate())
