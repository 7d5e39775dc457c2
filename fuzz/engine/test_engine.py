"""The quick slice: some hundred models and mutants, drawn as `make fuzz-engine` draws its thousands, and counted."""

from functools import cache
from random import Random

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from fuzz.backends import Boa, Revm
from fuzz.engine.check import agree, judge
from fuzz.engine.mutants import MUTATIONS, Base
from fuzz.engine.networks import Case, make_case
from fuzz.engine.reached import Reached
from fuzz.engine.run import Found, one_model, one_mutant, run, wanted
from fuzz.engine.shrink import candidates, describe, shrink
from fuzz.engine.subject import DENSE, SUBJECTS, Engine, Subject, calldata, engine_on
from trainer.encode import pack_samples

SEED = 1
MODELS = 200
MUTANTS = 720
# too rare for so few: a full run counts them
RARE = ("terms", "event", "rows", "classes", "slots", "end of", "tail bits", "threshold", "neurons")
# small ones, as the first machine is slow: with words, a quarter, several slots; with lanes of 16, 10 and 8
ON_BOTH_MACHINES = {"dense": (29, 37, 42, 72), "binary": (3, 25, 46, 66)}
subjects = pytest.mark.parametrize("subject", SUBJECTS.values(), ids=lambda subject: subject.name)


@cache
def walked(subject: Subject) -> Found:
    return run(subject, SEED, MODELS, MUTANTS)


@cache
def engine_of(subject: Subject) -> Engine:
    return engine_on(Revm.name, subject.name)


@subjects
def test_engine_and_specification_agree(subject: Subject) -> None:
    assert not (failures := walked(subject).failures), "\n".join(failures)


@subjects
def test_enough_was_reached(subject: Subject) -> None:
    reached = walked(subject).reached
    demanded = {name: values for name, values in wanted(subject).items() if not name.startswith(RARE)}
    assert not reached.missing(demanded), reached.table()
    assert {value for name, value in reached if name == "refusal"} <= subject.reasons


@subjects
@given(number=st.integers(0, 5000), rng=st.randoms(use_true_random=False))
def test_models_that_hypothesis_draws(subject: Subject, number: int, rng: Random) -> None:
    case = make_case(subject, rng, number)
    note(describe(case.network))
    agree(subject, engine_of(subject), case)


@subjects
@given(number=st.integers(0, 5000), kind=st.sampled_from(sorted(MUTATIONS)), rng=st.randoms(use_true_random=False))
def test_mutants_that_hypothesis_draws(subject: Subject, number: int, kind: str, rng: Random) -> None:
    first, second = (make_case(subject, rng, n, small=True).network for n in (number, number + 1))
    model = MUTATIONS[kind](Base(subject.encode(first), first, second, subject, rng))
    note(f"{describe(first)}: {model.hex()}")
    judge(subject, engine_of(subject), model, rng, Reached())


@subjects
def test_two_machines_give_the_same_bytes_for_the_same_gas(subject: Subject) -> None:
    """revm runs what titanoboa's machine runs: validate, predict and logits, answered and refused."""
    native, slow = (engine_on(backend, subject.name).machine for backend in (Revm.name, Boa.name))
    for number in ON_BOTH_MACHINES[subject.name]:
        network, samples, mask = (
            (case := make_case(subject, Random(number), number)).network,
            case.samples[:17],
            case.mask,
        )
        model, packed = subject.encode(network), pack_samples(samples, network.input_bits)
        size = len(packed) // len(samples)
        for data in (
            calldata("validate", model, size, network.input_bits, network.classes),
            calldata("validate", model + b"\0", size, network.input_bits, network.classes),
            calldata("predict", model + packed, len(model), mask & (1 << len(samples)) - 1),
            calldata("predict", model + packed, len(model) + 1, 1 << 255),
            calldata("logits", model, packed[:size], 0),
        ):
            assert native.call(data) == slow.call(data)


def test_the_machine_says_how_a_call_ended() -> None:
    data = calldata("cost", b"ASAY")
    for backend in (Revm.name, Boa.name):
        machine = engine_on(backend, "dense").machine
        assert machine.call(data).reason == "engine: model too short"
        done = machine.call(data, gas=5000)
        assert done.halted.startswith("OutOfGas")
        assert done.reason == ""


def test_the_same_numbers_give_the_same_cases() -> None:
    first, second = (make_case(DENSE, Random("again"), 12) for _ in range(2))
    assert first.tags == second.tags
    assert first.samples.tolist() == second.samples.tolist()
    assert DENSE.encode(first.network) == DENSE.encode(second.network)
    found = [Reached(), Reached()]
    for reached in found:
        one_model(DENSE, engine_of(DENSE), 5, 33, reached)
        one_mutant(DENSE, engine_of(DENSE), 5, 33, reached)
    assert found[0] == found[1]


def test_a_failing_case_becomes_small() -> None:
    """A fault that needs three inputs, two hidden neurons and the weight in between."""
    case = make_case(DENSE, Random(1), 48)

    def fails(c: Case) -> bool:
        return c.network.widths[0] >= 3 and max(c.network.widths[1:-1], default=0) >= 2 and bool(c.samples.any())

    assert len(case.network.layers) > 1
    small = shrink(case, fails)
    assert fails(small)
    assert not any(fails(c) for c in candidates(small))
    assert len(small.samples) == 1
    assert small.network.widths[1:] < (4, 4)
