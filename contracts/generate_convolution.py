"""Writes `ConvolutionEngine.vy` and `ConvolutionTrunk.vy`: `python -m contracts.generate_convolution`.

Like `generate.py`, whose template lines `# <NAME>` it shares. What both contracts have in common, all but the head and
the packed planes, is in the templates `convolution_*`.
"""

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
PATCHES = {3: (0, 1, 2, 3), 1: (0, 1, 2), 0: (0,)}
"""Patches of a slot that are added together, if there are more than so many."""
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


def ladder() -> Lines:
    """The sums of a tile, of one, three or four patches, or of points; weights of patches that there are not are 0."""
    lines: Lines = []
    for more, patches in PATCHES.items():
        lines += [f"{'el' if lines else ''}if way > {more}:"]
        sums = [added(patch_sums(patches, row), row) for row in range(TILE)]
        # the last two rows of many planes are not there
        lines += indented([*sums[:-2], "if short < 2:", *indented(sums[-2:])] if more == PATCH else sums)
    return [*lines, "else:", *indented(point_ladder())]


def point_ladder() -> Lines:
    """The same of kernels of one weight, a few channels at a time: 12 products at most, in the same lanes."""
    lines: Lines = []
    for channels in POINTS:
        lines += [f"if here > {channels[0]}:"]
        lines += [f"    {added(point_sums(channels, row), row)}" for row in range(TILE)]
    return lines


def finish() -> Lines:
    """Sums of a tile become activations, where they are stored."""
    lines: Lines = []
    for row in range(TILE):
        above = f"unsafe_mul((unsafe_sub(ts[{row}], lift) >> top) & limits, full)"
        lines += [f"ts[{row}] = ((ts[{row}] >> down) | {above}) & unsafe_mul((ts[{row}] >> top) & limits, most)"]
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
    for patch in range(2):
        # the rows of a patch apart, then the weights of all three
        lines += ["v = v >> nine"] if patch else []
        lines += ["t = (v & g0) | ((v & g1) << far1) | ((v & g2) << far2)"]
        lines += ["t = (t & f0) | ((t & f1) << by1) | ((t & f2) << by2)"]
        for row, cut in enumerate(("t & THIRD", "(t >> 85) & THIRD", "t >> 170")):
            lines += [f"wb[{chunk}][{PATCH * patch + row}] = unsafe_sub({cut}, offset)"]
    return lines


def point_words() -> Lines:
    """Twelve weights of a chunk, two lanes up, where outputs are."""
    lines: Lines = []
    for term in range(12):
        lines += [f"wb[{term // 6}][{term % 6}] = unsafe_sub(v & weight, offset) << two", "v = v >> bits"]
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


def head_rows() -> Lines:
    """Four rows become words of the head."""
    lines = [
        "v = xb[0] | (xb[1] << shape.activation_bits) | (xb[2] << up) | (xb[3] << down)",
        "v = ((v << own_by) >> left_by) & move.keep",
        *spread(GROUPS[1:]),
        "sums[u >> 3][u & 7] = v & limit",
    ]
    for by in ("shape.activation_bits", "up", "down"):
        lines += ["u = unsafe_add(u, parts)", f"sums[u >> 3][u & 7] = (v >> {by}) & limit"]
    return [*lines, "u = unsafe_add(u, parts)"]


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


def nearer() -> Lines:
    """Pixels together, then pairs of them, then fours and eights where a word has so many."""
    lines: Lines = []
    for n in GROUPS[::-1]:
        line = f"v = (v & move.stays{n}) | ((v & move.moves{n}) >> move.by{n})"
        lines += [line] if n < 4 else [f"if move.run > {n}:", *indented([line])]
    return lines


def larger(to: str, a: str, b: str) -> Lines:
    """The larger of each field of two words whose highest bits are not used."""
    return [
        f"v = unsafe_sub({a} | signs, {b})",
        f"{to} = unsafe_add({b}, v & unsafe_mul((v & signs) >> guard, below))",
    ]


HALF = TILE // 2
"""Rows that are made of a tile, which are half of a block."""


def halved() -> Lines:
    """Rows of a tile become half as many, of half as many pixels, beside those that are made already."""
    share = [f"ts[{row}] |= ts[{row + HALF}] << field" for row in range(HALF)]
    later = [f"ts[{row}] = ts[{row + HALF}]" for row in range(HALF)]
    # right pixels of two rows, the second's in the odd lanes, and left ones
    right = "(ts[0] & evens) | ((ts[2] & evens) << lane)"
    left = "((ts[0] >> lane) & evens) | (ts[2] & odds)"
    both = [f"bias = {right}", f"t = {left}"]
    most = [*larger("ts[0]", "ts[0]", "ts[1]"), *larger("ts[2]", "ts[2]", "ts[3]"), *both, *larger("t", "t", "bias")]
    sums = [f"ts[{row}] = unsafe_add(ts[{row}], ts[{row + 1}])" for row in (0, 2)]
    sums += [*both, "t = (unsafe_add(t, bias) >> 2) & means"]
    closer = [f"v = (v & move.stays{n}) | ((v & move.moves{n}) >> move.by{n})" for n in GROUPS[:0:-1]]
    fold = ["v = (t & evens) | ((t & odds) >> nearer)", *closer]
    fold += ["hs[0] = v", "hs[1] = v >> shape.activation_bits", "hs[2] = v >> field", "hs[3] = hs[1] >> field"]
    apart = ["v = t & evens", "t = t >> lane", *closer, "hs[unsafe_add(n, unsafe_add(part, part))] = v"]
    apart += ["if packed:", "    hs[unsafe_add(n, 2)] = v >> field"]
    part = ["if packed:", *indented(share), "elif part > 0:", *indented(later)]
    part += ["if layer.halve == 2:", *indented(most), "elif layer.halve == 3:", *indented(sums)]
    part += ["else:", f"    t = {left}"]
    part += ["if folded:", *indented(fold), "    break", "for n: uint256 in range(2):", *indented(apart)]
    part += ["if packed:", "    break"]
    # the first word may have been met, by the word before this one or by the tile above
    put: Lines = ["if kept:", "    xb = acts[spot]", "else:", "    xb = empty(uint256[8])", "if odd:"]
    for first in (HALF, 0):
        rows = [f"xb[{first + row}] |= ((hs[{row}] << left_of) >> right_of) & lows" for row in range(HALF)]
        put += [*indented(rows), *(["else:"] if first else [])]
    put += ["acts[spot] = xb", "if alone:", "    break"]
    put += ["kept = odd", "left_of = next_by", "right_of = 0", "spot = unsafe_add(spot, deep)"]
    lines = ["# fields have room for a sum of four, and one bit above a number: nothing overflows"]
    lines += ["for part: uint256 in range(2):", *indented(part), "kept = held", "spot = place"]
    lines += ["# numbers of blocks are below 2**12", "left_of = up_by", "right_of = down_by"]
    lines += ["for i: uint256 in range(2):", *indented(put)]
    return [*lines, "place = unsafe_add(place, aside)"]


BLOCKS: dict[str, Lines] = {
    "MASKS": masks(),
    "SPREAD": ["if move.to_run > 8:", *indented(spread(GROUPS[:1])), *spread(GROUPS[1:])],
    "LONE": spread(GROUPS[1:]),
    "HALVED": halved(),
    "TOGETHER": nearer(),
    "OWN": own(),
    "LEFT": beside("unsafe_sub", "<< left_by"),
    "RIGHT": beside("unsafe_add", ">> right_by"),
    "FAR": far(),
    "CHUNK": patch_words(0),
    "SECOND_CHUNK": patch_words(1),
    "POINT_WORDS": point_words(),
    "SUMS": ladder(),
    "FINISH": finish(),
    "SKIP": skip(),
    "SHORT": short(),
    "LIFTS": lifts(),
    "HEAD_ROWS": head_rows(),
    "HEAD_LOWER": [f"xb[{row}] = xb[{row + HALF}]" for row in range(HALF)],
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
