"""Weights from calldata against weights from code: `python -m bench.weights_from_code` writes its results file.

A model can travel with every audit, checked against its hash, or be stored once as the code of contracts that do
nothing (up to 24,575 bytes each, behind a byte that stops) and be copied from there. Storing costs 200 gas a byte and
32,000 a contract, carrying 16 a byte and audit (40 where the EIP-7623 floor binds, which it does not in an audit that
executes much). Break-even is the number of audits from which storing is cheaper, with all else equal.

All else is not: calldata that is no model can be samples. So the file also has, for 1,024 samples, how many audits
there are with either, estimated from the real engine's gas, and what the weights cost in all of them.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import boa
import numpy as np

from bench.gas import FULL_EVALUATION, MEMPOOL_BYTES, MOST_SAMPLES, PAYLOAD_BYTES
from tests.strategies import random_network
from trainer.chain import TRANSACTION_CAP, Chain, deploy_engine, floor_gas, intrinsic_gas
from trainer.encode import encode, pack_samples

RESULTS = Path(__file__).parent / "results" / "weights_from_code.json"
CHUNK = 24_575
# samples that the engine's gas is measured on, where as many fit
BATCH = 48
# gas of an audit besides samples, calldata and the engine, see `results/evaluation.json`
MARKET = 550_000
BITS = (4, 8)
WIDTHS = ((784, 32, 10), (784, 128, 10))

SOURCE = """
# pragma version 0.4.3
# pragma optimize gas

# returns what is behind these 11 bytes as code; its first byte stops
PREFIX: constant(Bytes[12]) = x"600b5981380380925939f300"

@external
def store(part: Bytes[24575]) -> address:
    return raw_create(concat(PREFIX, part))

@external
@view
def carried(model: Bytes[131072]) -> bytes32:
    return keccak256(model)
"""

# Vyper copies code only in lengths known to the compiler: a reader for each model
READER = """
# pragma version 0.4.3
# pragma optimize gas

@external
@view
def copied(parts: DynArray[address, 5]) -> uint256:
    read: uint256 = 0
"""


def reader(lengths: list[int]) -> Any:
    """A contract that copies parts of these lengths into memory."""
    lines = [
        line
        for i, length in enumerate(lengths)
        for line in (
            f"    part{i}: Bytes[{length}] = slice(parts[{i}].code, 1, {length})",
            f"    read += len(part{i})",
        )
    ]
    return boa.loads(READER + "\n".join([*lines, "    return read"]) + "\n")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One network; gas.

    stored:          once, inside a transaction that has the model already (the unsealing).
    carried, copied: of an audit, by the weights alone; carried under 16 and 4 a byte of calldata.
    break_even:      audits from which storing is cheaper; `at_floor` where calldata costs 40 and 10.
    audits_*:        transactions for 1,024 samples.
    weights_*:       gas of the weights in all of them, storing included.
    """

    net: str
    bits: int
    model_bytes: int
    contracts: int
    stored: int
    carried: int
    copied: int
    break_even: float
    break_even_at_floor: float
    audits_calldata: int
    audits_code: int
    weights_calldata: int
    weights_code: int


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Gas of a sample in the engine, of a call without any, of a sample as calldata; how many fit beside the model."""

    gas: float
    fixed: int
    calldata: float
    fit: int


def samples(chain: Chain, engine: Any, model: bytes, bits: int) -> Samples:
    """Measure samples of which half of the inputs are zero, in whole octets."""
    fit = (PAYLOAD_BYTES - len(model)) // (784 * bits // 8)
    count = min(BATCH, fit) // 8 * 8
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2**bits, (count, 784), dtype=np.uint8)
    x[rng.random(x.shape) < 0.5] = 0
    data = pack_samples(x, bits)
    sender = chain.account("bench")
    whole, fixed = (
        chain.send(engine.predict, model + data, len(model), mask, sender=sender).execution_gas
        for mask in (2**count - 1, 0)
    )
    calldata = intrinsic_gas(data) - intrinsic_gas(b"")
    return Samples(gas=(whole - fixed) / count, fixed=fixed, calldata=calldata / count, fit=fit)


def audits(run: Samples, fit: int, weights: int) -> int:
    """Transactions for 1,024 samples."""
    room = TRANSACTION_CAP - intrinsic_gas(b"") - MARKET - run.fixed - weights
    return -(-FULL_EVALUATION // min(MOST_SAMPLES, fit, int(room / (run.gas + run.calldata))))


def measure(chain: Chain, store: Any, engine: Any, widths: tuple[int, ...], bits: int) -> Row:
    """All figures of one network."""
    model = encode(random_network(widths, input_bits=bits, activation_bits=bits, weight_bits=bits))
    sender = chain.account("bench")
    parts = [model[i : i + CHUNK] for i in range(0, len(model), CHUNK)]
    receipts = [chain.send(store.store, part, sender=sender) for part in parts]
    for part, receipt in zip(parts, receipts, strict=True):
        assert chain.env.get_code(receipt.result) == b"\0" + part
    stored = sum(receipt.execution_gas for receipt in receipts)
    # what a call costs without a model, which both ways share
    nothing = chain.send(store.carried, b"", sender=sender)
    carried = chain.send(store.carried, model, sender=sender)
    execution = carried.execution_gas - nothing.execution_gas
    calldata = intrinsic_gas(carried.calldata) - intrinsic_gas(nothing.calldata)
    at_floor = floor_gas(carried.calldata) - floor_gas(nothing.calldata)
    addresses = [receipt.result for receipt in receipts]
    read = chain.send(reader([len(part) for part in parts]).copied, addresses, sender=sender)
    assert read.result == len(model)
    idle = chain.send(reader([]).copied, [], sender=sender)
    copied = read.execution_gas - idle.execution_gas + intrinsic_gas(read.calldata) - intrinsic_gas(idle.calldata)

    run = samples(chain, engine, model, bits)
    by_calldata = audits(run, run.fit, execution + calldata)
    by_code = audits(run, (MEMPOOL_BYTES - 1024) // (784 * bits // 8), copied)
    return Row(
        net="-".join(map(str, widths)),
        bits=bits,
        model_bytes=len(model),
        contracts=len(parts),
        stored=stored,
        carried=execution + calldata,
        copied=copied,
        break_even=round(stored / (execution + calldata - copied), 1),
        break_even_at_floor=round(stored / (execution + at_floor - copied), 1),
        audits_calldata=by_calldata,
        audits_code=by_code,
        weights_calldata=by_calldata * (execution + calldata),
        weights_code=stored + by_code * copied,
    )


def main() -> None:
    """Measure every network, write the file."""
    chain = Chain()
    with chain.active():
        store, engine = boa.loads(SOURCE), deploy_engine()
        rows = [measure(chain, store, engine, widths, bits) for widths in WIDTHS for bits in BITS]
    report = {"command": "python -m bench.weights_from_code", "rows": [asdict(row) for row in rows]}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
