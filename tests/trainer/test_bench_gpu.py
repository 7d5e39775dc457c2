"""`bench.gpu` where there is no accelerator: it says so, and what it would do there works here."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import gpu
from tests.trainer.test_checkpoint import BINARY, rows
from trainer import integer, integer_jax

ROOT = Path(__file__).resolve().parents[2]


def test_without_an_accelerator_it_says_so_and_writes_nothing() -> None:
    before = gpu.RESULTS.read_bytes() if gpu.RESULTS.exists() else None
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-m", "bench.gpu"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "no accelerator\n"), done.stderr
    assert (gpu.RESULTS.read_bytes() if gpu.RESULTS.exists() else None) == before


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "recipes", lambda: {"quick": (replace(BINARY, validation=0.0), *rows(1))})


@pytest.mark.usefixtures("quick")
def test_it_measures_what_it_names() -> None:
    found = gpu.report(rows=40, seeds=(1,))
    assert gpu.differences(found) == []
    assert len(found["digests"]) == len(gpu.hard_cases(1))
    (row,) = found["training"]
    assert row["epochs"] == BINARY.quantised_epochs
    assert [entry["seeds"] for entry in row["seeds"]] == [1]
    assert min(row["full_seconds"], row["bfloat16_seconds"], row["cpu_seconds"]) > 0


def test_hard_cases_come_near_the_bound_and_use_more_than_one_class() -> None:
    for network, x in gpu.hard_cases(40).values():
        bound = max(int(integer.accumulator_bounds(layer, 8).max()) for layer in network.layers)
        assert bound > integer.MAX_ACCUMULATOR * 0.9
        assert len(set(integer.predict(network, x).tolist())) > 1


def test_one_other_class_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    true = integer_jax.predict

    def spoilt(network: integer.Network, x: np.ndarray, **options: object) -> np.ndarray:
        classes = true(network, x, **options)
        if options.get("batch"):
            classes[-1] ^= 1
        return classes

    monkeypatch.setattr(integer_jax, "predict", spoilt)
    found = {"digests": gpu.digests(20), "forward_errors": 2}
    assert gpu.differences(found) == [
        "784-128-10: batches of 1000 predicts otherwise than NumPy",
        "4096-64-10: batches of 1000 predicts otherwise than NumPy",
        "quantised phase: 2 logits are not those of the integer network",
    ]
