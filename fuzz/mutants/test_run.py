"""The mutants' run keeps its deadline, and says so where it has judged nothing."""

import time
from pathlib import Path

import pytest

from fuzz.mutants.run import judged, report
from fuzz.mutants.sources import mutants_of


# a worker may have imported JAX before, which warns of forks; nothing runs in this one
@pytest.mark.filterwarnings("ignore:os.fork")
def test_nothing_starts_after_the_deadline(tmp_path: Path) -> None:
    todo = mutants_of("modules/split.vy")[:1]
    assert todo
    late = judged("market", todo, tmp_path, processes=1, tests=False, deadline=time.monotonic())
    assert list(late) == []


def test_a_target_with_nothing_counted_has_no_score(capsys: pytest.CaptureFixture[str]) -> None:
    assert report("dense", [], 10)["score_without_equivalent"] is None
    assert "no score" in capsys.readouterr().out
