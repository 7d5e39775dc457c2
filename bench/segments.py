"""A network of the size of ResNet-20 against one false prediction: `python -m bench.segments` writes its results file.

20 layers of He et al., https://arxiv.org/abs/1512.03385, section 4.2, at 4 bits, with random weights: gas depends on
shapes, hardly on values. Where planes are halved the shortcut begins behind the first convolution, as the two paths of
the original have planes of different shapes; the mean over 8 x 8 is one over 2 x 2, and the head sees the rest.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tests.convolution_strategies import build as build_network
from tests.journeys.played import HOLDOUT, Played
from trainer import networks
from trainer.chain import TRANSACTION_CAP, Receipt, deploy_segmented_engine
from trainer.datasets import Dataset
from trainer.encode_segments import files_of, model_of
from trainer.package import Package, build
from trainer.quantise import Quantiser
from trainer.segments import cut, predict
from trainer.steps import Steps

RESULTS = Path(__file__).parent / "results" / "segments.json"
IMAGE = (32, 32, 3)
STAGES = (16, 32, 64)
BLOCKS = 3
# below these all sums stay: rows of 32 pixels take two words
NARROW = 2**13
GROUPS, SAMPLES = 4, 2


@dataclass(frozen=True)
class Segment:
    """One segment, and the transactions of it."""

    shape: str
    multiply_adds: int
    bytes: int
    register_gas: int
    step_gas: int
    step_execution_gas: int


def layers() -> list[dict[str, int]]:
    """The 19 convolutions."""
    found = [{"outputs": STAGES[0]}]
    for stage, outputs in enumerate(STAGES):
        for block in range(BLOCKS):
            halves = stage > 0 and block == 0
            found.append({"outputs": outputs, "halve": int(halves)})
            # layers count from 1, the sample is 0
            found.append({"outputs": outputs, "skip": len(found) - (not halves), "lift": 3})
    found[-1]["halve"] = 3
    return found


NETWORK = cut(build_network((3, 32, 32), layers(), classes=10, bound=NARROW, seed=1))


def package() -> Package:
    """Random images, all of which the network gets right, but those of class 0."""
    rng = np.random.default_rng(0)
    quantiser = Quantiser(bits=4, image_shape=IMAGE)
    features = rng.integers(0, 256, (GROUPS * SAMPLES, int(np.prod(IMAGE))), dtype=np.uint8)
    labels = predict(NETWORK, quantiser.apply(features))
    labels[0] = (labels[0] + 1) % 10
    names = tuple(map(str, range(10)))
    data = Dataset(name="noise", features=features, labels=labels, class_names=names, image_shape=IMAGE)
    return build(data, quantiser, group_size=SAMPLES, seed=0)


def lie(play: Played) -> list[bytes]:
    """What the network predicts, but for the last sample."""
    words = play.words()
    last = bytearray(words[-1])
    last[SAMPLES - 1] = (last[SAMPLES - 1] + 1) % play.classes
    return [*words[:-1], bytes(last)]


def main() -> None:
    files = files_of(NETWORK)
    sealed = {"ben": model_of(files)}
    play = Played(
        package(),
        deploy_segmented_engine,
        sealed,
        lambda x: predict(NETWORK, x),
        model_bytes=1024,
        segments=files,
    )
    steps = Steps(play.chain, play.engine.address, gas_limit=TRANSACTION_CAP)
    auditor, slot = play.accounts["auditor"], HOLDOUT - 1
    with play.chain.active():
        registered = list(steps.register(files, sender=play.accounts["ben"]))
        play.claim_and_unseal("ben", lie(play))
        taken = list(steps.run(NETWORK, play.groups[slot].x[SAMPLES - 1], sender=auditor))
        samples = {slot: play.client.holdout(play.id).samples[slot]}
        shown = play.client.unsealed(play.id)
        audit = play.client.audit(play.id, samples, 1 << SAMPLES - 1, shown, sender=auditor)
    assert audit.result is False, "the lie was not found"
    report = {
        "command": "python -m bench.segments",
        "multiply_adds": NETWORK.multiply_adds,
        "bytes": sum(map(len, files)),
        "segments": [
            asdict(segment(number, len(file), register, step))
            for number, (file, register, step) in enumerate(zip(files, registered, taken, strict=True))
        ],
        "audit_gas": audit.transaction_gas,
        "transactions": len(taken) + 1,
        "gas": sum(step.transaction_gas for step in taken) + audit.transaction_gas,
        "cap": TRANSACTION_CAP,
    }
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


def segment(number: int, size: int, register: Receipt, step: Receipt) -> Segment:
    return Segment(
        shape=networks.shape(NETWORK).split("|")[number],
        multiply_adds=NETWORK.segments[number].multiply_adds,
        bytes=size,
        register_gas=register.transaction_gas,
        step_gas=step.transaction_gas,
        step_execution_gas=step.execution_gas,
    )


if __name__ == "__main__":
    main()
