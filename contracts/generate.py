"""Writes `DenseEngine.vy` from its template: `python contracts/generate.py`.

A line `# <NAME>` of the template stands for code that repeats itself with other constants. Written out, because Vyper
reads a memory word at a constant index for 9 gas, at any other for 55.
"""

from pathlib import Path

HERE = Path(__file__).resolve().parent
TEMPLATE = HERE / "templates" / "DenseEngine.vy.in"
TARGET = HERE / "DenseEngine.vy"

MAX_TERMS = 25
"""Terms of a slot, at most."""
FLUSH = 13
"""Terms whose products fit a lane without a carry: 13 * 16 * 15 * 15 < 2**16, 13 * 10 * 255 * 255 < 2**24."""
HALF = 8
"""Samples of a half set."""


def sum_of(terms: list[str]) -> str:
    """One balanced expression: the stack stays shallow."""
    if len(terms) == 1:
        return terms[0]
    half = (len(terms) + 1) // 2
    return f"unsafe_add({sum_of(terms[:half])}, {sum_of(terms[half:])})"


def dot(sample: int, terms: range) -> str:
    """Top lane of the products of one sample."""
    return f"({sum_of([f'unsafe_mul(xs[{sample}][{t}], wb[{t}])' for t in terms])} >> top)"


def dots(first: int, terms: range) -> str:
    """A word of 8 samples: sample s in lane s."""
    return sum_of([f"({dot(first + s, terms)} << {32 * s})" if s else dot(first, terms) for s in range(HALF)])


def meet(terms: int) -> list[str]:
    """A row of one slot."""
    return [
        "# 4 * 16 * 15 * 15 < 2**16, 4 * 10 * 255 * 255 < 2**24",
        f"low = unsafe_add({dots(0, range(terms))}, unsafe_sub(bias, low_offset))",
        "if wide:",
        f"    high = unsafe_add({dots(HALF, range(terms))}, unsafe_sub(bias, high_offset))",
    ]


def kernels() -> list[str]:
    """A slot of a row: 8 terms, or 13 and perhaps 12 more."""
    most = range(FLUSH, MAX_TERMS)
    return [
        "# products of 13 terms fit a lane: 13 * 16 * 15 * 15 < 2**16, 13 * 10 * 255 * 255 < 2**24; a lane of 32 bits",
        "# gets the sums of at most 4096 inputs: 4096 * 255 * 255 < 2**28",
        "if single:",
        f"    low = unsafe_add({dot(0, range(FLUSH))}, {dot(0, most)})",
        "elif terms <= 8:",
        f"    low = {dots(0, range(8))}",
        "    if wide:",
        f"        high = {dots(HALF, range(8))}",
        "else:",
        f"    low = {dots(0, range(FLUSH))}",
        "    if wide:",
        f"        high = {dots(HALF, range(FLUSH))}",
        f"    if terms > {FLUSH}:",
        f"        low = unsafe_add(low, {dots(0, most)})",
        "        if wide:",
        f"            high = unsafe_add(high, {dots(HALF, most)})",
    ]


def plus(name: str, number: int) -> str:
    return f"unsafe_add({name}, {number})" if number else name


def rows(depth: int, size: int) -> list[str]:
    """A slot of a row whose chunks of `size` bytes hold `depth` terms."""
    shifts = ["v", "(v >> w)", "(v >> w2)", "(v >> w3)"]
    lines = ["# at most 8 chunks further: below 2**17"]
    for chunk in range(24 // depth):
        pad = "    " * chunk
        if chunk:
            lines.append(f"{pad[4:]}if terms > {depth * chunk}:")
        lines.append(f"{pad}v = extract32(payload, {plus('u', size * chunk)}, output_type=uint256)")
        lines += [f"{pad}wb[{depth * chunk + j}] = {shifts[j]} & row_lanes" for j in range(depth)]
    pad += "    "
    lines.append(f"{pad[4:]}if terms > 24:")
    lines.append(f"{pad}wb[24] = extract32(payload, {plus('u', size * 24 // depth)}, output_type=uint256) & row_lanes")
    return lines


def inputs(split: int, bits: int, size: int) -> list[str]:
    """Whole chunks of `size` bytes of a sample, cut into `split` terms."""
    up = " << 16" if size == 30 else ""
    lines = ["# at most 8 chunks further: below 2**17; sums of lanes: 25 * 15 < 2**16, 25 * 255 < 2**24"]
    for chunk in range(24 // split):
        pad = "    " * chunk
        lines.append(f"{pad}if whole > {chunk}:")
        pad += "    "
        lines.append(f"{pad}v = extract32(payload, {plus('pos', size * chunk)}, output_type=uint256){up}")
        names = [f"xb[{split * chunk + j}]" for j in range(split)]
        lines += [f"{pad}{name} = {f'(v >> {bits * j})' if j else 'v'} & lanes_mask" for j, name in enumerate(names)]
        lines.append(f"{pad}u = {f'unsafe_add(u, {sum_of(names)})' if chunk else sum_of(names)}")
    return lines


def pairs(lanes: int) -> list[str]:
    """Words of two neurons: in 16 lanes two neurons stand in one lane of 32 bits, in 8 lanes one."""
    if lanes == 16:
        return [f"m{i} = acts[{plus('pos', i)}]" for i in range(8)]
    words = [f"acts[{plus('pos', i // 2)}]" for i in range(8)]
    return [f"m{i} = {f'({word} >> 16)' if i % 2 else word} & PAIR" for i, word in enumerate(words)]


def transpose() -> list[str]:
    """The 8 x 8 lanes of m0 to m7, by exchanging halves, quarters, eighths."""
    lines = []
    for distance, mask in ((4, "HALVES"), (2, "QUARTERS"), (1, "EIGHTHS")):
        for a in range(8):
            if a & distance == 0:
                b = a + distance
                lines.append(f"v = ((m{a} >> {32 * distance}) ^ m{b}) & {mask}")
                lines.append(f"m{b} ^= v")
                lines.append(f"m{a} ^= v << {32 * distance}")
    return lines


def spread() -> list[str]:
    """The bytes of both halves of a set."""
    low = [f"xs[{s}][i] = m{s} & EVEN" for s in range(HALF)]
    return [*low, "if wide:", *[f"    xs[{HALF + s}][i] = (m{s} >> 8) & EVEN" for s in range(HALF)]]


def hidden(name: str) -> list[str]:
    """Activations: zero below zero (bit 30 is clear), the shift, and the limit where it is passed (bit 24 is set)."""
    return [
        "# a lane is below 2**24 after the shift, below 2**25 with the lift, and at most 255 at the end",
        f"v = ({name} & unsafe_mul(({name} >> 30) & ONES, HALF)) >> rescale & keep",
        f"{name} = (v | unsafe_mul((unsafe_add(v, lift) >> 24) & ONES, limit)) & limits",
        f"{name}_total = unsafe_add({name}_total, {name})",
    ]


def last(name: str) -> list[str]:
    """The class of the samples whose accumulator is above the best so far."""
    return [
        "# lanes are below 2**31: bit 31 of the difference is clear where the best is passed",
        f"v = unsafe_mul((~unsafe_sub({name}_best | SIGNS, {name}) >> 31) & ONES, LANE)",
        f"{name}_best = ({name}_best & ~v) | ({name} & v)",
        f"{name}_class = ({name}_class & ~v) | (unsafe_mul(unsafe_add(first, r), ONES) & v)",
    ]


def classes() -> list[str]:
    """Lanes to bytes, the first sample highest."""

    def part(name: str, s: int, shift: int) -> str:
        return f"((({name} >> {32 * s}) & 255) << {shift})"

    return [
        "v = " + " | ".join(part("low_class", s, 120 - 8 * s) for s in range(HALF)),
        "if wide:",
        "    v |= " + " | ".join(part("high_class", s, 56 - 8 * s) for s in range(HALF)),
    ]


def generate() -> str:
    """The source of the engine."""
    blocks = {
        "MEET_2": meet(2),
        "MEET_4": meet(4),
        "KERNELS": kernels(),
        "ROWS4": rows(4, 32),
        "ROWS3": rows(3, 30),
        "INPUTS4": inputs(4, 4, 32),
        "INPUTS3": inputs(3, 8, 30),
        "PAIRS_16": pairs(16),
        "PAIRS_8": pairs(8),
        "TRANSPOSE": transpose(),
        "SPREAD": spread(),
        "HIDDEN_LOW": hidden("low"),
        "HIDDEN_HIGH": hidden("high"),
        "LAST_LOW": last("low"),
        "LAST_HIGH": last("high"),
        "CLASSES": classes(),
    }
    lines: list[str] = []
    for line in TEMPLATE.read_text().splitlines():
        name = line.strip().removeprefix("# <").removesuffix(">")
        pad = line[: len(line) - len(line.lstrip())]
        lines += [pad + new for new in blocks[name]] if name in blocks else [line]
    lines.insert(1, "# generated by generate.py from templates/DenseEngine.vy.in: edit those, not this")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(generate())
