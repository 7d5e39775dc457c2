"""What a device has come to: seconds, energy, starts and crashes, summed over all runners of the rig."""

from dataclasses import dataclass, field

ACTIVITIES = ("mine", "train", "stop", "off")
"""`stop` is the time in which a job that was asked to end has not ended yet."""
LONGEST_STEP = 30.0
"""Seconds between two readings for which the later one still says what was drawn."""


@dataclass
class Totals:
    """Of one device, by activity.

    seconds:  spent on it.
    joules:   drawn, in those seconds for which the power could be read:
    measured: these.
    starts, crashes, hot: how often a job was started, ended by itself as it should not, and was stopped by a limit.
    """

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(ACTIVITIES, 0.0))
    joules: dict[str, float] = field(default_factory=lambda: dict.fromkeys(ACTIVITIES, 0.0))
    measured: dict[str, float] = field(default_factory=lambda: dict.fromkeys(ACTIVITIES, 0.0))
    starts: int = 0
    crashes: int = 0
    hot: int = 0

    def spent(self, activity: str, seconds: float, watts: float | None) -> None:
        """Add time, and what was drawn in it."""
        self.seconds[activity] += seconds
        if watts is not None and seconds <= LONGEST_STEP:
            self.joules[activity] += watts * seconds
            self.measured[activity] += seconds
