"""Writes the tables of README.md and of the pages in contracts, fuzz and trainer from the benchmarks' JSON.

A table stands between `<!-- table NAME -->` and `<!-- end -->`.
"""

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.floor import floor
from bench.front import PICTURE, frontier, svg
from bench.rungs import RUNGS, best

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
CONTRACTS = HERE.parent / "contracts" / "README.md"
FUZZ = HERE.parent / "fuzz" / "README.md"
SIMULATION, CALIBRATION, ALLOCATION = (
    HERE.parent / "trainer" / part / "README.md" for part in ("simulation", "calibration", "allocation")
)
GOLDEN = HERE.parent / "tests" / "golden"
NOTHING = "–"
# a byte of calldata that is not zero
CALLDATA_GAS = 16


def load(path: Path) -> Any:
    """What a benchmark has written."""
    return json.loads(path.read_text())


def speed(report: Any, kind: str, processes: int) -> float:
    """Calls a second of processor time, over all rounds and processes."""
    rows = [row for row in report["rows"] if (row["kind"], row["processes"]) == (kind, processes)]
    return float(sum(row["calls"] for row in rows) / sum(row["cpu_seconds"] for row in rows))


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; every column but the first is right-aligned."""
    rule = ("---", *("---:",) * (len(head) - 1))
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def gas_table() -> str:
    """Gas of inference, one line a network, beside the opcode floor and DanKu's contract."""
    danku = {row["net"]: row["forward_gas_per_mac"] for row in load(HERE / "danku.json")["rows"]}
    head = (
        *("network", "bits (in/w/act)", "accuracy", "gas a sample", "gas per multiply-add", "opcode floor", "× floor"),
        *("DanKu's contract, theirs", "times cheaper"),
        *("all-in gas a sample", "samples a transaction", "1,024 samples at 1 gwei"),
    )
    lines = [
        (
            f"{row['net']} ({row['dataset']})",
            row["bits"],
            f"{100 * row['accuracy']:.1f} %",
            f"{row['gas_per_sample']:,}",
            f"{row['gas_per_mac']:.2f}",
            f"{floor(row):.2f}",
            f"{row['gas_per_mac'] / floor(row):.2f}",
            str(danku.get(row["net"], NOTHING)),
            f"{danku[row['net']] / row['gas_per_mac']:.0f}" if row["net"] in danku else NOTHING,
            f"{row['all_in_gas_per_sample']:,}",
            str(row["samples_per_tx"]),
            f"{row['ether_per_1024_samples']:.4f} ether",
        )
        for row in load(HERE / "results" / "gas.json")["rows"]
    ]
    return table(head, lines)


def danku_table() -> str:
    """DanKu's whole evaluation, storage included, beside the whole of ours, calldata included."""
    danku = load(HERE / "danku.json")
    theirs = {row["net"]: row for row in danku["rows"]}
    head = (
        *("network", "DanKu: forward pass", "DanKu: evaluation from storage", "ours: bits", "ours: all-in"),
        *("times cheaper", "DanKu: a stored weight", "ours: a weight in calldata"),
    )
    lines = []
    for row in load(HERE / "results" / "gas.json")["rows"]:
        if row["net"] in theirs:
            full = theirs[row["net"]]["full_gas_per_mac"]
            lines.append(
                (
                    row["net"],
                    str(theirs[row["net"]]["forward_gas_per_mac"]),
                    NOTHING if full is None else str(full),
                    row["bits"],
                    f"{row['all_in_gas_per_mac']:.2f}",
                    NOTHING if full is None else f"{full / row['all_in_gas_per_mac']:.0f}",
                    f"{danku['gas_per_stored_weight']:,}",
                    f"{CALLDATA_GAS * row['model_bytes'] / row['macs']:.1f}",
                )
            )
    return table(head, lines)


def market_table() -> str:
    """Gas of the market's own calls, and in a crowd."""
    calls = load(GOLDEN / "market_gas.json")
    crowds = list(next(iter(calls.values()))["execution_gas_among"])
    head = ("call", "execution gas", "transaction gas", *(f"among {n}" for n in crowds))
    lines = [
        (
            call,
            f"{gas['execution_gas']:,}",
            f"{gas['transaction_gas']:,}",
            *(f"{gas['execution_gas_among'][n]:,}" if n in gas["execution_gas_among"] else NOTHING for n in crowds),
        )
        for call, gas in calls.items()
    ]
    return table(head, lines)


def evaluation_table() -> str:
    """The audits of 1,024 samples, one line a transaction, with the two limits."""
    report = load(HERE / "results" / "evaluation.json")
    named = [
        *((f"audit {n} of {len(report['audits'])}: 256 samples", step) for n, step in enumerate(report["audits"], 1)),
        ("an audit of one group: 32 samples", report["audit_of_one_group"]),
        ("the audit that finds one lie in the last sample", report["audit_that_finds_the_last_lie"]),
    ]
    head = ("transaction", "execution gas", "all-in gas", "EIP-7623 floor", "bytes of calldata", "bytes signed")
    keys = ("execution_gas", "transaction_gas", "floor_gas", "calldata_bytes", "signed_bytes")
    lines = [(name, *(f"{step[key]:,}" for key in keys)) for name, step in named]
    limits = ("the limit", "", f"{report['gas_limit']:,}", "", "", f"{report['mempool_bytes']:,}")
    return table(head, [*lines, limits])


def life_table() -> str:
    """What the whole life of that challenge costs."""
    report = load(HERE / "results" / "evaluation.json")
    head = ("call", "transactions", "gas of the dearest", "gas of all")
    lines = [
        (
            line["call"],
            str(line["transactions"]),
            f"{line['most_transaction_gas']:,}",
            f"{line['sum_transaction_gas']:,}",
        )
        for line in report["life"]
    ]
    count = sum(line["transactions"] for line in report["life"])
    return table(head, [*lines, ("all", str(count), "", f"{report['life_transaction_gas']:,}")])


def weights_table() -> str:
    """Weights from calldata against weights from code, one line a network."""
    head = (
        *("network", "bits", "bytes", "contracts", "storing", "an audit: calldata", "an audit: code", "break-even"),
        *("audits of 1,024 samples", "with code", "weights in all of them: calldata", "code"),
    )
    lines = [
        (
            row["net"],
            str(row["bits"]),
            f"{row['model_bytes']:,}",
            str(row["contracts"]),
            f"{row['stored']:,}",
            f"{row['carried']:,}",
            f"{row['copied']:,}",
            f"{row['break_even']:.1f} audits",
            str(row["audits_calldata"]),
            str(row["audits_code"]),
            f"{row['weights_calldata']:,}",
            f"{row['weights_code']:,}",
        )
        for row in load(HERE / "results" / "weights_from_code.json")["rows"]
    ]
    return table(head, lines)


def zeros_table() -> str:
    """What is zero in real samples, and what it would buy."""
    report = load(HERE / "results" / "sparse.json")
    share, gas, now = report["zero_share"], report["gas_per_product_by_zero_words"], report["gas_per_product"]
    head = ("the kernel asks", "zero in Fashion-MNIST", "gas a product, no zeros", "all zeros", "as the data is")

    def line(name: str, design: str, of: str) -> tuple[str, ...]:
        ends = (f"{gas[design][end]:.1f}" for end in ("none", "all"))
        return name, of, *ends, f"{now[design]:.1f}"

    flushes, words = share["flushes_of_a_sample"], share["words"]
    lines = [
        line("never, as it is", "plain", f"{100 * share['inputs']:.1f} % of the inputs"),
        line("at each word", "ask_each", f"{100 * words:.1f} % of the words"),
        line("at each flush of a sample", "ask_once", f"{100 * flushes:.1f} % of the flushes"),
    ]
    return table(head, lines)


def convolution_table() -> str:
    """Gas of convolutional networks, one line a network."""
    head = ("network", "bits (in/w/act)", "words of a row", "multiply-adds", "gas a sample", "gas per multiply-add")
    lines = [
        (
            row["net"],
            row["bits"],
            row["words"],
            f"{row['macs']:,}",
            f"{row['gas_per_sample']:,}",
            f"{row['gas_per_mac']:.2f}",
            f"{row['floor_ratio']:.2f}",
            f"{row['empty']:,}",
            f"{row['bound']:,}",
        )
        for row in load(HERE / "results" / "convolution.json")["nets"]
    ]
    return table((*head, "times the floor", "a call of none", "bound of one"), lines)


def layers_table() -> str:
    """Gas of layers by themselves."""
    lines = [
        (
            row["layer"],
            row["bits"],
            f"{row['macs']:,}",
            f"{row['gas']:,}",
            f"{row['gas_per_mac']:.2f}",
            f"{row['floor'] / row['macs']:.2f}",
            f"{row['floor_ratio']:.2f}",
        )
        for row in load(HERE / "results" / "convolution.json")["layers"]
    ]
    head = ("layer", "bits", "multiply-adds", "gas", "gas per multiply-add", "floor", "times the floor")
    return table(head, lines)


def patches_table() -> str:
    """Gas of counting the bits of a patch, by channels."""
    rows = load(HERE / "results" / "binary_patches.json")["rows"]
    lines = [(str(row["channels"]), str(row["bits"]), f"{row['gas_per_mac']:.2f}") for row in rows]
    return table(("channels", "bits of a patch", "gas per multiply-add"), lines)


def segments_table() -> str:
    """A network in segments, one line a segment, then the audit of one sample."""
    report = load(HERE / "results" / "segments.json")
    head = ("segment", "multiply-adds", "bytes", "registering it", "a step of it")
    lines = [
        (
            planes(row["shape"]),
            f"{row['multiply_adds']:,}",
            f"{row['bytes']:,}",
            f"{row['register_gas']:,}",
            f"{row['step_gas']:,}",
        )
        for row in report["segments"]
    ]
    lines.append(("the audit of the sample", "", "", "", f"{report['audit_gas']:,}"))
    registered = sum(row["register_gas"] for row in report["segments"])
    whole = f"{report['multiply_adds']:,}", f"{report['bytes']:,}", f"{registered:,}", f"{report['gas']:,}"
    lines.append((f"in all, {report['transactions']} transactions", *whole))
    return table(head, lines)


def planes(shape: str) -> str:
    """Planes of a segment, equal ones once."""
    found: list[list[str]] = []
    for one in shape.split("-"):
        if found and found[-1][0] == one:
            found[-1].append(one)
        else:
            found.append([one])
    return " – ".join(f"{len(same)} × {same[0]}" if len(same) > 1 else same[0] for same in found)


def pareto_table() -> str:
    """Accuracy and gas of the presets of Fashion-MNIST, from the cheapest on; bold where none as cheap equals it."""
    rows = load(HERE / "results" / "pareto.json")["presets"]
    front = set(frontier(rows))
    head = (
        *("preset", "network", "bits (in/w/act)", "multiply-adds", "gas a sample"),
        *("accuracy", "seeds", "minutes a seed"),
    )
    lines = []
    for name in sorted(rows, key=lambda name: rows[name]["gas_per_sample"]):
        row, mark = rows[name], "**" if name in front else ""
        lines.append(
            (
                name.join(("`", "`")),
                # the bar between segments would begin another column
                row["net"].replace("|", ", then "),
                row["bits"],
                f"{row['macs']:,}",
                f"{row['gas_per_sample']:,}",
                f"{mark}{100 * row['mean']:.2f} % ± {100 * row['std']:.2f}{mark}",
                str(len(row["runs"])),
                f"{statistics.median(run['seconds'] for run in row['runs']) / 60:.1f}",
            )
        )
    return table(head, lines)


def rungs_table() -> str:
    """What was asked for below each price, and the best preset there."""
    rows = load(HERE / "results" / "pareto.json")["presets"]
    lines = []
    for (most, wanted), name in zip(RUNGS, best(rows), strict=True):
        price = "any" if most is None else f"{most:,}"
        if name is None:
            lines.append((price, f"{100 * wanted:.1f} %", NOTHING, NOTHING, NOTHING))
            continue
        found = 100 * rows[name]["mean"]
        lines.append(
            (price, f"{100 * wanted:.1f} %", f"{found:.2f} %", f"{found - 100 * wanted:+.2f}", name.join(("`", "`")))
        )
    return table(("gas of a sample, at most", "asked", "reached", "points above", "with"), lines)


def fuzz_table() -> str:
    """Speed of the fuzzing, titanoboa as it comes first."""
    report = load(HERE / "results" / "fuzz.json")
    names = {"plain": "titanoboa as it comes", "boa": "`--backend boa`", "native": "`--backend native`"}
    sizes = sorted({row["processes"] for row in report["rows"]})
    head = ("", *(f"calls a CPU second, {n} process{'es' if n > 1 else ''}" for n in sizes), *("ratio",) * len(sizes))
    lines = []
    for kind, name in names.items():
        rates = [speed(report, kind, size) for size in sizes]
        ratios = [rate / speed(report, "plain", size) for rate, size in zip(rates, sizes, strict=True)]
        lines.append((name, *(f"{rate:,.0f}" for rate in rates), *(f"{ratio:.1f}" for ratio in ratios)))
    return table(head, lines)


def mutants_table() -> str:
    """What became of the mutants, one line a target."""
    head = (
        *("target", "share judged", "mutants", "do not compile", "same code as another", "count"),
        *("killed by fuzzing", "by tests", "survived", "equivalent", "score"),
    )
    lines = []
    for path in sorted((HERE / "results").glob("mutants_*.json")):
        report = load(path)
        for row in report["targets"]:
            killed = row["killed_by"]
            share = report["sample"] * row["mutants"] / row["planned"]
            lines.append(
                (
                    row["target"],
                    f"{100 * share:.1f} %",
                    f"{row['mutants']:,}",
                    f"{row['invalid']:,}",
                    f"{row['same_code'] + row['duplicate']:,}",
                    f"{row['counted']:,}",
                    f"{killed.get('fuzz', 0) + killed.get('time', 0):,}",
                    f"{killed.get('test', 0):,}",
                    f"{row['survived']:,}",
                    f"{row['equivalent']:,}",
                    NOTHING if (score := row["score_without_equivalent"]) is None else f"{100 * score:.1f} %",
                )
            )
    return table(head, lines)


def coverage_table() -> str:
    """Lines and branches of each contract, what is missing, and all of them."""
    rows = load(HERE / "results" / "coverage.json")["rows"]
    total = {key: sum(row[key] for row in rows) for key in ("executed", "lines", "taken", "branches")}

    def line(name: str, row: dict[str, Any], missing: str) -> tuple[str, ...]:
        pairs = (("executed", "lines"), ("taken", "branches"))
        return name, *(f"{100 * row[part] / row[whole]:.1f} % of {row[whole]}" for part, whole in pairs), missing

    lines = [line(f"`{row['file']}`", row, " ".join(row["missing"])) for row in rows]
    return table(("contract", "lines", "branches", "missing"), [*lines, line("all", total, "")])


def planted_table() -> str:
    """Each planted bug and what caught it."""
    bugs = load(HERE / "results" / "planted.json")["bugs"]
    lines = [(bug["breaks"], f"`{bug['caught_by']}`", str(bug["walks"])) for bug in bugs]
    return table(("planted", "caught by", "in walk"), lines)


def training_table() -> str:
    """Samples a second in JAX and in PyTorch, one line a phase of a preset."""
    head = (
        *("preset", "phase", "JAX: samples a second", "PyTorch: samples a second", "ratio", "demanded"),
        *("JAX: first pass, compiled in it", "loss after the same step differs by"),
    )
    lines = [
        (
            f"`{row['preset']}`",
            phase["phase"],
            f"{phase['jax_samples_per_second']:,}",
            f"{phase['torch_samples_per_second']:,}",
            f"{phase['ratio']:.2f}",
            f"{row['demanded']:.1f}",
            f"{phase['first_pass_seconds']:.1f} s",
            f"{phase['loss_differences']['1']:.0e}",
        )
        for row in load(HERE / "results" / "train.json")["rows"]
        for phase in row["phases"]
    ]
    return table(head, lines)


def targets_table() -> str:
    """Seconds to an accuracy of the presets that were trained to their end."""
    report = load(HERE / "results" / "train.json")
    targets = [f"{target:.2f}" for target in report["targets"]]
    sides = {"jax": "JAX", "torch": "PyTorch"}

    def line(row: dict[str, Any], side: str) -> tuple[str, ...]:
        spent = (row["seconds_to"][target][side] for target in targets)
        return (
            f"`{row['preset']}`",
            sides[side],
            *("never" if seconds is None else f"{seconds:.1f} s" for seconds in spent),
            f"{row['seconds'][side]:.1f} s",
            f"{100 * row['accuracy'][side]:.2f} %",
            f"{100 * row['best_accuracy'][side]:.2f} %",
        )

    head = ("preset", "in", *(f"{100 * float(target):.0f} %" for target in targets))
    lines = [line(row, side) for row in report["rows"] if "seconds_to" in row for side in sides]
    return table((*head, "all epochs", "at their end", "at best"), lines)


def speed_table() -> str:
    """Seconds of a simulated year."""
    row = load(HERE / "results" / "simulation.json")["speed"]
    head = ("rigs", "challenges", "hours", "seconds, compiled in them", "seconds again", "of processors", "cores")
    line = (
        *(f"{row[name]:,}" for name in ("miners", "challenges", "hours")),
        *(f"{row[name]:.1f}" for name in ("seconds_with_compilation", "seconds", "processor_seconds")),
        str(row["cores"]),
    )
    return table(head, [line])


def auction_table() -> str:
    """What a rising reward clears at over the lowest cost, one line a distribution of costs."""
    rows = [row for row in load(HERE / "results" / "simulation.json")["alone"] if row["waits"]]
    counts = list(rows[0]["ratio"])
    lines = [(row["costs"], *(f"{row['ratio'][count]:.3f}" for count in counts)) for row in rows]
    return table(("costs", *(f"{int(count):,} trainers" for count in counts)), lines)


def watchers_table() -> str:
    """The price of training in the economy, by how many look at challenges."""
    lines = [
        (
            f"{row['watchers']:,}",
            f"{row['price']:.3f}",
            f"{row['winner_cost']:.3f}",
            f"{row['price_over_least_cost']:.2f}",
            f"{row['hours_to_the_winning_seal']:.0f}",
        )
        for row in load(HERE / "results" / "simulation.json")["watchers"]
    ]
    head = (
        "rigs that look",
        "paid for 1e18 FLOPs, USD",
        "they cost the winner",
        "over the lowest cost",
        "hours waited",
    )
    return table(head, lines)


def rules_table() -> str:
    """What the rules of a challenge do to posters and trainers, one line a rule."""
    found = load(HERE / "results" / "simulation.json")["rules"]
    names = {
        "opening": ("opening", "opens with {:.0%} of the reward"),
        "window": ("window", "window of {:,} hours"),
        "bond_first": ("bond", "bond of {:.0%} of the reward"),
        "bond_best": ("bond", "best score wins, flat, bond of {:.0%}"),
    }
    lines = [
        (
            words.format(row[key]).replace("%", " %"),
            f"{100 * row['won']:.0f} %",
            f"{row['price']:.3f}",
            f"{row['winner_cost']:.3f}",
            f"{row['hours_to_the_winning_seal']:.0f}",
            f"{row['seals']:.2f}",
            f"{100 * row['for_nothing']:.0f} %",
            f"{row['paid']:,.0f}",
            f"{row['profit']:,.0f}",
            NOTHING if row["winning_score"] is None else f"{row['winning_score']:.2f}",
        )
        for table_of, (key, words) in names.items()
        for row in found[table_of]
    ]
    head = (
        *("challenges", "won", "paid for 1e18 FLOPs, USD", "they cost the winner", "hours to the winning seal"),
        *("seals each", "work for nothing", "all paid, USD", "trainers' profit", "winning score"),
    )
    return table(head, lines)


def splitting_table() -> str:
    """What a second seal is worth, and the fee that ends it."""
    lines = [
        (
            row["costs"],
            str(row["entrants"]),
            f"{row['cost']:.2f}",
            f"{row['ask']:.2f}",
            *(
                text
                for word in ("undeterred", "deterred")
                for text in (
                    f"{row[word]['gain_at_half_a_percent']:.3f}",
                    f"{100 * row[word]['least_fee_part_of_reward']:.1f} %",
                )
            ),
        )
        for row in load(HERE / "results" / "simulation.json")["splitting"]
    ]
    head = (
        *("costs", "trainers", "cost", "seals honestly at", "gain, rivals seal all the same", "least fee"),
        *("gain, rivals stay away", "least fee then"),
    )
    return table(head, lines)


def calibration_table() -> str:
    """How often long runs came out where short ones said."""
    lines = [
        (
            f"`{name}`" if "-" in name else name,
            f"{row['predictions']:,}",
            *(f"{100 * row[part]:.0f} %" for part in ("within_10_90", "within_25_75", "below_10", "above_90")),
            f"{100 * row['median_error']:+.2f} points",
            f"{100 * row['median_width_10_90']:.1f} points",
        )
        for name, row in load(HERE / "results" / "calibration.json")["coverage"].items()
    ]
    head = (
        *("runs", "predictions", "within 10 to 90 %", "within 25 to 75 %", "below", "above"),
        *("median of actual − predicted", "median width, 10 to 90 %"),
    )
    return table(head, lines)


def allocation_table() -> str:
    """Replayed prices: what plans that know the past are worth beside the best in hindsight."""
    found = load(HERE / "results" / "allocation.json")
    names = {"plan": "`trainer allocate`", "hourly": "the best of each hour"}
    lines = [
        (
            names.get(name, name),
            f"{row['profit']:,.2f}",
            f"{found['regret_at_most'][name]:,.2f}",
            f"{100 * found['regret_at_most_part'][name]:.0f} %",
            *(f"{row['hours'][activity]:,}" for activity in ("mine", "train", "off")),
            f"{row['changes']:,}",
        )
        for name, row in found["policies"].items()
    ]
    hindsight = found["hindsight"]
    lines.append(("best in hindsight, found", f"{hindsight['profit']:,.2f}", *[NOTHING] * 6))
    lines.append(("no plan is worth more than", f"{hindsight['bound']:,.2f}", *[NOTHING] * 6))
    days = found["series"]["hours"] // 24
    head = (
        f"{days} days, two cards",
        "profit, USD",
        "regret, at most",
        "of the bound",
        "hours mined",
        "trained",
        "off",
    )
    return table((*head, "changes"), lines)


Tables = dict[str, Callable[[], str]]
PAGES: dict[Path, Tables] = {
    README: {
        "segments": segments_table,
        "gas": gas_table,
        "danku": danku_table,
        "evaluation": evaluation_table,
        "life": life_table,
        "market": market_table,
        "pareto": pareto_table,
        "rungs": rungs_table,
        "training": training_table,
        "targets": targets_table,
    },
    CONTRACTS: {
        "convolution": convolution_table,
        "layers": layers_table,
        "patches": patches_table,
        "weights": weights_table,
        "zeros": zeros_table,
    },
    SIMULATION: {
        "speed": speed_table,
        "auction": auction_table,
        "watchers": watchers_table,
        "rules": rules_table,
        "splitting": splitting_table,
    },
    CALIBRATION: {"calibration": calibration_table},
    ALLOCATION: {"allocation": allocation_table},
    FUZZ: {"fuzz": fuzz_table, "mutants": mutants_table, "planted": planted_table, "coverage": coverage_table},
}


def filled(page: Path) -> str:
    """The text of a page with every table made anew."""
    text = page.read_text()
    for name, make in PAGES[page].items():
        start, end = f"<!-- table {name} -->\n", "<!-- end -->"
        assert start in text, f"{page.name} has no place for table {name}"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = f"{before}{start}{make()}\n{end}{after}"
    return text


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page))
    PICTURE.write_text(svg(load(HERE / "results" / "pareto.json")["presets"], RUNGS))
