"""Writes `ConvolutionEngine.vy` from its template: `python -m contracts.generate_convolution`.

Like `generate.py`, whose template lines `# <NAME>` it shares.
"""

from pathlib import Path

from contracts.generate import Lines, fill, sum_of

HERE = Path(__file__).resolve().parent
TEMPLATE = HERE / "templates" / "ConvolutionEngine.vy.in"
TARGET = HERE / "ConvolutionEngine.vy"

TILE = 8
"""Rows of an output that are computed together."""
PATCH = 3
"""Rows of a patch of a kernel; a tile of them sees so many rows more."""
SEEN = TILE + PATCH - 1
PATCHES = ((0,), (1, 2), (3,))
"""Patches of a slot that are asked about together."""
POINTS = ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11))
"""Channels of a slot of kernels of one weight, likewise."""
STEPS = 4
"""Doublings from a word of 16 pixels to one pixel."""


def patch_sums(patches: tuple[int, ...], row: int) -> str:
    """Products of one row of a tile with these patches."""
    terms = ((SEEN * v + row + dy, PATCH * v + dy) for v in patches for dy in range(PATCH))
    return sum_of([f"unsafe_mul(xs[{x}], wb[{w}])" for x, w in terms])


def point_sums(channels: tuple[int, ...], row: int) -> str:
    """The same of kernels of one weight."""
    return sum_of([f"unsafe_mul(xs[{TILE * c + row}], wb[{c}])" for c in channels])


def ladder(groups: tuple[tuple[int, ...], ...], sums: str) -> Lines:
    """The sums of a tile, a group of patches or channels at a time."""
    lines: Lines = []
    for group in groups:
        head = [] if group[0] == 0 else [f"if here > {group[0]}:"]
        pad = "    " if head else ""
        expression = patch_sums if sums == "patches" else point_sums
        lines += head + [f"{pad}ts[{row}] = unsafe_add(ts[{row}], {expression(group, row)})" for row in range(TILE)]
    return lines


def finish() -> Lines:
    """Sums of a tile become activations, where they are stored."""
    lines: Lines = []
    for row in range(TILE):
        lines += [
            f"t = unsafe_add(ts[{row}], bias)",
            "v = ((t & unsafe_mul((t >> sign) & ones, low)) >> layer.shift) & keep",
            f"ts[{row}] = ((v | unsafe_mul((unsafe_add(v, lift) >> sign) & ones, limit)) & limits) >> two",
        ]
    return lines


def patch_words() -> Lines:
    """Six words of a chunk of two patches: a row of a patch each, left to right in lanes 0 to 2."""
    lines: Lines = []
    for term in range(2 * PATCH):
        lines += [
            f"wb[unsafe_add(t, {term})] = unsafe_sub((v & f0) | ((v & f1) << by1) | ((v & f2) << by2), offset)",
            "v = v >> three",
        ]
    return lines


def point_words() -> Lines:
    """Twelve weights of a chunk."""
    lines: Lines = []
    for term in range(12):
        lines += [f"wb[{term}] = unsafe_sub(v & f0, offset)", "v = v >> bits"]
    return lines


def seen_rows() -> Lines:
    """Rows of a plane that a tile meets."""
    lines: Lines = []
    for row in range(SEEN):
        lines += [
            f"t = unsafe_add(at, {row})",
            "v = acts[t >> 3][t & 7] << own_by",
            "if q > 0:",
            "    u = unsafe_sub(t, beside)",
            "    v |= acts[u >> 3][u & 7] << left_by",
            "if unsafe_add(q, 1) < split:",
            "    u = unsafe_add(t, beside)",
            "    v |= acts[u >> 3][u & 7] >> right_by",
            f"xs[unsafe_add(place, {row})] = v",
        ]
        if row == TILE - 1:
            lines += ["if layer.size > 1:"]
    cut = lines.index("if layer.size > 1:") + 1
    return lines[:cut] + ["    " + line for line in lines[cut:]]


def head(terms: range, first: int) -> str:
    """Products of the words cut from `v` with words of the planes."""
    return sum_of([f"unsafe_mul((v >> {shift}) & fields, xb[{first + n}])" for n, shift in enumerate(terms)])


GROUPS = (8, 4, 2, 1)
"""Pixels that move together."""


def masks() -> Lines:
    """Fields of a move, a size of group at a time."""
    lines: Lines = []
    for n in GROUPS:
        lines += [
            f"m.stays{n} = unsafe_mul(self._every({2 * n} * big), ~(ALL << ({n} * small)))",
            f"m.moves{n} = m.stays{n} << ({n} * big)",
            f"m.by{n} = {n} * (big - small)",
        ]
    return lines


def moved(groups: tuple[int, ...], step: str) -> Lines:
    """Groups of pixels apart or together, as far as there are so many."""
    lines: Lines = []
    for n in groups:
        lines += [f"if m.most > {n}:", "    " + step.format(n=n)]
    return lines


def larger(name: str, a: str, b: str) -> Lines:
    """The larger of each lane of two words whose highest bits are not used, in `name`."""
    return [
        f"v = unsafe_sub({a} | signs, {b})",
        f"{name} = unsafe_add({b}, v & unsafe_mul((v & signs) >> sign, low))",
    ]


def halves(how: str) -> Lines:
    """Four rows of one word from the eight of a block."""
    lines: Lines = []
    for row in range(TILE // 2):
        upper, lower = f"xb[{2 * row}]", f"xb[{2 * row + 1}]"
        match how:
            case "stride":
                lines += [f"v = ({upper} >> lane) & ones"]
            case "max":
                lines += [*larger("t", upper, lower), "bias = (t >> lane) & ones", "t &= ones", *larger("v", "t", "bias")]
                lines += ["v &= ones"]
            case _:
                lines += [
                    f"t = unsafe_add({upper}, {lower})",
                    "v = (unsafe_add(t & ones, (t >> lane) & ones) >> 2) & ones",
                ]
        lines += [f"hs[{row}][q] = v"]
    return lines


def halved() -> Lines:
    """Those rows, where they belong."""
    lines: Lines = []
    for row in range(TILE // 2):
        lines += [
            f"row = self._moved(hs[{row}], move)",
            "t = unsafe_add(place, tile >> 1)",
            "for q: uint256 in range(splits[u], bound=MAX_SPLIT):",
            f"    acts[t][unsafe_add(unsafe_mul(4, tile & 1), {row})] = row[q]",
            "    t = unsafe_add(t, unsafe_add(tiles[u], 1))",
        ]
    return lines


BLOCKS: dict[str, Lines] = {
    "MASKS": masks(),
    "WIDER": moved(GROUPS, "v = (v & m.stays{n}) | ((v << m.by{n}) & m.moves{n})"),
    "NARROWER": moved(GROUPS[::-1], "v = (v & m.stays{n}) | ((v & m.moves{n}) >> m.by{n})"),
    "STRIDE": halves("stride"),
    "MAX": halves("max"),
    "MEAN": halves("mean"),
    "HALVED": halved(),
    "SEEN_ROWS": seen_rows(),
    "PATCH_WORDS": patch_words(),
    "POINT_WORDS": point_words(),
    "PATCH_SUMS": ladder(PATCHES, "patches"),
    "POINT_SUMS": ladder(POINTS, "points"),
    "FINISH": finish(),
    "HEAD_4": [f"acc = unsafe_add(acc, {head(range(0, 32, 4), 0)})"],
    "HEAD_8_EVEN": [f"acc = unsafe_add(acc, {head(range(0, 32, 8), 0)})"],
    "HEAD_8_ODD": [f"acc = unsafe_add(acc, {head(range(0, 32, 8), 4)})"],
}


def generate() -> str:
    """The source of the engine."""
    first, rest = fill(TEMPLATE.read_text(), BLOCKS).split("\n", 1)
    note = "# generated by generate_convolution.py from templates/ConvolutionEngine.vy.in: edit that, not this"
    return f"{first}\n{note}\n{rest}"


if __name__ == "__main__":
    TARGET.write_text(generate())
