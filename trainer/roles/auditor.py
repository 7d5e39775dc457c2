"""The auditor: computes what the candidate should have predicted, and has the chain execute what proves it."""

from collections.abc import Iterator
from dataclasses import dataclass

from eth_hash.auto import keccak

from trainer import networks
from trainer.chain import Receipt
from trainer.client import Unsealed
from trainer.encode import unpack_samples
from trainer.encode_segments import files_of, hashes_in, joined
from trainer.errors import ChainError
from trainer.fingerprints import identify
from trainer.networks import AnyNetwork
from trainer.protocol import Phase, Terms
from trainer.roles import scoring
from trainer.roles.desk import Desk
from trainer.segments import SegmentedNetwork
from trainer.steps import Steps

SLOTS = 8
"""Groups in one audit."""
PAYLOAD = 124 * 1024
"""Bytes of model and samples in one audit."""
OVERHEAD = 600_000
"""Gas of an audit that is not its samples: the market's work, and the engine's fixed part; calldata comes on top."""
STEP = 100_000
"""Gas of a step that is not its segment's: the hashes, and what is remembered."""
INTRINSIC = 21_000
CALLDATA_GAS = 16
REGISTERED = keccak(b"Registered(bytes32,bytes)")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a re-execution of an unsealed model comes to.

    network: the model.
    samples: how many were compared.
    lies:    by slot, a mask of false predictions.
    """

    network: AnyNetwork
    samples: int
    lies: dict[int, int]

    @property
    def false(self) -> int:
        """How many predictions are false."""
        return sum(mask.bit_count() for mask in self.lies.values())


def network_shown(desk: Desk, challenge: int) -> AnyNetwork:
    """The candidate's network: unsealed, and of one in segments what was registered with its engine."""
    shown, terms = desk.index.unsealed(challenge), desk.index.challenge(challenge).terms
    if identify(terms.engine, desk.chain.rpc.code) != "SegmentedEngine":
        return networks.read(shown.model)
    head = desk.chain.rpc.head().number
    files = []
    for digest in hashes_in(shown.model):
        logs = desk.chain.rpc.every_log(terms.engine, desk.settings.first_block, head, topics=[REGISTERED, digest])
        if not logs:
            raise ChainError(f"segment 0x{digest.hex()} of challenge {challenge} is not registered; wait")
        # offset, length, bytes
        data = logs[0].data
        files.append(data[64 : 64 + int.from_bytes(data[32:64])])
    return networks.read(joined(shown.model, tuple(files)))


def check(desk: Desk, challenge: int) -> Finding:
    """Compare every prediction of the candidate with what his model says, on this machine."""
    found = desk.require(challenge, Phase.AUDIT, "audit")
    network = network_shown(desk, challenge)
    classes = scoring.predict(network, desk.index.holdout(challenge), found.terms)
    lies = scoring.lies(classes, desk.index.unsealed(challenge), found.terms)
    return Finding(network=network, samples=sum(map(len, classes.values())), lies=lies)


def proof_gas(desk: Desk, challenge: int, network: AnyNetwork) -> int:
    """Gas that proving one false prediction takes at most, in as many transactions as it needs.

    Of a network in segments, every step of the sample is counted: somebody may have taken some before.
    """
    shown, terms = desk.index.unsealed(challenge), desk.index.challenge(challenge).terms
    gas = _transaction(len(shown.model) + terms.samples * terms.sample_bytes) + OVERHEAD + shown.cost
    if isinstance(network, SegmentedNetwork):
        engine = desk.chain.contract("SegmentedEngine", terms.engine)
        with desk.chain.active():
            for file in files_of(network):
                segment = engine.segment_of(keccak(file))
                gas += _transaction(len(file) + segment.input_bytes) + STEP + segment.gas
    return gas


def _transaction(size: int) -> int:
    return INTRINSIC + CALLDATA_GAS * size


def prove(desk: Desk, challenge: int, finding: Finding) -> Receipt:
    """Have the chain execute one false prediction. Raises `ChainError` where there is none."""
    if not finding.lies:
        raise ChainError(
            f"every prediction for challenge {challenge} is what the model says: there is nothing to prove"
        )
    slot, mask = next(iter(finding.lies.items()))
    receipt = _audit(desk, challenge, finding.network, {slot: mask & -mask})
    if receipt.result:
        raise ChainError(
            f"slot {slot}: the engine contradicts this machine, which found a false prediction; run `make test` here"
        )
    return receipt


def execute(desk: Desk, challenge: int) -> Iterator[tuple[dict[int, int], Receipt]]:
    """Have the chain execute every sample that it has not yet, in as few transactions as they fit; masks by slot."""
    found = desk.require(challenge, Phase.AUDIT, "audit")
    shown, network = desk.index.unsealed(challenge), network_shown(desk, challenge)
    for masks in plan(found.terms, shown, found.executed(shown.seal), gas_cap=desk.settings.gas_cap):
        receipt = _audit(desk, challenge, network, masks)
        yield masks, receipt
        if not receipt.result and not desk.chain.dry:
            raise ChainError(
                f"slots {', '.join(map(str, masks))}: the engine contradicts this machine, which found every "
                "prediction right; run `make test` here"
            )


def plan(terms: Terms, shown: Unsealed, done: dict[int, int], *, gas_cap: int) -> list[dict[int, int]]:
    """Audits of all samples that were not executed: masks by slot, each within a transaction's gas, bytes and slots.

    done: by slot, a mask of what was executed.
    """
    every, group = (1 << terms.samples) - 1, terms.samples * terms.sample_bytes
    budget = gas_cap - gas_cap // 10 - OVERHEAD - CALLDATA_GAS * len(shown.model)
    audits: list[dict[int, int]] = []
    left = 0
    for slot in range(terms.holdout):
        missing = every & ~done.get(slot, 0)
        while missing:
            if not audits or len(audits[-1]) == SLOTS or slot in audits[-1] or not _fits(audits[-1], shown, group):
                audits.append({})
                left = budget
            count = max((left - CALLDATA_GAS * group) // max(shown.cost, 1), 0)
            if count == 0 and audits[-1]:
                audits.append({})
                left = budget
                continue
            chosen = _lowest(missing, max(count, 1))
            audits[-1][slot] = chosen
            missing &= ~chosen
            left -= CALLDATA_GAS * group + shown.cost * chosen.bit_count()
    return audits


def _fits(masks: dict[int, int], shown: Unsealed, group: int) -> bool:
    return len(shown.model) + (len(masks) + 1) * group <= PAYLOAD


def _lowest(mask: int, count: int) -> int:
    """The lowest `count` bits of a mask."""
    chosen = 0
    while mask and count:
        chosen |= mask & -mask
        mask &= mask - 1
        count -= 1
    return chosen


def _audit(desk: Desk, challenge: int, network: AnyNetwork, masks: dict[int, int]) -> Receipt:
    terms, holdout = desk.index.challenge(challenge).terms, desk.index.holdout(challenge)
    if isinstance(network, SegmentedNetwork):
        # the engine answers once every step of a sample was taken
        steps, taken = Steps(desk.chain, terms.engine), list[Receipt]()
        for slot, bits in masks.items():
            rows = unpack_samples(holdout.samples[slot], terms.samples, terms.input_bits)
            for x in rows[[i for i in range(terms.samples) if bits >> i & 1]]:
                taken.extend(steps.run(network, x, sender=desk.me))
        if desk.chain.dry and taken:
            # the audit needs the steps that were only estimated
            return taken[-1]
    mask = sum(bits << (place * terms.samples) for place, bits in enumerate(masks.values()))
    groups = {slot: holdout.samples[slot] for slot in masks}
    return desk.client.audit(challenge, groups, mask, desk.index.unsealed(challenge), sender=desk.me)
