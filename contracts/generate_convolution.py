"""Writes `ConvolutionEngine.vy` and `ConvolutionTrunk.vy`: `python -m contracts.generate_convolution`.

Like `generate.py`, whose template lines `# <NAME>` it shares. What both contracts have in common, all but the head and
the packed planes, is in the templates `convolution_*`.
"""

from collections.abc import Callable
from pathlib import Path

from contracts.generate import Lines, fill, sum_of

HERE = Path(__file__).resolve().parent
TEMPLATES = HERE / "templates"
TARGETS = ("ConvolutionEngine", "ConvolutionTrunk")
COMMON = ("move", "moves", "places", "planes")
"""Struct and functions that move pixels; variables, and where planes lie; a sample's planes."""

TILE = 8
"""Rows of an output that are computed together."""
PATCH = 3
"""Rows of a patch of a kernel; a tile of them sees so many rows more."""
SEEN = TILE + PATCH - 1
PATCHES = ((0,), (1, 2), (3,))
"""Patches of a slot that are asked about together."""
POINTS = ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11))
"""Channels of a slot of kernels of one weight, likewise."""


def patch_sums(patches: tuple[int, ...], row: int) -> str:
    """Products of one row of a tile with these patches."""
    terms = ((v, row + dy, PATCH * v + dy) for v in patches for dy in range(PATCH))
    return sum_of([f"unsafe_mul(xs[{v}][{x}], wb[{w // 6}][{w % 6}])" for v, x, w in terms])


def point_sums(channels: tuple[int, ...], row: int) -> str:
    """The same of kernels of one weight."""
    return sum_of([f"unsafe_mul(xp[{c}][{row}], wb[{c // 6}][{c % 6}])" for c in channels])


def ladder(groups: tuple[tuple[int, ...], ...], sums: Callable[[tuple[int, ...], int], str]) -> Lines:
    """The sums of a tile, a group of patches or channels at a time."""
    first, *rest = groups
    lines = ["if slot == 0:", "    bias = biases[o]"]
    lines += [f"    ts[{row}] = unsafe_add(bias, {sums(first, row)})" for row in range(TILE)]
    lines += ["else:", "    ts = sums[o]"]
    lines += [f"    ts[{row}] = unsafe_add(ts[{row}], {sums(first, row)})" for row in range(TILE)]
    for group in rest:
        lines += [f"if here > {group[0]}:"]
        lines += [f"    ts[{row}] = unsafe_add(ts[{row}], {sums(group, row)})" for row in range(TILE)]
    return lines


def finish() -> Lines:
    """Sums of a tile become activations, where they are stored."""
    lines: Lines = []
    for row in range(TILE):
        lines += [
            f"v = ((ts[{row}] & unsafe_mul((ts[{row}] >> sign) & ones, low)) >> down) & keep",
            f"ts[{row}] = (v | unsafe_mul((unsafe_add(v, lift) >> sign) & ones, limit)) & limits",
        ]
    return lines


def patch_words() -> Lines:
    """Six words of a chunk of two patches: a row of a patch each, left to right in lanes 0 to 2."""
    lines: Lines = []
    for term in range(2 * PATCH):
        lines += [
            f"wp[{term}] = unsafe_sub((v & f0) | ((v & f1) << by1) | ((v & f2) << by2), offset)",
            "v = v >> three",
        ]
    return lines


def point_words() -> Lines:
    """Twelve weights of a chunk."""
    lines: Lines = []
    for term in range(12):
        lines += [f"wb[{term // 6}][{term % 6}] = unsafe_sub(v & f0, offset)", "v = v >> bits"]
    return lines


def own_points() -> Lines:
    """Rows of a tile for a kernel of one weight."""
    return [f"xb[{row}] = xb[{row}] << own_by" for row in range(TILE)]


def own() -> Lines:
    """Rows that a patch of a kernel of 3 x 3 sees: the tile's, one above and one below."""
    lines = [f"xr[{row + 1}] = xb[{row}] << own_by" for row in range(TILE)]
    return [
        "xr[0] = acts[unsafe_sub(at, 1)][7] << own_by",
        *lines,
        f"xr[{SEEN - 1}] = acts[unsafe_add(at, 1)][0] << own_by",
    ]


def beside(sign: str, shift: str) -> Lines:
    """The same of the words on one side."""
    lines = [f"xr[{row + 1}] |= xb[{row}] {shift}" for row in range(TILE)]
    return [
        f"u = {sign}(at, tall)",
        f"xr[0] |= acts[unsafe_sub(u, 1)][7] {shift}",
        *lines,
        f"xr[{SEEN - 1}] |= acts[unsafe_add(u, 1)][0] {shift}",
    ]


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


def wider() -> Lines:
    """Groups of pixels apart, as far as there are so many."""
    lines: Lines = []
    for n in GROUPS:
        lines += [f"if m.to_run > {n}:", f"    v = (v & m.stays{n}) | ((v << m.by{n}) & m.moves{n})"]
    return lines


def lone() -> Lines:
    """Eight pixels apart."""
    return [f"v = (v & move.stays{n}) | ((v << move.by{n}) & move.moves{n})" for n in GROUPS[1:]]


def together(word: str) -> Lines:
    """Groups of pixels together, of at most 8."""
    return [*nearer(GROUPS[:0:-1]), f"{word} = v"]


def nearer(groups: tuple[int, ...]) -> Lines:
    """Pixels together, then pairs of them, and so on."""
    return [f"v = (v & move.stays{n}) | ((v & move.moves{n}) >> move.by{n})" for n in groups]


def larger(name: str, a: str, b: str) -> Lines:
    """The larger of each lane of two words whose highest bits are not used, in `name`."""
    return [
        f"v = unsafe_sub({a} | signs, {b})",
        f"{name} = unsafe_add({b}, v & unsafe_mul((v & signs) >> sign, low))",
    ]


def halved() -> Lines:
    """Four rows of one word from the eight of a block."""
    lines: Lines = []
    for row in range(TILE // 2):
        upper, lower = f"xb[{2 * row}]", f"xb[{2 * row + 1}]"
        lines += [
            "if layer.halve == 2:",
            *("    " + line for line in larger("t", upper, lower)),
            "    bias = (t >> lane) & ones",
            "    t &= ones",
            *("    " + line for line in larger("v", "t", "bias")),
            "    v &= ones",
            "elif layer.halve == 1:",
            f"    v = ({upper} >> lane) & ones",
            "else:",
            f"    t = unsafe_add({upper}, {lower})",
            "    v = (unsafe_add(t & ones, (t >> lane) & ones) >> 2) & ones",
            *together(f"hs[{row}]"),
        ]
    return lines


BLOCKS: dict[str, Lines] = {
    "MASKS": masks(),
    "WIDER": wider(),
    "LONE": lone(),
    "HALVED": halved(),
    "TOGETHER": nearer(GROUPS[::-1]),
    "OWN_POINTS": own_points(),
    "OWN": own(),
    "LEFT": beside("unsafe_sub", "<< left_by"),
    "RIGHT": beside("unsafe_add", ">> right_by"),
    "PATCH_WORDS": patch_words(),
    "POINT_WORDS": point_words(),
    "PATCH_SUMS": ladder(PATCHES, patch_sums),
    "POINT_SUMS": ladder(POINTS, point_sums),
    "FINISH": finish(),
    "HEAD_4": [f"acc = unsafe_add(acc, {head(range(0, 32, 4), 0)})"],
    "HEAD_8_EVEN": [f"acc = unsafe_add(acc, {head(range(0, 32, 8), 0)})"],
    "HEAD_8_ODD": [f"acc = unsafe_add(acc, {head(range(0, 32, 8), 4)})"],
}


def generate(name: str) -> str:
    """The source of one of `TARGETS`."""
    blocks = dict(BLOCKS)
    for part in COMMON:
        common = fill((TEMPLATES / f"convolution_{part}.vy.in").read_text(), BLOCKS)
        blocks[part.upper()] = common.splitlines()
    first, rest = fill((TEMPLATES / f"{name}.vy.in").read_text(), blocks).split("\n", 1)
    note = f"# generated by generate_convolution.py from templates/{name}.vy.in and others: edit those, not this"
    return f"{first}\n{note}\n{rest}"


if __name__ == "__main__":
    for target in TARGETS:
        (HERE / f"{target}.vy").write_text(generate(target))
