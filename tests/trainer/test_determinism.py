"""The digest of an evaluation: compiled or not, on 1 device or 8, in any batches and any process, in x64 or not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.strategies import random_group, random_network
from trainer import integer, integer_jax
from trainer.integer import Layer, Network

ROOT = Path(__file__).resolve().parents[2]
COUNT = 13

# what another process runs: one line of JSON, from a network to its digests on 1 device, on 8, and in batches of 5
ELSEWHERE = """
import json, jax
from tests.trainer import test_determinism as here
from trainer import integer, integer_jax

def digests(network, samples):
    ways = {"1": {}, "8": {"devices": jax.devices()}, "8 in batches": {"devices": jax.devices(), "batch": 5}}
    return {way: integer.digest(integer_jax.predict(network, samples, **how)) for way, how in ways.items()}

found = {name: digests(*case) for name, case in here.cases().items()}
print(json.dumps({"devices": len(jax.devices()), "x64": jax.config.jax_enable_x64, "digests": found}))
"""


def nearly_2_to_the_24() -> tuple[Network, integer.Uint8]:
    """Logits just below 2**24 that differ by little: a sum in fewer than 24 bits errs."""
    weights = np.full((256, 10), 127, np.int64)
    weights[1::2] = -127
    # an input of its own for each class
    weights[range(0, 20, 2), range(10)] = 126
    room = integer.MAX_ACCUMULATOR - 1 - 256 * 127 * 255
    layer = Layer(weights=weights, bias=room - np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3]), shift=None)
    samples = np.full((COUNT, 256), 255, np.uint8)
    samples[:, :20:2] -= np.random.default_rng(0).integers(0, 8, (COUNT, 10), np.uint8)
    return Network(layers=(layer,), input_bits=8, activation_bits=8, weight_bits=8), samples


def ties() -> tuple[Network, integer.Uint8]:
    """Classes that tie in pairs, so that the lowest index decides."""
    network = random_network((64, 9, 3), weight_bits=2)
    samples = random_group(network, COUNT)
    first, last = network.layers
    middle = np.median(integer.logits(network, samples), axis=0).astype(np.int64)
    twice = Layer(weights=np.repeat(last.weights, 2, axis=1), bias=np.repeat(last.bias - middle, 2), shift=None)
    return Network(layers=(first, twice), input_bits=4, activation_bits=4, weight_bits=2), samples


def cases() -> dict[str, tuple[Network, integer.Uint8]]:
    """Networks with samples for each."""
    wide = random_network((200, 31, 20, 10), input_bits=8, activation_bits=8, weight_bits=8)
    return {"wide": (wide, random_group(wide, COUNT)), "ties": ties(), "24 bits": nearly_2_to_the_24()}


@pytest.fixture(scope="module", params=cases())
def case(request: pytest.FixtureRequest) -> tuple[Network, integer.Uint8, str]:
    network, samples = cases()[request.param]
    classes = integer.predict(network, samples)
    assert len(set(classes.tolist())) > 1, "one class for all would hide much"
    return network, samples, integer.digest(classes)


def test_it_does_not_depend_on_compilation(case: tuple[Network, integer.Uint8, str]) -> None:
    network, samples, expected = case
    assert integer.digest(integer_jax.predict(network, samples)) == expected
    with jax.disable_jit():
        assert integer.digest(integer_jax.predict(network, samples)) == expected


def test_it_does_not_depend_on_the_batch(case: tuple[Network, integer.Uint8, str]) -> None:
    network, samples, expected = case
    for batch in range(1, COUNT + 2):
        assert integer.digest(integer_jax.predict(network, samples, batch=batch)) == expected, batch


@pytest.mark.parametrize("x64", [False, True])
def test_it_does_not_depend_on_process_devices_or_wide_types(x64: bool) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": str(int(x64)),
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
    }
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["devices"], report["x64"]) == (8, x64)
    for name, (network, samples) in cases().items():
        expected = integer.digest(integer.predict(network, samples))
        assert report["digests"][name] == dict.fromkeys(("1", "8", "8 in batches"), expected), name
