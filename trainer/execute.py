"""Groups of a package through the contract itself, on a chain of their own, and what NumPy and JAX say to them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boa

from trainer import integer, networks
from trainer.chain import (
    Chain,
    deploy_binary_engine,
    deploy_convolution_engine,
    deploy_engine,
    deploy_segmented_engine,
)
from trainer.convolution import ConvolutionalNetwork
from trainer.encode import classes_of
from trainer.encode_segments import files_of
from trainer.errors import ChainError
from trainer.integer import Uint8
from trainer.networks import AnyNetwork
from trainer.package import Group
from trainer.segments import SegmentedNetwork
from trainer.steps import Steps

BALANCE = 10**18


@dataclass(frozen=True, kw_only=True)
class Executed:
    """One group, as the contract ran it.

    group:           its index.
    classes:         what the contract predicts, uint8, shape (S,).
    right:           how many of these are the group's labels.
    execution_gas:   gas of the call that runs all of its samples, all slots cold; of a network in segments, of all
                     steps and the call that follows them.
    transaction_gas: what that call, or these, would pay as transactions.
    """

    group: int
    classes: Uint8
    right: int
    execution_gas: int
    transaction_gas: int


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What the contract made of a network.

    validate_gas: execution gas of its check of the model, segments included.
    sample_gas:   gas that it promises one sample takes at most.
    groups:       in the order asked for.
    """

    validate_gas: int
    sample_gas: int
    groups: tuple[Executed, ...]


def execute(network: AnyNetwork, groups: Sequence[Group], *, classes: int) -> Execution:
    """Have the engine for this network validate it and run every sample of `groups`.

    classes: of the challenge, which the engine requires of the network, too.

    Raises `ChainError` where the engine refuses the model, or where it, NumPy and JAX do not predict the same: the
    message names the first sample.
    """
    model, chain = networks.model_of(network), Chain()
    sender = chain.account("evaluator", BALANCE)
    sample_bytes = network.inputs * network.input_bits // 8
    with chain.active(), _reasons():
        engine = _deploy(network)
        cut = network if isinstance(network, SegmentedNetwork) else None
        steps = Steps(chain, engine.address) if cut else None
        checks = list(steps.register(files_of(cut), sender=sender)) if cut and steps else []
        checks.append(chain.send(engine.validate, model, sample_bytes, network.input_bits, classes, sender=sender))
        done = []
        for group in groups:
            count = len(group.y)
            receipts = [one for x in group.x for one in steps.run(cut, x, sender=sender)] if cut and steps else []
            every = (1 << count) - 1
            receipts.append(chain.send(engine.predict, model + group.samples, len(model), every, sender=sender))
            found = classes_of(receipts[-1].result[0], count)
            _compare(network, group, found)
            done.append(
                Executed(
                    group=group.index,
                    classes=found,
                    right=int((found == group.y).sum()),
                    execution_gas=sum(receipt.execution_gas for receipt in receipts),
                    transaction_gas=sum(receipt.transaction_gas for receipt in receipts),
                )
            )
    validate_gas = sum(receipt.execution_gas for receipt in checks)
    return Execution(validate_gas=validate_gas, sample_gas=int(checks[-1].result), groups=tuple(done))


def _deploy(network: AnyNetwork) -> Any:
    """The engine for a network."""
    if isinstance(network, SegmentedNetwork):
        return deploy_segmented_engine()
    if isinstance(network, ConvolutionalNetwork):
        return deploy_convolution_engine()
    return deploy_binary_engine() if network.weight_bits == integer.BINARY else deploy_engine()


@contextmanager
def _reasons() -> Iterator[None]:
    """A call that reverts says so in a sentence."""
    try:
        yield
    except boa.BoaError as error:
        reason = getattr(error.stack_trace.last_frame, "pretty_vm_reason", error.stack_trace.last_frame)
        raise ChainError(f"the contract refuses the model ({reason}); train one for this package") from error


def _compare(network: AnyNetwork, group: Group, found: Uint8) -> None:
    """Raise `ChainError` at the first sample for which the three differ."""
    plain, compiled = networks.predict(network, group.x), networks.predict_jax(network, group.x)
    differ = (found != plain) | (found != compiled)
    if differ.any():
        sample = int(differ.argmax())
        raise ChainError(
            f"group {group.index}, sample {sample}: the contract predicts class {found[sample]}, NumPy "
            f"{plain[sample]}, JAX {compiled[sample]}; one of them computes wrongly: run `make test` on this machine"
        )
