"""Settings of every test: reproducible draws, JAX on the CPU, a chain whose clock starts at one fixed moment."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# before anything imports JAX, so that a machine with an accelerator runs the same tests
os.environ.setdefault("JAX_PLATFORMS", "cpu")

CHAIN_START = 1_750_000_000

_common = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=30, stateful_step_count=30, derandomize=True, **_common)
settings.register_profile("ci", max_examples=200, stateful_step_count=50, derandomize=True, **_common)
settings.register_profile("deep", max_examples=2000, stateful_step_count=100, **_common)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where fuzz/ calls the market, and coverage of contracts; titanoboa brings `--gas-profile`."""
    parser.addoption("--backend", choices=("boa", "native"), help="of the market's fuzzing: titanoboa, or revm")
    parser.addoption("--contract-coverage", action="store_true", help="print lines and branches of contracts executed")
    parser.addoption("--contract-coverage-json", metavar="FILE", type=Path, help="and write them to a file")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the profile `quick` unless another is asked for, and stop the wall clock from reaching the chain."""
    if config.getoption("--hypothesis-profile", default=None) is None:
        settings.load_profile("quick")
    backend = config.getoption("--backend")
    if backend is not None:
        os.environ["ASSAY_FUZZ_BACKEND"] = backend
    boa = sys.modules.get("boa")
    if boa is not None:
        boa.env.timestamp = CHAIN_START
    if config.getoption("--gas-profile"):
        from fuzz.gas import profile_everywhere

        profile_everywhere()
    if config.getoption("--contract-coverage"):
        from fuzz.coverage import Plugin

        # workers send what they saw, and the controller writes
        file = None if hasattr(config, "workerinput") else config.getoption("--contract-coverage-json")
        config.pluginmanager.register(Plugin(file))
