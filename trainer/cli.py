"""The command line: `trainer data …`, `trainer train`, `trainer evaluate`, `trainer demo`.

Results go to stdout, progress and errors to stderr; with --json stdout is one JSON object, and stays empty where a
command fails: the message is one line on stderr all the same. Exit code 1 for what is wrong with the data, 2 for what
is wrong with the command. Nothing that needs JAX is imported before it is used.
"""

import json as json_module
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from trainer import cifar, datasets, fetch, files, integer, networks, quantise, samples, split
from trainer.commands import add_all
from trainer.ending import Request, Unfinished, when_asked
from trainer.errors import AssayError, DataError
from trainer.networks import AnyNetwork
from trainer.package import Package, build, check_new, load_training
from trainer.presets import PRESETS, Preset, adapt, find, find_for_package
from trainer.prices.work import beside
from trainer.samples import Samples


class Engine(Enum):
    """What `trainer evaluate` runs a network with."""

    HOST = "host"
    EVM = "evm"


class _Group(TyperGroup):
    """Commands whose errors are one line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (AssayError, OSError) as error:
            what = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else error
            typer.echo(f"error: {' '.join(str(what).splitlines())}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(cls=_Group, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
data = typer.Typer(no_args_is_help=True)
app.add_typer(data, name="data", help="Datasets: list, fetch, pack for a challenge, check, publish.")
add_all(app)
# paths are printed as they are: no markup, no emoji
output = Console(soft_wrap=True, markup=False, emoji=False)
MAX_SEED = 2**32 - 1

DatasetOption = Annotated[
    str,
    typer.Option(help="digits, fashion-mnist, cifar-10, a .csv or .npz file, or the directory of a package or export."),
]
PlainOption = Annotated[str, typer.Option(help="digits, fashion-mnist, cifar-10, or a .csv or .npz file.")]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Directory of the Fashion-MNIST idx files; archive or directory of CIFAR-10."),
]
UnofficialOption = Annotated[
    bool, typer.Option("--unofficial", help="Take files of CIFAR-10 that are not the official ones.")
]
LabelOption = Annotated[str | None, typer.Option(help="Label column of a .csv; by default the last.")]
RootOption = Annotated[
    str | None, typer.Option(help="Root on the chain, 0x and 64 digits, to check a download against.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
HoldoutOption = Annotated[int | None, typer.Option(min=1, help="Number of held-out groups, as posted.")]
GatewayOption = Annotated[
    str | None, typer.Option(envvar="ASSAY_IPFS_GATEWAY", help="IPFS gateway, such as https://ipfs.io.")
]
ApiOption = Annotated[
    str | None, typer.Option(envvar="ASSAY_IPFS_NODE", help="RPC API of an IPFS node, such as http://127.0.0.1:5001.")
]


@app.callback()
def _assay() -> None:
    """Assay: train integer networks, pack datasets, show a whole challenge."""


@data.command("list")
def data_list(json: JsonOption = False) -> None:
    """List datasets and presets."""
    found = [
        {"dataset": datasets.DIGITS, "there": True, "from": "scikit-learn"},
        {
            "dataset": datasets.FASHION_MNIST,
            "there": datasets.FASHION_DIRECTORY.is_dir(),
            "from": "trainer data fetch",
        },
        {
            "dataset": datasets.CIFAR_10,
            "there": datasets.CIFAR_DIRECTORY.is_dir(),
            "from": f"{cifar.PAGE}, into {datasets.CIFAR_DIRECTORY} or named with --data",
        },
    ]
    presets = [
        {"preset": preset.name, "dataset": preset.dataset, "expected": preset.expected, "command": preset.command}
        for preset in PRESETS.values()
    ]
    if json:
        _print_json({"datasets": found, "presets": presets})
        return
    table = Table("dataset", "there", "from")
    for entry in found:
        table.add_row(str(entry["dataset"]), "yes" if entry["there"] else "no", str(entry["from"]))
    table.add_row("your.csv, your.npz", "", "numeric features and a label column; arrays x and y")
    output.print(table)
    table = Table("preset", "integer accuracy")
    for preset in PRESETS.values():
        table.add_row(preset.name, preset.expected)
    output.print(table)
    output.print(f"Next: {PRESETS['digits-64-32'].command}")


@data.command("fetch")
def data_fetch(
    root: Annotated[str | None, typer.Option(help="Root of a published package, 0x and 64 digits.")] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--from", help="Folder, http(s)://… or ipfs://CID that it was published to; several are tried in turn."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="New directory for its training groups.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Key of the draw, to check which groups are held out; with --holdout.")
    ] = None,
    holdout: HoldoutOption = None,
    ipfs_gateway: GatewayOption = None,
    ipfs_node: ApiOption = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for a connection, or more bytes.")] = 30.0,
    json: JsonOption = False,
) -> None:
    """Fetch Fashion-MNIST (31 MB) from the Debian archive; with --root the training groups of a published package.

    Every group is checked against the root. An interrupted download goes on where it was.
    """
    if root is not None:
        _fetch_package(root, source, out, key, holdout, ipfs_gateway, ipfs_node, timeout, json)
        return
    if source or out is not None or key is not None or holdout is not None:
        raise typer.BadParameter("--from, --out, --key and --holdout are for packages", param_hint="--root")
    directory = fetch.fetch()
    if json:
        _print_json({"directory": str(directory)})
    else:
        output.print(f"Fashion-MNIST is in {directory}. Next: trainer train --dataset fashion-mnist")


@data.command("pack")
def data_pack(
    dataset: PlainOption,
    out: Annotated[Path, typer.Option(help="New directory for the package; keep it private.")],
    bits: Annotated[int, typer.Option(help="Bits of a feature: 1, 2, 4 or 8.")] = 4,
    pooled: Annotated[bool, typer.Option("--pooled", help="Halve images to 2 x 2 means first.")] = False,
    folded: Annotated[bool, typer.Option("--folded", help="Halve images, their 2 x 2 pixels as channels.")] = False,
    group_size: Annotated[int, typer.Option(help="Samples a group, 1 to 32.")] = 32,
    groups: Annotated[int | None, typer.Option(help="Number of groups; by default all that the rows fill.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=MAX_SEED, help="Repeatable and therefore guessable: for trials only.")
    ] = None,
    data: DataOption = None,
    unofficial: UnofficialOption = False,
    label: LabelOption = None,
    json: JsonOption = False,
) -> None:
    """Quantise a dataset, shuffle it, cut it into groups and commit to them with a Merkle root."""
    check_new(out)
    if samples.is_package(dataset):
        raise DataError(f"{dataset} is a package already; pack the data set that it was made from")
    loaded = _load(dataset, data, label, unofficial)
    quantiser = quantise.fit(loaded, bits=bits, pooled=pooled, folded=folded)
    package = build(loaded, quantiser, group_size=group_size, groups=groups, seed=seed)
    package.save(out)
    manifest = package.manifest
    result = {
        "package": str(out),
        "root": "0x" + package.root.hex(),
        "groups": manifest.groups,
        "group_size": manifest.group_size,
        "sample_bytes": manifest.sample_bytes,
        "input_bits": manifest.bits,
        "classes": manifest.classes,
        "left_out": len(loaded.labels) - manifest.groups * manifest.group_size,
    }
    if json:
        _print_json(result)
        return
    _print_entries(result)
    keep = f"Keep {out} private and backed up: without it nobody can reveal the hold-out."
    output.print(f"{keep} Next: trainer post {out} --reward 1")


@data.command("publish")
def data_publish(
    package: Annotated[Path, typer.Argument(help="Directory of the package.")],
    key: Annotated[str, typer.Option(help="Key of the draw, 0x and 64 digits, once the draw is final.")],
    holdout: Annotated[int, typer.Option(min=1, help="Number of held-out groups, as posted.")],
    to: Annotated[str, typer.Option(help="Folder to publish to, or `ipfs` for the node at --ipfs-node.")],
    ipfs_node: ApiOption = None,
    json: JsonOption = False,
) -> None:
    """Publish the training groups of a package, and of the held-out ones nothing but their commitments."""
    from trainer.exchange.ipfs import Node
    from trainer.exchange.publish import publish
    from trainer.exchange.web import Patience

    word = _word(key, "--key")
    if to == "ipfs" and ipfs_node is None:
        raise DataError("no IPFS node; name its API with --ipfs-node (or ASSAY_IPFS_NODE), or publish to a folder")
    # a node answers after it has taken everything
    target = Path(to) if to != "ipfs" or ipfs_node is None else Node(ipfs_node, Patience(timeout=600))
    groups = Package.load_manifest(package).groups
    done = publish(package, _held(word, groups, holdout), target)
    manifest = done.manifest
    result = {
        "root": "0x" + manifest.root.hex(),
        "published": done.source,
        "path": done.path,
        "groups": manifest.groups,
        "held_out": len(done.holdout),
        "bytes": done.size,
    }
    if json:
        _print_json(result)
        return
    _print_entries(result)
    output.print(f"Next: trainer data fetch --root 0x{manifest.root.hex()} --from {done.source} --out training")


@data.command("check")
def data_check(
    directory: Annotated[Path, typer.Argument(help="Directory of a package, or of a training export.")],
    root: RootOption = None,
    json: JsonOption = False,
) -> None:
    """Check every group of a package or of a download against its root."""
    expected = _root(root)
    result: dict[str, Any]
    if (directory / "training.json").is_file():
        training = load_training(directory, expected)
        manifest, checked = training.manifest, len(training.groups)
    else:
        manifest = Package.load(directory).manifest
        checked = manifest.groups
        if expected not in (None, manifest.root):
            raise DataError(f"{directory} has root 0x{manifest.root.hex()}, not {root}")
    result = {
        "root": "0x" + manifest.root.hex(),
        "groups": manifest.groups,
        "checked": checked,
        "held_out": manifest.groups - checked,
        "samples": checked * manifest.group_size,
    }
    if json:
        _print_json(result)
    else:
        _print_entries(result)


@app.command()
def train(
    dataset: DatasetOption = datasets.DIGITS,
    preset: Annotated[str | None, typer.Option(help="See `trainer data list`; by default the dataset's own.")] = None,
    hidden: Annotated[str | None, typer.Option(help="Hidden widths, such as 64 or 64,32; 0 for none.")] = None,
    bits: Annotated[int | None, typer.Option(help="Bits of inputs, activations and weights: 1, 2, 4 or 8.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds to train, from --seed on.")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="The first seed.")] = 0,
    validation: Annotated[
        float | None, typer.Option(help="Part of the training rows held back to choose by; by default the preset's.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Model file to write: of the seeds, the best on validation; without validation, the first."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Directory that holds the run after every epoch: a killed run started again goes on from there, and "
            "one that is asked to end (Ctrl-C, SIGTERM) first finishes its epoch. Several seeds have one each in it."
        ),
    ] = None,
    together: Annotated[
        bool | None,
        typer.Option(
            "--together/--in-turn",
            help="Several seeds side by side in one program, or one after the other; by default together on an "
            "accelerator. The networks are not the same bits.",
        ),
    ] = None,
    teachers: Annotated[
        Path | None,
        typer.Option(
            help="Directory that keeps what teachers say, for presets that have one: others with the same teacher and "
            "seeds need not train it again."
        ),
    ] = None,
    split: Annotated[bool, typer.Option("--split", help="Split every batch among all devices.")] = False,
    coordinator: Annotated[
        str | None,
        typer.Option(help="Address of host 0, such as 10.0.0.1:1234, to split among several hosts: run it on each."),
    ] = None,
    hosts: Annotated[int, typer.Option(min=1, help="How many hosts.")] = 1,
    host: Annotated[int, typer.Option(min=0, help="Which one this is; host 0 writes and prints.")] = 0,
    data: DataOption = None,
    unofficial: UnofficialOption = False,
    label: LabelOption = None,
    root: RootOption = None,
    json: JsonOption = False,
) -> None:
    """Train integer networks and report their accuracy as a contract computes it."""
    _check_hosts(coordinator, hosts, host)
    if seed + seeds - 1 > MAX_SEED:
        raise typer.BadParameter(f"{seeds} seeds from {seed} on go beyond {MAX_SEED}", param_hint="--seeds")
    if out is not None:
        files.check_file(out)
    if checkpoint is not None:
        files.check_directory(checkpoint)
    if teachers is not None:
        files.check_directory(teachers)
    chosen, rows = _training_samples(
        dataset, preset, hidden, bits, data=data, unofficial=unofficial, label=label, root=_root(root)
    )
    import jax

    from trainer import devices, training
    from trainer.progress import bar

    if coordinator is not None:
        devices.join(coordinator, hosts, host)
    mesh = devices.mesh_of(jax.devices()) if split or coordinator is not None else None
    if together is None:
        together = jax.default_backend() != "cpu"
    numbers = tuple(range(seed, seed + seeds))
    runs: list[dict[str, Any]] = []
    best: tuple[float, AnyNetwork] | None = None
    flops, seen, seconds = 0, 0, 0.0
    for part in [numbers] if together else [(number,) for number in numbers]:
        title = f"seed {part[0]}" if len(part) == 1 else f"seeds {part[0]} to {part[-1]}"
        with bar(title, chosen.recipe, seeds=len(part)) as progress, _endable(checkpoint, coordinator) as ending:
            results = training.train_seeds(
                rows.x,
                rows.y,
                recipe=chosen.recipe,
                seeds=part,
                classes=rows.classes,
                validation=validation,
                progress=progress,
                checkpoint=checkpoint if checkpoint is None or len(part) == seeds else checkpoint / f"seed-{part[0]}",
                mesh=mesh,
                fine=rows.fine,
                shelf=teachers,
                ending=ending,
            )
        seconds += results[0].all_seconds
        for number, result in zip(part, results, strict=True):
            flops += training.operations(result, chosen.recipe, inputs=rows.x.shape[1], classes=rows.classes)
            seen += result.samples + result.taught
            score = result.validation_accuracy
            if best is None or (score or 0.0) > best[0]:
                best = (score or 0.0, networks.fitted(result.network))
            runs.append(
                {
                    "seed": number,
                    "test_accuracy": _accuracy(networks.predict(result.network, rows.test_x), rows.test_y),
                    "validation_accuracy": score,
                    "seconds": round(result.seconds, 1),
                }
            )
    if host > 0:
        return
    assert best is not None, "at least one seed"
    network, model = best[1], networks.write(best[1])
    if out is not None:
        files.write_file(out, model)
        training.work_of(network, flops, seen, seconds, mesh).save(beside(out))
    scores = [run["test_accuracy"] for run in runs if run["test_accuracy"] is not None]
    report = {
        "dataset": dataset,
        "preset": chosen.name,
        "shape": networks.shape(network),
        "widths": network.widths if isinstance(network, integer.Network) else None,
        "input_bits": network.input_bits,
        "activation_bits": network.activation_bits,
        "weight_bits": network.weight_bits,
        "multiply_adds": network.multiply_adds,
        "model_bytes": len(model),
        "runs": runs,
        "flops": flops,
        "work": None if out is None else str(beside(out)),
        "mean": statistics.fmean(scores) if scores else None,
        "std": statistics.pstdev(scores) if scores else None,
        "out": None if out is None else str(out),
    }
    if json:
        _print_json(report)
        return
    table = Table("seed", "test accuracy (integer)", "validation", "seconds")
    for run in runs:
        table.add_row(
            str(run["seed"]), _percent(run["test_accuracy"]), _percent(run["validation_accuracy"]), str(run["seconds"])
        )
    output.print(table)
    output.print(
        f"{chosen.name}: {networks.shape(network)}, {network.multiply_adds:,} multiply-adds, {len(model):,} bytes"
    )
    if scores:
        output.print(f"mean {_percent(report['mean'])}, std {_percent(report['std'])}, n = {len(scores)}")
    if out is not None:
        where = (
            ("" if data is None else f" --data {data}")
            + (" --unofficial" if unofficial else "")
            + ("" if label is None else f" --label {label}")
        )
        output.print(f"model: {out}. Next: trainer evaluate {out} --dataset {dataset}{where}")


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="Model file.")],
    dataset: DatasetOption = datasets.DIGITS,
    engine: Annotated[
        Engine, typer.Option(help="host: NumPy and JAX. evm: the contract as well, on groups of a package.")
    ] = Engine.HOST,
    groups: Annotated[
        str | None,
        typer.Option(help="Groups of a package, such as 0,5,7; by default all, and with --engine evm the first."),
    ] = None,
    data: DataOption = None,
    unofficial: UnofficialOption = False,
    label: LabelOption = None,
    root: RootOption = None,
    json: JsonOption = False,
) -> None:
    """Accuracy of a model and the digest of its predictions, computed in NumPy, in JAX, and by the contract if asked.

    Exit code 1 where they differ in one sample.
    """
    wanted = None if groups is None else _groups(groups)
    network = _read_model(model)
    if samples.is_package(dataset):
        rows = samples.from_package(Path(dataset), root=_root(root), wanted=wanted)
        x, y = rows.x, rows.y
    else:
        if engine is Engine.EVM or wanted is not None:
            raise DataError(f"{dataset} has no groups; make them with trainer data pack --dataset {dataset}")
        _no_root(dataset, root)
        rows = samples.for_network(_load(dataset, data, label, unofficial), network)
        x, y = rows.test_x, rows.test_y
    samples.check_network(rows, network, model=model, dataset=dataset)
    if engine is Engine.EVM and wanted is None:
        first = rows.groups[0]
        rows = replace(rows, rows=f"group {first.index}", groups=(first,))
        x, y = first.x, first.y
    classes = networks.predict(network, x)
    digest = integer.digest(classes)
    again = integer.digest(networks.predict_jax(network, x))
    if digest != again:
        raise AssayError(f"NumPy's predictions have digest {digest}, JAX's {again}: this JAX computes wrongly")
    report: dict[str, Any] = {
        "model": str(model),
        "dataset": dataset,
        "rows": rows.rows,
        "samples": len(y),
        "right": int((classes == y).sum()),
        "accuracy": _accuracy(classes, y),
        "digest": digest,
    }
    runs: list[dict[str, Any]] = []
    if engine is Engine.EVM:
        from trainer.execute import execute

        execution = execute(network, rows.groups, classes=rows.classes)
        runs = [
            {
                "group": run.group,
                "right": run.right,
                "execution_gas": run.execution_gas,
                "transaction_gas": run.transaction_gas,
            }
            for run in execution.groups
        ]
        gas = sum(run.execution_gas for run in execution.groups)
        report |= {
            "contract_digest": integer.digest(np.concatenate([run.classes for run in execution.groups])),
            "execution_gas": gas,
            "gas_a_sample": round(gas / len(y)),
            "promised_gas_a_sample": execution.sample_gas,
            "validate_gas": execution.validate_gas,
        }
    if json:
        _print_json(report | ({"groups": runs} if runs else {}))
        return
    _print_entries(report)
    if runs:
        table = Table("group", "right", "execution gas", "transaction gas")
        for run in runs:
            table.add_row(
                str(run["group"]), str(run["right"]), f"{run['execution_gas']:,}", f"{run['transaction_gas']:,}"
            )
        output.print(table)
        output.print("The contract, NumPy and JAX predict the same class for every sample.")


@app.command()
def demo(
    dataset: Annotated[
        str | None,
        typer.Option(help="By default Fashion-MNIST if it can be had (it is fetched, 31 MB), else digits."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Repeats the same demonstration.")] = 0,
    out: Annotated[Path, typer.Option(help="Directory for what it writes.")] = Path("build/demo"),
    json: JsonOption = False,
) -> None:
    """A whole challenge on a chain of its own, from post to payment."""
    files.check_directory(out)
    from trainer import demo as demonstration

    raise typer.Exit(demonstration.run(dataset, seed, json, out))


def _training_samples(
    dataset: str,
    preset: str | None,
    hidden: str | None,
    bits: int | None,
    *,
    data: Path | None,
    unofficial: bool,
    label: str | None,
    root: bytes | None,
) -> tuple[Preset, Samples]:
    """Preset and samples that fit each other."""
    widths = None if hidden is None else _widths(hidden)
    if samples.is_package(dataset):
        rows = samples.from_package(Path(dataset), root=root)
        found = find_for_package(preset, rows.name, rows.quantiser)
        return adapt(found, hidden=widths, bits=bits, input_bits=rows.bits), rows
    _no_root(dataset, root)
    chosen = adapt(find(preset, dataset), hidden=widths, bits=bits)
    loaded = _load(dataset, data, label, unofficial)
    return chosen, samples.from_dataset(loaded, chosen.quantiser(loaded), teacher=chosen.recipe.teacher)


def _load(dataset: str, data: Path | None, label: str | None, unofficial: bool) -> datasets.Dataset:
    loaded = datasets.load(dataset, data=data, label=label, unofficial=unofficial)
    if loaded.note is not None:
        typer.echo(f"note: {loaded.note}", err=True)
    return loaded


def _no_root(dataset: str, root: object) -> None:
    if root is not None:
        raise DataError(f"{dataset} has no root; --root is for packages and exports")


def _widths(hidden: str) -> tuple[int, ...]:
    if hidden.strip() == "0":
        return ()
    widths = []
    for text in hidden.split(","):
        try:
            width = int(text)
        except ValueError:
            width = 0
        if not 1 <= width <= integer.MAX_WIDTH:
            raise typer.BadParameter(
                f"{text.strip()!r} in {hidden!r} is no width; use 1 to {integer.MAX_WIDTH}, such as 64,32, "
                "or 0 alone for no hidden layer",
                param_hint="--hidden",
            )
        widths.append(width)
    if len(widths) >= integer.MAX_LAYERS:
        raise typer.BadParameter(
            f"{len(widths)} widths in {hidden!r}; use at most {integer.MAX_LAYERS - 1}", param_hint="--hidden"
        )
    return tuple(widths)


def _groups(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    wrong = next((part for part in parts if not (part.isascii() and part.isdigit() and len(part) < 8)), None)
    if wrong is not None:
        raise typer.BadParameter(f"{wrong!r} in {text!r} is no group; use such as 0,5,7", param_hint="--groups")
    found = tuple(map(int, parts))
    if len(set(found)) < len(found):
        raise typer.BadParameter(f"{text!r} names a group twice", param_hint="--groups")
    return found


def _check_hosts(coordinator: str | None, hosts: int, host: int) -> None:
    if coordinator is None:
        if hosts > 1 or host:
            raise typer.BadParameter("several hosts need the address of host 0", param_hint="--coordinator")
        return
    name, _, port = coordinator.rpartition(":")
    if not (name and port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise typer.BadParameter(
            f"{coordinator!r} is no address; use one such as 10.0.0.1:1234", param_hint="--coordinator"
        )
    if host >= hosts:
        raise typer.BadParameter(f"host {host} of {hosts}; count from 0", param_hint="--host")


def _read_model(path: Path) -> AnyNetwork:
    remedy = "`trainer train --out` writes models"
    if path.is_dir() or not path.exists():
        raise DataError(f"{path}: {'a directory' if path.is_dir() else 'no such file'}; {remedy}")
    try:
        return networks.read(path.read_bytes())
    except AssayError as error:
        raise DataError(f"{path} is no model: {error}; {remedy}") from error


def _root(text: str | None) -> bytes | None:
    return None if text is None else _word(text, "--root")


def _word(text: str, option: str) -> bytes:
    """32 bytes that an option names."""
    try:
        word = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        word = b""
    if len(word) != 32:
        raise typer.BadParameter(
            f"{text!r} is no {option.removeprefix('--')}: 0x and 64 hexadecimal digits", param_hint=option
        )
    return word


def _held(key: bytes, groups: int, holdout: int) -> frozenset[int]:
    """The held-out groups of a draw."""
    if holdout >= groups:
        raise DataError(f"--holdout {holdout} of {groups} groups; use the number that was posted")
    return frozenset(split.holdout(key, groups, holdout))


@contextmanager
def _endable(checkpoint: Path | None, coordinator: str | None) -> Iterator[Request | None]:
    """Whether training is to end, asked by a signal: after an epoch, where it can go on from there.

    Not so with several hosts, of which none could know that the others end.
    """
    if checkpoint is None or coordinator is not None:
        yield None
        return
    request = Request(partial(typer.echo, err=True))
    try:
        with when_asked(request.ask):
            yield request
    except Unfinished as error:
        typer.echo(f"{checkpoint} holds what was trained: the same command goes on from there", err=True)
        raise typer.Exit(request.code) from error


def _fetch_package(
    root: str,
    sources: list[str] | None,
    out: Path | None,
    key: str | None,
    holdout: int | None,
    gateway: str | None,
    api: str | None,
    timeout: float,
    json: bool,
) -> None:
    from trainer.exchange.fetch import fetch as fetch_package
    from trainer.exchange.ipfs import find as find_sources
    from trainer.exchange.progress import bar
    from trainer.exchange.web import Patience

    if not sources or out is None:
        raise typer.BadParameter("where from, and where to? name both", param_hint="--from and --out")
    if (key is None) != (holdout is None):
        raise typer.BadParameter("they go together", param_hint="--key and --holdout")
    word, patience = _word(root, "--root"), Patience(timeout=timeout)
    found = [source for text in sources for source in find_sources(text, word, patience, gateway=gateway, api=api)]
    draw = None
    if key is not None and holdout is not None:
        draw = partial(_held, _word(key, "--key"), holdout=holdout)
    with bar() as progress:
        fetched = fetch_package(word, found, out, holdout=draw, patience=patience, progress=progress)
    for note in fetched.notes:
        typer.echo(f"note: {note}", err=True)
    outline = fetched.outline
    result = {
        "directory": str(out),
        "root": "0x" + word.hex(),
        "groups": outline.manifest.groups,
        "checked": len(outline.kept),
        "held_out": len(outline.holdout),
        "samples": len(outline.kept) * outline.manifest.group_size,
        "from_before": fetched.kept,
    }
    if json:
        _print_json(result | {"notes": fetched.notes})
        return
    _print_entries(result)
    output.print(f"Next: trainer train --dataset {out} --root 0x{word.hex()}")


def _accuracy(classes: integer.Uint8, y: integer.Uint8) -> float | None:
    return float((classes == y).mean()) if len(y) else None


def _percent(part: Any) -> str:
    return "-" if part is None else f"{100 * part:.2f} %"


def _print_json(result: dict[str, Any]) -> None:
    typer.echo(json_module.dumps(result))


def _print_entries(result: dict[str, Any]) -> None:
    width = max(map(len, result))
    for name, value in result.items():
        output.print(f"{name:{width}}  {value}", highlight=False)


def main() -> None:
    """Entry point of the `trainer` command."""
    app(prog_name="trainer")
