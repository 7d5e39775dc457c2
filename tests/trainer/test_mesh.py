"""Training on several devices: of one process, and of two that talk; and what of it is equal."""

import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

from tests.trainer import test_checkpoint
from tests.trainer.test_checkpoint import rows
from tests.trainer.test_cli import refused
from tests.trainer.test_cli import run as cli
from trainer import devices, integer, training
from trainer.encode import decode, encode
from trainer.models import FloatMLP
from trainer.phase import Phase, Plan, _epoch, place
from trainer.presets import PRESETS
from trainer.training import TrainResult, train, train_seeds

ROOT = Path(__file__).resolve().parents[2]
VALIDATION = 0.2
# with a teacher, whose answers and whose checkpoint are to be shared as well
RECIPE = replace(
    test_checkpoint.TAUGHT, epochs=2, quantised_epochs=3, teacher=replace(test_checkpoint.TEACHER, epochs=1)
)

# argv: devices, address, processes, process, checkpoint; prints what `ended` says
CHILD = """
import json, sys
from pathlib import Path
import jax
from tests.trainer import test_mesh as here
from trainer import devices

count, address, processes, process = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if processes > 1:
    devices.join(address, processes, process)
folder = Path(sys.argv[5]) if len(sys.argv) > 5 else None
mesh = devices.mesh_of(jax.devices())
assert mesh.size == count * processes, mesh
shown = {"batches": here.batches(mesh)} if count == 8 else {}
print(json.dumps(here.ended(here.run(mesh, folder)) | shown))
"""


def run(mesh: Any, folder: Path | None = None) -> TrainResult:
    return train(*rows(), recipe=RECIPE, seed=5, validation=VALIDATION, mesh=mesh, checkpoint=folder)


def ended(result: TrainResult) -> dict[str, Any]:
    return {"model": encode(result.network).hex(), "history": [list(epoch) for epoch in result.history]}


def batches(mesh: Any) -> list[int]:
    """Rows of every array of 6 neurons that the compiled epoch has on a device; a batch has 24 on all."""
    x, y = rows()
    model = FloatMLP((8, 6, 2), input_bits=4, rngs=nnx.Rngs(0))
    phase = Phase(
        [model], Plan(0.1, 0.0, 1, 2, 24), [jax.random.key(0)], place(x, y, mesh), [np.arange(160, dtype=np.int32)]
    )
    lowered = _epoch.lower(
        phase.state, phase.keys[0], phase.rows, phase.data.x, phase.data.y, phase.definition, phase.plan, mesh
    )
    text = lowered.compile().as_text()
    return sorted({int(count) for count in re.findall(r"f32\[(\d+),6\]", text)})


def start(count: int, *arguments: object) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={count}",
    }
    command = [sys.executable, "-c", CHILD, str(count), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answers(*children: subprocess.Popen[str]) -> list[dict[str, Any]]:
    said = [child.communicate(timeout=200) for child in children]
    for child, (_, complaint) in zip(children, said, strict=True):
        assert child.returncode == 0, complaint
    # gloo has a line of its own on stdout
    return [json.loads(answer.splitlines()[-1]) for answer, _ in said]


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_two_processes_are_two_devices_bit_for_bit_and_share_a_checkpoint(tmp_path: Path) -> None:
    address, folder = free_address(), tmp_path / "run"
    first, second = answers(*(start(1, address, 2, process, folder) for process in range(2)))
    (alone,) = answers(start(2, "", 1, 0))
    assert first == second == alone
    assert sorted(path.name for path in folder.iterdir()) == ["1", "3", "6"]
    # what two processes saved, one takes up: at its end
    assert ended(run(None, folder)) == alone


def test_eight_devices_learn_as_one_within_rounding() -> None:
    """Sums over devices are added in another order, so that only numbers near each other can be asked for."""
    (eight,) = answers(start(8, "", 1, 0))
    one = ended(run(None))
    assert 3 in eight["batches"]
    assert 24 not in eight["batches"]
    losses = [np.array([epoch[3] for epoch in result["history"][: RECIPE.epochs]]) for result in (eight, one)]
    assert np.abs(losses[0] - losses[1]).max() < 1e-3
    x, y = rows()
    right = [(integer.predict(decode(bytes.fromhex(result["model"])), x) == y).mean() for result in (eight, one)]
    assert min(right) > 0.65
    assert abs(right[0] - right[1]) < 0.05


def test_without_a_mesh_a_batch_is_whole() -> None:
    assert 24 in batches(None)


@pytest.mark.parametrize("host", [0, 1])
def test_of_several_hosts_the_first_writes(host: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joined: list[object] = []
    meshes: list[Any] = []

    def note(*arguments: Any, mesh: Any, **options: Any) -> Any:
        meshes.append(mesh)
        return train_seeds(*arguments, mesh=mesh, **options)

    monkeypatch.setattr(devices, "join", lambda *arguments: joined.append(arguments))
    monkeypatch.setattr(training, "train_seeds", note)
    monkeypatch.setattr("trainer.cli.adapt", lambda *_, **__: replace(PRESETS["mlp"], recipe=RECIPE))
    x, y = rows()
    np.savez(tmp_path / "t.npz", x=x, y=y)
    words = ("--coordinator", "10.0.0.1:1234", "--hosts", 2, "--host", host)
    done = cli("train", "--dataset", tmp_path / "t.npz", *words, "--out", tmp_path / "m.bin")
    assert done.exit_code == 0, done.output
    assert joined == [("10.0.0.1:1234", 2, host)]
    assert [mesh.size for mesh in meshes] == [len(jax.devices())]
    assert ("test accuracy (integer)" in done.stdout, (tmp_path / "m.bin").exists()) == (host == 0, host == 0)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--hosts", "2"), "--coordinator"),
        (("--coordinator", "a:1", "--hosts", "2", "--host", "2"), "--host"),
        (("--coordinator", "a", "--hosts", "2"), "--coordinator"),
    ],
)
def test_hosts_that_do_not_fit_are_exit_2(words: tuple[str, ...], reason: str) -> None:
    assert reason in refused("train", *words, code=2)
