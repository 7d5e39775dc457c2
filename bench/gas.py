"""Gas of integer inference in the deployed engine, on trained networks: writes `results/gas.json`.

    python -m bench.gas

Gas is execution gas inside the call, all slots cold, read from the in-process EVM. `gas_per_sample` is what each sample
of a batch adds to a call that executes none, on random inputs of which half are zero; `all_in_gas_per_sample` is what a
real transaction pays (21,000, calldata, the EIP-7623 floor) for the largest batch of whole sets that fits a
transaction of 16,777,216 gas and 128 KiB.
"""

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trainer import datasets, fetch, integer, quantise, training
from trainer.chain import Chain, deploy, deploy_binary_engine, transaction_gas
from trainer.encode import encode, pack_samples
from trainer.presets import Preset, adapt, find
from trainer.samples import Samples, from_dataset

RESULTS = Path(__file__).parent / "results" / "gas.json"
TRANSACTION_CAP = 2**24
MEMPOOL_BYTES = 128 * 1024
PAYLOAD_BYTES = 124 * 1024
MOST_SAMPLES = 256
GWEI_PER_GAS = 1
FULL_EVALUATION = 1024

# dataset, preset, bits of inputs, weights and activations
NETS = (
    (datasets.FASHION_MNIST, "fashion-784-128", 4),
    (datasets.FASHION_MNIST, "fashion-784-32", 4),
    (datasets.FASHION_MNIST, "fashion-784-128", 8),
    (datasets.FASHION_MNIST, "fashion-196-64", 4),
    (datasets.FASHION_MNIST, "fashion-196-16", 4),
    (datasets.DIGITS, "digits-64-32", 4),
    (datasets.FASHION_MNIST, "fashion-784-128-binary", 1),
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One network; gas in units of gas, accuracy in [0, 1]."""

    net: str
    bits: str
    macs: int
    dataset: str
    accuracy: float
    model_bytes: int
    gas_per_sample: int
    gas_per_mac: float
    fixed_gas: int
    one_sample_gas: int
    validate_gas: int
    samples_per_tx: int
    all_in_gas_per_sample: int
    all_in_gas_per_mac: float
    ether_per_1024_samples: float


def preset(name: str, bits: int) -> Preset:
    """A preset of the trainer, in other bits, or 784-32-10 made from its wider sibling."""
    if name == "fashion-784-32":
        return adapt(find("fashion-784-64", datasets.FASHION_MNIST), hidden=(32,), bits=bits)
    chosen = find(name, datasets.DIGITS if name.startswith("digits") else datasets.FASHION_MNIST)
    return chosen if chosen.recipe.weight_bits == bits else adapt(chosen, hidden=None, bits=bits)


def measure(chain: Chain, engine: Any, network: integer.Network, rows: Samples, accuracy: float) -> Row:
    """All figures of one network."""
    sender = chain.account("bench", 10**18)
    model = encode(network)
    width, bits = network.widths[0], network.input_bits
    size = width * bits // 8

    def run(x: integer.Uint8, mask: int) -> tuple[int, int]:
        payload = model + pack_samples(x, bits)
        receipt = chain.send(engine.predict, payload, len(model), mask, sender=sender)
        expected = integer.predict(network, x)
        got = b"".join(receipt.result)
        assert all(got[i] == c for i, c in enumerate(expected) if mask >> i & 1), "the engine disagrees"
        return receipt.execution_gas, receipt.transaction_gas

    rng = np.random.default_rng(0)
    fits = min(MOST_SAMPLES, (PAYLOAD_BYTES - len(model)) // size)
    # the engine runs samples in sets: a part of a set costs as much as a whole one
    whole_set = 24 if max(bits, network.weight_bits, network.activation_bits) > 4 else 16
    batch = min(64, fits) // whole_set * whole_set
    noise = rng.integers(0, 2**bits, (batch, width)).astype(np.uint8)
    noise[rng.random(noise.shape) < 0.5] = 0
    whole, fixed, one = (run(noise, mask)[0] for mask in ((1 << batch) - 1, 0, 1))
    slope = (whole - fixed) / batch
    validate = chain.send(engine.validate, model, size, bits, network.classes, sender=sender).execution_gas

    # the largest batch of real samples, in whole sets, that a transaction holds
    count = fits // whole_set * whole_set
    while True:
        x = rows.test_x[:count]
        execution, gas = run(x, (1 << count) - 1)
        data = engine.predict.prepare_calldata(model + pack_samples(x, bits), len(model), (1 << count) - 1)
        assert gas == transaction_gas(bytes(data), execution, 0)
        if gas <= TRANSACTION_CAP and len(data) <= MEMPOOL_BYTES - 1024:
            break
        count = min(count - 1, int(count * TRANSACTION_CAP / gas)) // whole_set * whole_set
    macs = network.multiply_adds
    return Row(
        net="-".join(map(str, network.widths)),
        bits=f"{bits}/{network.weight_bits}/{network.activation_bits}",
        macs=macs,
        dataset=rows.name,
        accuracy=accuracy,
        model_bytes=len(model),
        gas_per_sample=round(slope),
        gas_per_mac=round(slope / macs, 3),
        fixed_gas=fixed,
        one_sample_gas=one,
        validate_gas=validate,
        samples_per_tx=count,
        all_in_gas_per_sample=gas // count,
        all_in_gas_per_mac=round(gas / count / macs, 3),
        ether_per_1024_samples=round(gas / count * FULL_EVALUATION * GWEI_PER_GAS / 1e9, 6),
    )


def main() -> None:
    """Train each network, measure it, write the file."""
    fetch.fetch()
    chain = Chain()
    rows: list[Row] = []
    with chain.active():
        engine, binary = deploy(min_window=3600).engine, deploy_binary_engine()
        for dataset, name, bits in NETS:
            chosen = preset(name, bits)
            loaded = datasets.load(dataset)
            quantiser = quantise.fit(loaded, bits=bits, pooled=chosen.pooled, rows=loaded.split()[0])
            samples = from_dataset(loaded, quantiser)
            # the wide networks of 4 bits take the long schedule of few bits
            recipe = chosen.recipe if bits != 4 else replace(chosen.recipe, quantised_rate=1e-3)
            result = training.train(samples.x, samples.y, recipe=recipe, seed=0, classes=samples.classes)
            accuracy = float((integer.predict(result.network, samples.test_x) == samples.test_y).mean())
            row = measure(chain, binary if bits == 1 else engine, result.network, samples, accuracy)
            rows.append(row)
            print(json.dumps(asdict(row)), file=sys.stderr)
    report = {"command": "make bench-gas", "rows": [asdict(row) for row in rows]}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
