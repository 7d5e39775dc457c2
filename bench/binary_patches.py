"""What binary convolutions would take at the least: `python -m bench.binary_patches` writes its results file.

A kernel of 3 x 3 over C channels of one bit is a row of 9 C bits, which the binary engine counts as it does any row:
gas of a further set of 16 samples, per multiply-add. To gather the bits of a patch from its planes comes on top.
"""

import json
from pathlib import Path

import numpy as np

from fuzz.backends import Revm
from fuzz.engine.subject import Engine, engine_on
from tests.binary_strategies import binary_network
from trainer.encode import encode, pack_samples

RESULTS = Path(__file__).parent / "results" / "binary_patches.json"
CHANNELS = (8, 16, 32, 64, 128, 256)
OUTPUTS, CLASSES = 64, 2
SET = 16


def gas_per_mac(engine: Engine, channels: int) -> float:
    inputs = 9 * channels
    network = binary_network((inputs, OUTPUTS, CLASSES))
    model, samples = encode(network), np.random.default_rng(0).integers(0, 2, (2 * SET, inputs)).astype(np.uint8)
    calls = []
    for count in (SET, 2 * SET):
        payload = model + pack_samples(samples[:count], 1)
        calls.append(engine.call("predict", payload, len(model), (1 << count) - 1))
    assert all(done.reason is None for done in calls), calls
    return (calls[1].gas - calls[0].gas) / SET / (inputs * OUTPUTS + OUTPUTS * CLASSES)


def main() -> None:
    engine = engine_on(Revm.name, "binary")
    rows = [{"channels": c, "bits": 9 * c, "gas_per_mac": round(gas_per_mac(engine, c), 2)} for c in CHANNELS]
    report = {"command": "python -m bench.binary_patches", "outputs": OUTPUTS, "rows": rows}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
