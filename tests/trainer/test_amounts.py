"""Amounts, durations and thresholds as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.amounts import ether, parse_amount, parse_duration, parse_threshold, show_duration
from trainer.errors import DataError


@given(st.integers(0, 2**128))
def test_an_amount_printed_is_read_back_exactly(wei: int) -> None:
    assert parse_amount(ether(wei), "--reward") == wei


@pytest.mark.parametrize(
    ("text", "decimals", "wanted"),
    [("1", 18, 10**18), ("0.1", 18, 10**17), ("1e-18", 18, 1), ("12.5", 6, 12_500_000), ("0", 18, 0), ("7", 0, 7)],
)
def test_amounts(text: str, decimals: int, wanted: int) -> None:
    assert parse_amount(text, "--reward", decimals) == wanted


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "nan", "inf", "1e-19", "0.0000000000000000001", "1,5", "1 ether", "1e999999", "1" * 90]
)
def test_what_is_no_amount_is_named(text: str) -> None:
    with pytest.raises(DataError, match="--reward: .* is no amount"):
        parse_amount(text, "--reward")


@pytest.mark.parametrize(
    ("text", "wanted"), [("90", 90), ("45s", 45), ("30m", 1800), ("24h", 86_400), ("7d", 604_800), ("0", 0)]
)
def test_durations(text: str, wanted: int) -> None:
    assert parse_duration(text, "--commit") == wanted


@pytest.mark.parametrize("text", ["", "h", "1.5h", "-1h", "1 h", "1w", "9999999999"])
def test_what_is_no_duration_is_named(text: str) -> None:
    with pytest.raises(DataError, match="--commit: .* is no duration"):
        parse_duration(text, "--commit")


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(0, "0 s"), (45, "45 s"), (60, "1 m"), (61, "1 m 1 s"), (86_400 + 7200 + 5, "1 d 2 h"), (3600, "1 h")],
)
def test_durations_are_shown_in_their_largest_units(seconds: int, wanted: str) -> None:
    assert show_duration(seconds) == wanted


@pytest.mark.parametrize(
    ("text", "samples", "wanted"),
    # a part is rounded up: whoever reaches fewer has not reached it
    [("192", 256, 192), ("75%", 256, 192), ("75 %", 250, 188), ("99.9%", 10, 10), ("0.1%", 256, 1), ("100%", 7, 7)],
)
def test_thresholds(text: str, samples: int, wanted: int) -> None:
    assert parse_threshold(text, samples) == wanted


@pytest.mark.parametrize("text", ["0", "0%", "257", "101%", "-1", "x", "1.5", ""])
def test_what_is_no_threshold_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="--threshold"):
        parse_threshold(text, 256)
