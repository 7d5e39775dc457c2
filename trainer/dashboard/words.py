"""How the pages write amounts, times, addresses and phases."""

from datetime import UTC, datetime
from hashlib import sha256

from trainer.amounts import ETHER as WEI
from trainer.amounts import ether, show_duration
from trainer.index import FOREVER
from trainer.protocol import ETHER, Outcome, Phase

FAR = 253_402_300_800
"""The year 10000, which no calendar here reaches."""
PHASES = {
    Phase.POSTED: "posted",
    Phase.DRAW: "draw",
    Phase.COMMIT: "commit",
    Phase.REVEAL: "reveal",
    Phase.CLAIM: "claim",
    Phase.UNSEAL: "unseal",
    Phase.AUDIT: "audit",
    Phase.NOMINATE: "nominate",
    Phase.SETTLE: "settle",
    Phase.CLOSED: "closed",
}
OUTCOMES = {
    Outcome.CANCELLED: "cancelled by its poster",
    Outcome.VOID: "void: not drawn in time",
    Outcome.DESERTED: "nobody committed",
    Outcome.WITHHELD: "hold-out withheld",
    Outcome.UNCLAIMED: "nobody claimed",
    Outcome.UNNOMINATED: "no claim left standing",
    Outcome.WON: "won",
}
WAITING = {
    Phase.POSTED: "waiting for the block whose hash draws the hold-out",
    Phase.DRAW: "anyone may draw the hold-out",
    Phase.COMMIT: "trainers seal their models",
    Phase.REVEAL: "the poster reveals the hold-out, group by group",
    Phase.CLAIM: "trainers claim what their models score",
    Phase.UNSEAL: "the best claimant must show the model",
    Phase.AUDIT: "anyone may have samples executed by the chain",
    Phase.NOMINATE: "anyone may nominate a claim that still stands",
    Phase.SETTLE: "decided; anyone may settle it",
    Phase.CLOSED: "closed",
}


def phase(value: Phase) -> str:
    """A phase's name."""
    return PHASES[value]


def outcome(value: Outcome) -> str:
    """How a challenge ended, empty while that is open."""
    return OUTCOMES.get(value, "")


def amount(value: int, token: str = ETHER) -> str:
    """An amount, exactly; of a token in its smallest unit, as no log says how many decimals it has."""
    if token == ETHER:
        whole, point, part = ether(value).partition(".")
        return f"{int(whole):,}{point}{part} ether"
    return f"{value:,} units"


def per(value: float, token: str = ETHER) -> str:
    """A price of something, to four digits; of a token in its smallest unit."""
    return f"{value / WEI:,.4g} ether" if token == ETHER else f"{value:,.4g} units"


def short(text: str) -> str:
    """An address or a hash, by its ends."""
    return text if len(text) <= 14 else f"{text[:6]}…{text[-4:]}"


def when(seconds: int) -> str:
    """A moment in UTC."""
    return "far away" if not 0 <= seconds < FAR else f"{_utc(seconds):%Y-%m-%d %H:%M:%S} UTC"


def iso(seconds: int) -> str:
    """A moment for programs; empty where no calendar reaches."""
    return "" if not 0 <= seconds < FAR else f"{_utc(seconds):%Y-%m-%dT%H:%M:%SZ}"


def day(seconds: int) -> str:
    """A moment's day and month."""
    return "far away" if not 0 <= seconds < FAR else f"{_utc(seconds):%-d %b}"


def clock_time(seconds: int) -> str:
    """A moment's day, hour and minute."""
    return "far away" if not 0 <= seconds < FAR else f"{_utc(seconds):%-d %b %H:%M}"


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def relative(seconds: int, now: int) -> str:
    """A moment from now: in 3 h 5 m, 2 d ago; empty where nothing ends."""
    if seconds >= FOREVER:
        return ""
    if seconds == now:
        return "now"
    return f"in {show_duration(seconds - now)}" if seconds > now else f"{show_duration(now - seconds)} ago"


def percent(part: int, whole: int) -> str:
    """A share with one decimal, never rounded up to what was not reached."""
    tenths = 1000 * part // whole if whole else 0
    return f"{tenths // 10}.{tenths % 10} %"


def colour(address: str) -> str:
    """A colour by which an account is found again."""
    return f"hsl({int.from_bytes(sha256(address.lower().encode()).digest()[:2]) % 360} 62% 54%)"


def count_bits(mask: int) -> int:
    """How many samples a mask names."""
    return mask.bit_count()
