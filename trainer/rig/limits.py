"""Temperature and power of a device: what is read, and when that stops a job, and for how long."""

from dataclasses import dataclass, field
from typing import Protocol

from trainer.rig.backoff import Backoff, Patience

COOLER = 10.0
"""Degrees below the limit that a device has to come to before anything runs again."""
WATTS_SECONDS = 10.0
"""For which the power has to be above its limit: peaks of a second are everyday."""
# cards cool within a minute or two; what is too hot again and again is left alone for longer and longer
PAUSES = Patience(first=60.0, most=3600.0, proven=3600.0, crashes=10**9, within=1.0, rest=3600.0)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Degrees Celsius and watts of a device, None where they cannot be read, and why they cannot."""

    celsius: float | None = None
    watts: float | None = None
    no_celsius: str = ""
    no_watts: str = ""


class Probe(Protocol):
    """Reads a device's sensors; never raises."""

    def __call__(self) -> Reading:
        """What they say now."""
        ...


@dataclass
class Watch:
    """The limits of one device; None for none. Times are those of one clock that never goes back."""

    most_celsius: float | None
    most_watts: float | None
    hot: str = ""
    """Why nothing may run now; empty if it may."""
    _pause: Backoff = field(default_factory=lambda: Backoff(PAUSES))
    _by_heat: bool = False
    _above: float | None = None
    _unknown: frozenset[str] = frozenset()

    def look(self, now: float, reading: Reading, ran: float) -> list[str]:
        """Take a reading in; returns what there is to say, each thing once.

        ran: seconds for which a job has been running; 0 if there is none.
        """
        said = self._missing(reading)
        if self.hot:
            if self._pause.ready(now) and self._cool(reading):
                self.hot = ""
                said.append(f"cool enough again{'' if reading.celsius is None else f': {reading.celsius:g} °C'}")
            return said
        self.hot = self._too_hot(reading) or self._too_much(now, reading)
        if self.hot:
            self._by_heat = bool(self._too_hot(reading))
            self._pause.failed(now, ran)
        return said

    def _too_hot(self, reading: Reading) -> str:
        if self.most_celsius is None or reading.celsius is None or reading.celsius <= self.most_celsius:
            return ""
        return f"{reading.celsius:g} °C, above its limit of {self.most_celsius:g} °C"

    def _too_much(self, now: float, reading: Reading) -> str:
        if self.most_watts is None or reading.watts is None or reading.watts <= self.most_watts:
            self._above = None
            return ""
        if self._above is None:
            self._above = now
        if now - self._above < WATTS_SECONDS:
            return ""
        self._above = None
        return f"{reading.watts:g} W, above its limit of {self.most_watts:g} W for {WATTS_SECONDS:g} s"

    def _cool(self, reading: Reading) -> bool:
        """Whether it may run again; where the sensor that said it was hot is gone, it may not."""
        if self.most_celsius is None or not self._by_heat:
            return True
        return reading.celsius is not None and reading.celsius <= self.most_celsius - COOLER

    def _missing(self, reading: Reading) -> list[str]:
        kinds = {
            "temperature": (self.most_celsius, reading.celsius, "°C", reading.no_celsius),
            "power": (self.most_watts, reading.watts, "W", reading.no_watts),
        }
        unknown = frozenset(kind for kind, (most, found, *_) in kinds.items() if most is not None and found is None)
        said = []
        for kind in sorted(unknown - self._unknown):
            most, _, unit, why = kinds[kind]
            said.append(f"its {kind} cannot be read ({why}): its limit of {most:g} {unit} is not watched")
        said += [f"its {kind} can be read again" for kind in sorted(self._unknown - unknown)]
        self._unknown = unknown
        return said
