"""A rig of two devices, a profile and a feed for it, and a challenge that is worth entering, as files or as values."""

import json
from pathlib import Path
from typing import Any

from trainer.allocation import feed, rig
from trainer.allocation.feed import Feed
from trainer.allocation.rig import Rig
from trainer.calibration import profile
from trainer.calibration.profile import Profile
from trainer.strict import Value

NOW = 1_764_000_000
HOUR = 3_600
PRESET = "fashion-196-64"

RIG: dict[str, Any] = {
    "currency": "USD",
    "risk": {"most_at_risk": 500.0},
    "switch": {"least_gain": 0.05, "hold_hours": 1},
    "device": [
        {
            "name": name,
            "profile": profile,
            "idle_watts": 15.0,
            "switch_seconds": 180,
            "mining": [{"algorithm": "a", "hash_rate": rate, "watts": 200.0, "command": ["miner"]}],
        }
        for name, profile, rate in (("gpu0", "cuda:0", 1e9), ("gpu1", "cuda:1", 5e8))
    ],
    "training": {"command": ["trainer", "agent"]},
}


def profile_of(hours: float = 4.0, chance: float = 1.0) -> dict[str, Any]:
    """Two devices, the second half as fast, that reach 0.9 in so many hours on the first."""

    def device(name: str, factor: float) -> dict[str, Any]:
        seconds = hours * HOUR * factor
        target = {"accuracy": 0.9, "seconds": seconds, "low": seconds, "high": seconds, "chance": chance}
        preset = {
            "samples_per_second": 1e5,
            "samples_per_second_sd": 1e3,
            "flops_per_sample": 80_000,
            "runs": 3,
            "targets": [target],
            "curve": None,
        }
        return {
            "name": name,
            "kind": "gpu",
            "model": "m",
            "power": {"train_watts": 250.0, "idle_watts": 15.0, "source": "stated"},
            "presets": {PRESET: preset},
        }

    return {"version": 1, "made": NOW, "machine": "m", "devices": [device("cuda:0", 1.0), device("cuda:1", 2.0)]}


def feed_of(income: float = 0.1, kwh: float = 0.1, time: int = NOW, **more: Any) -> dict[str, Any]:
    """A coin that earns the first device so much an hour."""
    return {
        "version": 1,
        "time": time,
        "currency": "USD",
        "ether": 1000.0,
        "electricity": [{"from": 0, "price": kwh}],
        "coins": {
            "C": {
                "algorithm": "a",
                "price": income,
                "network_hash_rate": 1e15,
                "block_reward": 1e6,
                "blocks_per_day": 24.0,
            }
        },
    } | more


def challenge_of(id: int = 7, **changes: Any) -> dict[str, Any]:
    """A challenge of 100 USD that a model of 0.9 nearly always reaches."""
    return {
        "id": id,
        "rule": "BEST",
        "reward": 0.1,
        "bond": 0.05,
        "fee": 0.001,
        "opens": NOW - 10 * HOUR,
        "closes": NOW + 20 * HOUR,
        "threshold": 200,
        "samples": 256,
        "seals": 0,
        "presets": [PRESET],
        "gas": {"always": 0, "claim": 0, "won": 0, "lost": 0},
    } | changes


def a_rig(**changes: Any) -> Rig:
    return rig.parse(Value(RIG | changes, "rig"))


def a_profile(*arguments: float) -> Profile:
    return profile.loads(json.dumps(profile_of(*arguments)))


def a_feed(*arguments: float, **more: Any) -> Feed:
    return feed.loads(json.dumps(feed_of(*arguments, **more)))


def challenges_file(folder: Path, *challenges: dict[str, Any]) -> Path:
    path = folder / "challenges.json"
    path.write_text(json.dumps({"version": 1, "challenges": list(challenges)}))
    return path


def toml(value: dict[str, Any]) -> str:
    """A rig as TOML."""
    lines = [f"{name} = {json.dumps(each)}" for name, each in value.items() if not isinstance(each, dict | list)]
    for name, each in value.items():
        if isinstance(each, dict):
            lines += [f"[{name}]", *(f"{inner} = {json.dumps(found)}" for inner, found in each.items())]
    for device in value.get("device", []):
        lines.append("[[device]]")
        lines += [f"{name} = {json.dumps(each)}" for name, each in device.items() if name != "mining"]
        for way in device.get("mining", []):
            lines += ["[[device.mining]]", *(f"{name} = {json.dumps(each)}" for name, each in way.items())]
    return "\n".join(lines)
