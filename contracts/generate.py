"""Writes the dense engine's contracts from `templates/`: `python -m contracts.generate`.

A line `# <NAME>` of a template stands for code that repeats itself with other constants. Written out, because Vyper
reads a memory word at a constant index for 9 gas, at any other for 55.

`DenseEngine.vy` runs numbers of up to 4 bits, `DenseWideKernel.vy` numbers of 8: one template, two precisions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TEMPLATES = HERE / "templates"

OCTET = 8
"""Samples whose sums share a word."""

Lines = list[str]


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What differs between the two contracts.

    octets:   names of the octets of a set.
    split:    words of inputs in a chunk of a sample whose cutting is written out; `split_size` bytes a chunk.
    chunks:   whole chunks of that kind in a slot.
    terms:    terms that a slot may have.
    top:      shift that leaves the top lane.
    up:       how far above its lane's lowest bit an activation stands, so that `top` is the same in every layer.
    """

    octets: tuple[str, ...]
    split: int
    split_size: int
    split_bits: int
    chunks: int
    terms: int
    top: int
    up: int

    @property
    def samples(self) -> int:
        """Samples of a set."""
        return OCTET * len(self.octets)


NARROW = Precision(octets=("low", "high"), split=4, split_size=32, split_bits=4, chunks=6, terms=25, top=240, up=0)
WIDE = Precision(octets=("low", "mid", "high"), split=3, split_size=30, split_bits=8, chunks=9, terms=27, top=232, up=8)

WANTED = ("", "second", "third")
"""Flags that say whether an octet is wanted; the first always is."""


def plus(name: str, number: int) -> str:
    """`name` and a constant."""
    return f"unsafe_add({name}, {number})" if number else name


def sum_of(terms: Lines) -> str:
    """One balanced expression: the stack stays shallow."""
    if len(terms) == 1:
        return terms[0]
    half = (len(terms) + 1) // 2
    return f"unsafe_add({sum_of(terms[:half])}, {sum_of(terms[half:])})"


def indented(lines: Lines) -> Lines:
    """One level deeper."""
    return ["    " + line for line in lines]


def of_wanted(p: Precision, lines: Callable[[str, int], Lines]) -> Lines:
    """Statements for each octet's name and number, those behind the first only where they are wanted."""
    out: Lines = []
    for q, name in enumerate(p.octets):
        out += lines(name, q) if q == 0 else [f"if {WANTED[q]}:", *indented(lines(name, q))]
    return out


# ── products ──


def dot(p: Precision, sample: int, terms: range) -> str:
    """Top lane of the products of one sample."""
    return f"({sum_of([f'unsafe_mul(xs[{sample}][{t}], wb[{t}])' for t in terms])} >> {p.top})"


def dots(p: Precision, octet: int, terms: range) -> str:
    """A word of 8 samples: sample s in lane s."""
    each = [dot(p, OCTET * octet + s, terms) for s in range(OCTET)]
    return sum_of([f"({word} << {32 * s})" if s else word for s, word in enumerate(each)])


def narrow_kernels() -> Lines:
    """A slot of a row: 8 terms, or 13 and perhaps 12 more."""
    some, most = range(13), range(13, 25)
    return [
        "# products of 13 terms fit a lane: 13 * 16 * 15 * 15 < 2**16; a lane of 32 bits gets the sums of at most 4096",
        "# inputs: 4096 * 15 * 15 < 2**20",
        "if single:",
        f"    low = unsafe_add({dot(NARROW, 0, some)}, {dot(NARROW, 0, most)})",
        "elif terms <= 8:",
        *indented(of_wanted(NARROW, lambda name, q: [f"{name} = {dots(NARROW, q, range(8))}"])),
        "else:",
        *indented(of_wanted(NARROW, lambda name, q: [f"{name} = {dots(NARROW, q, some)}"])),
        "    if terms > 13:",
        *indented(
            indented(of_wanted(NARROW, lambda name, q: [f"{name} = unsafe_add({name}, {dots(NARROW, q, most)})"]))
        ),
    ]


def wide_kernels() -> Lines:
    """A slot of a row: 8 terms, and perhaps 19 more."""
    some, most = range(8), range(8, 27)
    return [
        "# products of 19 terms fit 24 bits: 19 * 10 * 255 * 255 < 2**24; a lane of 32 bits gets the sums of at most",
        "# 4096 inputs: 4096 * 255 * 255 < 2**28",
        "if single:",
        f"    low = unsafe_add({dot(WIDE, 0, some)}, {dot(WIDE, 0, most)})",
        "else:",
        *indented(of_wanted(WIDE, lambda name, q: [f"{name} = {dots(WIDE, q, some)}"])),
        "    if terms > 8:",
        *indented(indented(of_wanted(WIDE, lambda name, q: [f"{name} = unsafe_add({name}, {dots(WIDE, q, most)})"]))),
    ]


def meet(terms: int) -> Lines:
    """A narrow row of one slot, whose terms stand in one chunk."""
    return [
        "# 4 * 16 * 15 * 15 < 2**16",
        *of_wanted(
            NARROW,
            lambda name, q: [
                f"{name} = unsafe_add({dots(NARROW, q, range(terms))}, unsafe_sub(bias, {name}_offset))",
            ],
        ),
    ]


# ── rows ──


def unrolled_row(depth: int, size: int, bits: int, chunks: int, *, one_more: bool) -> Lines:
    """A slot of a row whose chunks of `size` bytes hold `depth` terms, `bits` bits apart; perhaps one term more."""
    lines = ["# at most 9 chunks further: below 2**17"]
    pad = ""
    for chunk in range(chunks):
        if chunk:
            lines.append(f"{pad}if terms > {depth * chunk}:")
            pad += "    "
        lines.append(f"{pad}v = extract32(payload, {plus('u', size * chunk)}, output_type=uint256)")
        words = [f"(v >> {bits * j})" if j else "v" for j in range(depth)]
        lines += [f"{pad}wb[{depth * chunk + j}] = {word} & row_lanes" for j, word in enumerate(words)]
    if one_more:
        lines.append(f"{pad}if terms > {depth * chunks}:")
        last = f"extract32(payload, {plus('u', size * chunks)}, output_type=uint256)"
        lines.append(f"{pad}    wb[{depth * chunks}] = {last} & row_lanes")
    return lines


def looped_row() -> Lines:
    """A slot of a row of any depth."""
    return [
        "at = u",
        "for i: uint256 in range(terms, bound=MAX_TERMS):",
        "    if i % plan.depth == 0:",
        "        v = extract32(payload, at, output_type=uint256)",
        "        at = unsafe_add(at, plan.chunk_bytes)",
        "    wb[i] = v & row_lanes",
        "    v = v >> w",
    ]


def finish_row(p: Precision) -> Lines:
    """What comes after a kernel: the sums of the slots before, the bias, the offset."""
    return [
        "u = unsafe_add(u, plan.row_bytes)",
        "if later:",
        "    held = sums[r]",
        *[f"    {name} = unsafe_add({name}, held[{q}])" for q, name in enumerate(p.octets)],
        "if more:",
        f"    sums[r] = [{', '.join(p.octets)}]",
        "    continue",
        "# sum x * w + b + 2**30 from here on: from 2**30 - 2**24 to 2**30 + 2**24",
        *[f"{name} = unsafe_sub(unsafe_add({name}, bias), {name}_offset)" for name in p.octets],
    ]


def narrow_rows() -> Lines:
    """A row and its kernels."""
    return [
        "if small:",
        "    v = extract32(payload, u, output_type=uint256)",
        "    u = unsafe_add(u, plan.row_bytes)",
        "    wb[0] = v & row_lanes",
        "    wb[1] = (v >> w) & row_lanes",
        "    # The sum of all three is a number from 0 to 2**31 in every lane, so it does not matter what they are on",
        "    # the way.",
        "    if tiny:",
        *indented(indented(meet(2))),
        "    else:",
        "        wb[2] = (v >> w2) & row_lanes",
        "        wb[3] = (v >> w3) & row_lanes",
        *indented(indented(meet(4))),
        "else:",
        "    if plan.depth == 4:",
        *indented(indented(unrolled_row(4, 32, 4, 6, one_more=True))),
        "    else:",
        *indented(indented(looped_row())),
        *indented(narrow_kernels()),
        *indented(finish_row(NARROW)),
    ]


def wide_rows() -> Lines:
    """A row and its kernels."""
    return [
        "if plan.depth == 3:",
        *indented(unrolled_row(3, 30, 8, 9, one_more=False)),
        "elif plan.depth == 4:",
        *indented(unrolled_row(4, 32, 8, 6, one_more=False)),
        "else:",
        *indented(looped_row()),
        *wide_kernels(),
        *finish_row(WIDE),
    ]


# ── inputs ──


def unrolled_inputs(p: Precision) -> Lines:
    """Whole chunks of a sample, cut into words."""
    up = "" if p is NARROW else " << 16"
    lines = ["# at most 9 chunks further: below 2**17; sums of lanes: 25 * 15 < 2**16, 27 * 255 < 2**24"]
    pad = ""
    for chunk in range(p.chunks):
        lines.append(f"{pad}if whole > {chunk}:")
        pad += "    "
        source = plus("pos", p.split_size * chunk)
        lines.append(f"{pad}v = extract32(payload, {source}, output_type=uint256){up}")
        names = [f"xb[{p.split * chunk + j}]" for j in range(p.split)]
        for j, name in enumerate(names):
            lines.append(f"{pad}{name} = {f'(v >> {p.split_bits * j})' if j else 'v'} & lanes_mask")
        lines.append(f"{pad}u = {f'unsafe_add(u, {sum_of(names)})' if chunk else sum_of(names)}")
    return lines


def transpose() -> Lines:
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


def spread(p: Precision) -> Lines:
    """The bytes of every octet: a lane of a word has byte q for octet q (and byte q + 2 for the next neuron)."""

    def byte(s: int, q: int) -> str:
        up = p.up - 8 * q
        return f"(m{s} << {up})" if up > 0 else f"(m{s} >> {-up})" if up else f"m{s}"

    return of_wanted(p, lambda _, q: [f"xs[{OCTET * q + s}][i] = {byte(s, q)} & BYTES" for s in range(OCTET)])


# ── answers ──


def hidden(p: Precision) -> Lines:
    """Activations: zero below zero (bit 30 is clear), the shift, and the limit where it is passed (bit 24 is set)."""
    lines = ["# an octet that is not wanted costs less than to ask"]
    for name in p.octets:
        lines += [
            "# a lane is below 2**24 after the shift, below 2**25 with the lift, and at most 255 at the end",
            f"v = ({name} & unsafe_mul(({name} >> 30) & ONES, HALF)) >> rescale & keep",
            f"{name} = (v | unsafe_mul((unsafe_add(v, lift) >> 24) & ONES, limit)) & limits",
            f"{name}_total = unsafe_add({name}_total, {name})",
        ]
    merged = " | ".join(name if q == 0 else f"({name} << {8 * q})" for q, name in enumerate(p.octets))
    if p is WIDE:
        return [*lines, f"acts[out] = {merged}", "# below 2**12", "out = unsafe_add(out, 1)"]
    return [
        *lines,
        f"low = {merged}",
        "if r & 1 == 0:",
        "    even = low",
        "else:",
        "    acts[out] = even | low << 16",
        "    # below 2**11",
        "    out = unsafe_add(out, 1)",
    ]


def better(name: str) -> Lines:
    """The class of the samples of an octet whose accumulator is above the best so far."""
    return [
        "# lanes are below 2**31: bit 31 of the difference is clear where the best is passed",
        f"v = unsafe_mul((~unsafe_sub({name}_best | SIGNS, {name}) >> 31) & ONES, LANE)",
        f"{name}_best = ({name}_best & ~v) | ({name} & v)",
        f"{name}_class = ({name}_class & ~v) | (unsafe_mul(unsafe_add(first, r), ONES) & v)",
    ]


def bytes_of(name: str, up: int = 0) -> str:
    """The classes of an octet as 8 bytes, the first sample highest, `up` bits above the lowest place."""
    return " | ".join(f"((({name}_class >> {32 * s}) & 255) << {up + 56 - 8 * s})" for s in range(OCTET))


def classes(p: Precision) -> Lines:
    """Every octet's classes in the answer; an octet never crosses two words."""

    def octet(name: str, q: int) -> Lines:
        return [
            f"t = {plus('begin', OCTET * q)}",
            f"answer[t >> 5] |= ({bytes_of(name)}) << (192 - 8 * (t & 31))",
        ]

    return [
        "if single:",
        "    answer[begin // 32] = (low_class & 255) << (248 - 8 * (begin % 32))",
        "else:",
        "    # below 264",
        *indented(of_wanted(p, octet)),
    ]


# ── declarations and small differences ──


def each(p: Precision, line: str) -> Lines:
    """One line for every octet; X stands for its name."""
    return [line.replace("X", name) for name in p.octets]


def common(p: Precision) -> dict[str, Lines]:
    """Blocks of both contracts."""
    words = ("", "_offset", "_total", "_best", "_class")
    flags = WANTED[1 : len(p.octets)]
    live = [f"{flag} = m > {2 ** (OCTET * (q + 1)) - 1} and not single" for q, flag in enumerate(flags)]
    adds = [
        f"{name}_offset = unsafe_add({name}_offset, u << {f'unsafe_sub(m, {256 * q})' if q else 'm'})"
        for q, name in enumerate(p.octets)
    ]
    count = [f"if {flag}:" + f"\n    m = {OCTET * (q + 2)}" for q, flag in enumerate(flags)]
    return {
        "OCTETS": [f"{name}{word}: uint256 = 0" for word in words for name in p.octets],
        "LIVE": [*live, "m = 8", *"\n".join(count).splitlines()],
        "FIRST_BEST": each(p, "X_best = 0"),
        "OFFSETS": [
            "if layer > 0:",
            "    # 4096 * 255 * 128 < 2**27",
            *indented(each(p, "X_offset = unsafe_mul(X_total, z)")),
            *each(p, "X_total = 0"),
        ],
        "NO_OFFSETS": each(p, "X_offset = 0"),
        "INPUTS": unrolled_inputs(p),
        "ADD_OFFSETS": adds,
        "FROM": ["pos = unsafe_add(from_act, unsafe_mul(8, skip))"],
        "GATHER": [f"m{i} = acts[{plus('pos', i)}]" for i in range(8)],
        "TRANSPOSE": transpose(),
        "SPREAD": spread(p),
        "LAST": of_wanted(p, lambda name, _: better(name)),
        "HIDDEN": hidden(p),
        "CLASSES": classes(p),
    }


def sizes(p: Precision, *, sets: int, acts: int, why: Lines) -> Lines:
    """Constants of a precision."""
    return [
        "# terms of a slot, at most",
        f"MAX_TERMS: constant(uint256) = {p.terms}",
        "# samples that meet a row at a time, in octets of 8",
        f"SET: constant(uint256) = {p.samples}",
        f"OCTETS: constant(uint256) = {len(p.octets)}",
        f"SET_MASK: constant(uint256) = 2**{p.samples} - 1",
        f"MAX_SETS: constant(uint256) = {sets}",
        *why,
        f"MAX_ACTS: constant(uint256) = {acts}",
        "# words of inputs in a chunk of a sample whose cutting is written out",
        f"UNROLLED_SPLIT: constant(uint256) = {p.split}",
    ]


NARROW_BLOCKS: Mapping[str, Lines] = {
    "SIZES": sizes(
        NARROW,
        sets=16,
        acts=1784,
        why=["# words of two neurons: a model within 124 KiB has fewer than 3,527 rows, of at least 36 bytes"],
    ),
    "MASKS": ["# bytes 0 and 2 of each lane of 32 bits", "BYTES: constant(uint256) = max_value(uint256) // 257"],
    "PRECISION": [
        "if dense_layout._is_wide(shape):",
        "    return abi_decode(self._ask(WIDE), DynArray[bytes32, MAX_WORDS])",
    ],
    "FLAGS": [
        "# more than 8 samples; at most 4 terms, which one chunk of a row holds; at most 2 terms",
        "second: bool = False",
        "small: bool = False",
        "tiny: bool = False",
        "w2: uint256 = 2 * w",
        "w3: uint256 = 3 * w",
        "# the first neuron of two",
        "even: uint256 = 0",
    ],
    "TOP": [],
    "SPARE": [],
    "LAYER_FLAGS": ["small = plan.terms <= min(4, plan.depth) and not single", "tiny = plan.terms <= 2"],
    "TAIL_UP": ["tail_up = 256 - plan.rest * plan.bits"],
    "CHUNK": ["v = extract32(payload, at, output_type=uint256)"],
    "SUM_OF_LANES": ["# in a lane 25 * 15 < 2**16, in all 400 * 15 < 2**16", "u = unsafe_mul(u % 65535, z)"],
    "ROWS": narrow_rows(),
    "FINISH": [
        "if plan.rows & 1 == 1 and not is_last:",
        "    acts[out] = even",
        "    # below 2**11",
        "    out = unsafe_add(out, 1)",
    ],
    **common(NARROW),
}

WIDE_BLOCKS: Mapping[str, Lines] = {
    "SIZES": sizes(
        WIDE,
        sets=11,
        acts=3752,
        why=["# words of one neuron: a model within 124 KiB has fewer than 3,735 rows, of at least 34 bytes"],
    ),
    "MASKS": ["# byte 1 of each lane of 32 bits", "BYTES: constant(uint256) = ONES * 255 * 256"],
    "PRECISION": [],
    "FLAGS": ["# more than 8 samples, more than 16", "second: bool = False", "third: bool = False"],
    "TOP": [
        "# the bits below a sample's lanes, a lane of ones",
        "spare: uint256 = 0",
        "modulus: uint256 = 0",
    ],
    "SPARE": [
        "modulus = ~(ALL << plan.stride)",
        "spare = 0",
        "if plan.stride == 24:",
        "    spare = 16",
        "    lanes_mask = lanes_mask << 16",
    ],
    "LAYER_FLAGS": [],
    "TAIL_UP": ["tail_up = 8 * plan.chunk_bytes - plan.rest * plan.bits + spare"],
    "CHUNK": ["v = extract32(payload, at, output_type=uint256) << spare"],
    "SUM_OF_LANES": [
        "# in a lane 27 * 255 < 2**24, in all 270 * 255 < 2**24",
        "u = unsafe_mul((u >> spare) % modulus, z)",
    ],
    "ROWS": wide_rows(),
    "FINISH": [],
    **common(WIDE),
}


def fill(template: str, blocks: Mapping[str, Lines]) -> str:
    """The template with every placeholder replaced, in its indentation."""
    lines: Lines = []
    for line in template.splitlines():
        name = line.strip().removeprefix("# <").removesuffix(">")
        pad = line[: len(line) - len(line.lstrip())]
        lines += [pad + new if new else "" for new in blocks[name]] if name in blocks else [line]
    return "\n".join(lines) + "\n"


TARGETS: Mapping[str, Mapping[str, Lines]] = {"DenseEngine": NARROW_BLOCKS, "DenseWideKernel": WIDE_BLOCKS}


def generate(name: str) -> str:
    """The source of one of `TARGETS`."""
    predict = fill((TEMPLATES / "predict.vy.in").read_text(), TARGETS[name])
    source = fill((TEMPLATES / f"{name}.vy.in").read_text(), {"PREDICT": predict.splitlines()})
    first, rest = source.split("\n", 1)
    note = f"# generated by generate.py from templates/{name}.vy.in and templates/predict.vy.in: edit those, not this"
    return f"{first}\n{note}\n{rest}"


if __name__ == "__main__":
    for target in TARGETS:
        (HERE / f"{target}.vy").write_text(generate(target))
