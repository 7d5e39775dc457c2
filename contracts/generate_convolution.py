"""Writes `ConvolutionEngine.vy` and `ConvolutionTrunk.vy`: `python -m contracts.generate_convolution`.

Like `generate.py`, whose template lines `# <NAME>` it shares. What both contracts have in common, all but the head and
the packed planes, is in the templates `convolution_*`.
"""

from itertools import pairwise
from pathlib import Path

from contracts.generate import Lines, fill, indented, sum_of

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
PATCHES = {"if here == 1": (0,), "elif here < 4": (0, 1, 2), "else": (0, 1, 2, 3)}
"""Patches of a slot that are added together, and when."""
POINTS = ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11))
"""Channels of a slot of kernels of one weight that are asked about together."""


def patch_sums(patches: tuple[int, ...], row: int) -> str:
    """Products of one row of a tile with these patches."""
    terms = ((v, row + dy, PATCH * v + dy) for v in patches for dy in range(PATCH))
    return sum_of([f"unsafe_mul(xs[{v}][{x}], wb[{w // 6}][{w % 6}])" for v, x, w in terms])


def point_sums(channels: tuple[int, ...], row: int) -> str:
    """The same of kernels of one weight."""
    return sum_of([f"unsafe_mul(xp[{c}][{row}], wb[{c // 6}][{c % 6}])" for c in channels])


def added(sums: str, row: int) -> str:
    """A row of a tile takes these products."""
    return f"ts[{row}] = unsafe_add(ts[{row}], {sums})"


def patch_ladder() -> Lines:
    """The sums of a tile, of one, three or four patches. Weights of patches that there are not are zero."""
    lines: Lines = []
    for when, patches in PATCHES.items():
        lines += [f"{when}:", *(f"    {added(patch_sums(patches, row), row)}" for row in range(TILE))]
    return lines


def point_ladder() -> Lines:
    """The same of kernels of one weight, a few channels at a time."""
    lines: Lines = []
    for channels in POINTS:
        lines += [f"if here > {channels[0]}:"]
        lines += [f"    {added(point_sums(channels, row), row)}" for row in range(TILE)]
    return lines


def finish() -> Lines:
    """Sums of a tile become activations, where they are stored."""
    lines: Lines = []
    for row in range(TILE):
        lines += [
            f"v = ts[{row}] & unsafe_mul((ts[{row}] >> sign) & ones, low)",
            f"ts[{row}] = ((v | unsafe_mul((unsafe_add(v, lift) >> sign) & ones, low)) >> down) & limits",
        ]
    return lines


def lifts() -> Lines:
    """A bias for every row of a tile."""
    return [f"ts[{row}] = bias" for row in range(TILE)]


def short() -> Lines:
    """Rows of a tile that there are not, from the last one."""
    lines = ["ts[7] = 0"]
    for row in range(TILE - 2, 0, -1):
        lines += [f"if short > {TILE - 1 - row}:", f"    ts[{row}] = 0"]
    return lines


def skip() -> Lines:
    """Planes of an earlier layer are added to the sums of a tile."""
    return [f"ts[{row}] = unsafe_add(ts[{row}], xb[{row}] << up)" for row in range(TILE)]


def patch_words(chunk: int) -> Lines:
    """Six words of a chunk of two patches: a row of a patch each, left to right in lanes 0 to 2."""
    lines: Lines = ["v = extract32(payload, pos, output_type=uint256)"]
    for term in range(2 * PATCH):
        lines += [
            f"wb[{chunk}][{term}] = unsafe_sub((v & f0) | ((v & f1) << by1) | ((v & f2) << by2), offset)",
            "v = v >> three",
        ]
    return lines[:-1]


def point_words() -> Lines:
    """Twelve weights of a chunk, two lanes up, where outputs are."""
    lines: Lines = []
    for term in range(12):
        lines += [f"wb[{term // 6}][{term % 6}] = unsafe_sub(v & f0, offset) << two", "v = v >> bits"]
    return lines


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


def far() -> Lines:
    """Rows that the patches of a kernel of 5 x 5 see: two above the tile to its seventh, its second to three below."""
    sides = (("at", "<< own_by"), ("unsafe_sub(at, tall)", "<< left_by"), ("unsafe_add(at, tall)", ">> right_by"))
    whens = ("", "if q > 0:", "if unsafe_add(q, 1) < split:")

    def others(rows: tuple[tuple[int, str, int], ...]) -> Lines:
        lines: Lines = []
        for when, (block, shift) in zip(whens, sides, strict=True):
            sets = [f"xf[{to}] {'|=' if when else '='} acts[{op}({block}, 1)][{row}] {shift}" for to, op, row in rows]
            lines += [when, *indented(sets)] if when else sets
        return lines

    return [
        *others(((0, "unsafe_sub", TILE - 2),)),
        *(f"xf[{row}] = xr[{row - 1}]" for row in range(1, SEEN)),
        "xs[i] = xf",
        *others(((TILE, "unsafe_add", 1), (TILE + 1, "unsafe_add", 2))),
        *(f"xf[{row}] = xr[{row + 2}]" for row in range(TILE)),
        "xs[unsafe_add(i, 2)] = xf",
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


def spread(groups: tuple[int, ...]) -> Lines:
    """Groups of pixels apart; what is not there stays nothing."""
    return [f"v = (v & move.stays{n}) | ((v << move.by{n}) & move.moves{n})" for n in groups]


def together(word: str) -> Lines:
    """Groups of pixels together, of at most 8."""
    names = [word, "v", "v", word]
    return [
        f"{to} = ({of} & move.stays{n}) | (({of} & move.moves{n}) >> move.by{n})"
        for (of, to), n in zip(pairwise(names), GROUPS[:0:-1], strict=True)
    ]


def nearer() -> Lines:
    """Pixels together, then pairs of them, then fours and eights where a word has so many."""
    lines: Lines = []
    for n in GROUPS[::-1]:
        line = f"v = (v & move.stays{n}) | ((v & move.moves{n}) >> move.by{n})"
        lines += [line] if n < 4 else [f"if move.run > {n}:", *indented([line])]
    return lines


def larger(name: str, a: str, b: str) -> Lines:
    """The larger of each lane of two words whose highest bits are not used, in `name`."""
    return [
        f"v = unsafe_sub({a} | signs, {b})",
        f"{name} = unsafe_add({b}, v & unsafe_mul((v & signs) >> sign, low))",
    ]


def largest(row: int) -> Lines:
    """The largest numbers of squares."""
    return [
        *larger("t", f"ts[{2 * row}]", f"ts[{2 * row + 1}]"),
        "bias = (t >> lane) & ones",
        *larger(f"hs[{row}]", "(t & ones)", "bias"),
    ]


def strided(row: int) -> Lines:
    """Every other number of every other row."""
    return [f"hs[{row}] = (ts[{2 * row}] >> lane) & ones"]


def mean(row: int) -> Lines:
    """The means of squares, rounded down."""
    return [
        f"t = unsafe_add(ts[{2 * row}], ts[{2 * row + 1}])",
        f"hs[{row}] = (unsafe_add(t, t >> lane) >> 2) & ones",
    ]


HALF = TILE // 2
"""Rows that are made of a block, and rows of a block that meet at a time."""


def halved() -> Lines:
    """Two rows of one word, or two times two in the halves of lanes, from those of a block."""
    lines: Lines = []
    for when, how in (("if layer.halve == 2", largest), ("elif layer.halve == 1", strided), ("else", mean)):
        lines += [f"{when}:"]
        for row in range(HALF // 2):
            lines += indented(how(row))
    for row in range(HALF // 2):
        lines += together(f"hs[{row}]")
    return lines


def packed() -> Lines:
    """The lower four rows of a block in the upper halves of the lanes of the others."""
    return [f"ts[{row}] = xb[{row}] | (xb[{row + HALF}] << field)" for row in range(HALF)]


def unpacked() -> Lines:
    """Four rows that are made, from halves of lanes."""
    lines = [f"hs[{row + HALF // 2}] = (hs[{row}] >> field) & lows" for row in range(HALF // 2)]
    return lines + [f"hs[{row}] &= lows" for row in range(HALF // 2)]


def second() -> Lines:
    """The lower four rows of a block, which come first."""
    return [f"ts[{row}] = xb[{row + HALF}]" for row in range(HALF)]


def upper() -> Lines:
    """The upper four, while what was made goes where it belongs."""
    lines = [f"ts[{row}] = xb[{row}]" for row in range(HALF)]
    return lines + [f"hs[{row + HALF // 2}] = hs[{row}]" for row in range(HALF // 2)]


def joined(to: str, keep: str) -> Lines:
    """Four rows of one word are put to those of a wider one."""
    return [f"{to}[{row}] |= ((hs[{row}] << own_by) >> left_by){keep}" for row in range(HALF)]


def half_block(first: int) -> Lines:
    """Four rows of a block."""
    return [f"xb[{first + row}] = hs[{row}]" for row in range(HALF)]


BLOCKS: dict[str, Lines] = {
    "MASKS": masks(),
    "SPREAD": ["if move.to_run > 8:", *indented(spread(GROUPS[:1])), *spread(GROUPS[1:])],
    "LONE": spread(GROUPS[1:]),
    "HALVED": halved(),
    "TOGETHER": nearer(),
    "PACKED": packed(),
    "UNPACKED": unpacked(),
    "SECOND": second(),
    "FIRST": upper(),
    "JOINED": joined("joined", " & move.keep"),
    "JOINED_ALONE": joined("made[0]", ""),
    "UPPER": half_block(0),
    "LOWER": half_block(HALF),
    "OWN": own(),
    "LEFT": beside("unsafe_sub", "<< left_by"),
    "RIGHT": beside("unsafe_add", ">> right_by"),
    "FAR": far(),
    "CHUNK": patch_words(0),
    "SECOND_CHUNK": patch_words(1),
    "POINT_WORDS": point_words(),
    "PATCH_SUMS": patch_ladder(),
    "POINT_SUMS": point_ladder(),
    "FINISH": finish(),
    "SKIP": skip(),
    "SHORT": short(),
    "LIFTS": lifts(),
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
