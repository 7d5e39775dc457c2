"""What a slot of the plan comes to on a device: a command, and what it is bound to."""

from collections.abc import Mapping
from dataclasses import dataclass

from trainer.allocation.plan import Do, Plan, Slot
from trainer.allocation.rig import Device, Rig, fill
from trainer.errors import DataError

HIDDEN = ""
"""CUDA_VISIBLE_DEVICES of what shall see no GPU."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What runs on a device.

    do:          mine or train.
    what:        the same for people, such as `mine KAS`.
    identity:    two slots of one identity are one job, which goes on from one to the other.
    command:     the program and its arguments.
    environment: what it has beside the runner's own.
    cores:       CPU cores that it is bound to; None for all.
    grace:       seconds between being asked to end and being killed.
    challenge:   that it trains for; None where it mines.
    """

    do: Do
    what: str
    identity: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    cores: tuple[int, ...] | None
    grace: float
    challenge: int | None = None


def job_for(rig: Rig, device: Device, plan: Plan, slot: Slot) -> Job | None:
    """The job of a slot; None where it is off. Raises `DataError` where the rig has no command for it."""
    if slot.do is Do.OFF:
        return None
    pinned = _pinned(device)
    if slot.do is Do.MINE:
        assert slot.coin is not None, "a slot to mine has a coin"
        assert slot.algorithm is not None, "and an algorithm"
        way = device.miner(slot.coin, slot.algorithm)
        if way is None:
            raise DataError(
                f"device {device.name!r} has no command to mine {slot.coin} with {slot.algorithm}; add a "
                "[[device.mining]] to the rig, or plan anew"
            )
        command = tuple(fill(way.command, {"coin": slot.coin, "device": device.name}))
        return Job(
            do=slot.do,
            what=f"mine {slot.coin}",
            # another coin of the algorithm is the same job where the command does not name it
            identity=("mine", *command),
            command=command,
            environment=pinned,
            cores=device.cores,
            grace=way.grace_seconds,
        )
    assert slot.challenge is not None, "a slot to train has a challenge"
    if rig.training is None:
        raise DataError(
            f"device {device.name!r} is to train for challenge {slot.challenge}, and the rig has no [training]; add "
            "its command, or plan anew"
        )
    entry = plan.entry(slot.challenge)
    preset = slot.preset or (entry.preset if entry else None)
    if preset is None and any("{preset}" in part for part in rig.training.command):
        raise DataError(
            f"device {device.name!r} is to train for challenge {slot.challenge} without a preset, which the command "
            "of [training] asks for; take {preset} out of it, or plan anew"
        )
    values = {
        "challenge": slot.challenge,
        "deadline": entry.commit_by if entry else slot.end,
        "device": device.name,
        "preset": preset,
    }
    return Job(
        do=slot.do,
        what=f"train for challenge {slot.challenge}",
        # a deadline that moved is no reason to begin again
        identity=("train", str(slot.challenge), str(preset)),
        command=tuple(fill(rig.training.command, values)),
        environment=pinned,
        cores=device.cores,
        grace=rig.training.grace_seconds,
        challenge=slot.challenge,
    )


def check(rig: Rig, plan: Plan) -> None:
    """Raise `DataError` where the rig cannot do what the plan says."""
    for planned in plan.devices:
        device = rig.device(planned.name)
        for slot in planned.slots:
            job_for(rig, device, plan, slot)


def _pinned(device: Device) -> dict[str, str]:
    """Environment that binds a job to its device."""
    if device.visible:
        # CUDA numbers the fastest card 0 unless told otherwise; NVML, which is asked for its temperature, does not
        return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": device.visible}
    if device.visible == HIDDEN or device.cores is not None:
        # JAX would take memory of a GPU that another job has, or refuse to start where it sees none
        return {"CUDA_VISIBLE_DEVICES": HIDDEN, "JAX_PLATFORMS": "cpu"}
    return {}
