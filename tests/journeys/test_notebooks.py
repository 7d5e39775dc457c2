"""The notebooks: each runs from top to bottom and draws, and stands in the repository without what it printed."""

import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from notebooks import run

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
PNG = b"\x89PNG\r\n\x1a\n"
each = pytest.mark.parametrize("path", run.NOTEBOOKS, ids=lambda path: path.stem)


def write(path: Path, *sources: str) -> Path:
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
    return path


def streams(notebook: NotebookNode, name: str) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output["text"] for output in outputs if output.get("name") == name)


@each
def test_a_notebook_runs_to_its_end_and_draws_without_a_warning(path: Path) -> None:
    done = run.execute(path)
    code = [cell for cell in done.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    drawn = run.figures(done)
    assert len(drawn) >= 2
    assert all(image.startswith(PNG) for image in drawn)
    assert streams(done, "stdout")
    assert streams(done, "stderr") == ""


@each
def test_a_notebook_is_stored_without_outputs_and_reads_from_a_heading_on(path: Path) -> None:
    stored = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(stored)
    assert stored.metadata.keys() == {"kernelspec", "language_info"}
    first, *others = stored.cells
    assert first.cell_type == "markdown"
    assert first.source.startswith(f"# {path.name[0]} · ")
    assert {cell.cell_type for cell in others} == {"markdown", "code"}
    for cell in stored.cells:
        assert cell.source.strip()
        assert not cell.metadata
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)


def test_the_readme_lists_every_notebook() -> None:
    listed = re.findall(r"^\| `notebooks/([^`/]+\.ipynb)` \|", README, re.M)
    assert listed == [path.name for path in run.NOTEBOOKS]
    assert len(listed) == 5


def test_a_cell_that_fails_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write(tmp_path / "1.ipynb", "print(6 * 7)")
    bad = write(tmp_path / "2.ipynb", "print('before')", "assert 6 * 9 == 42, 'not in base ten'", "print('after')")
    never = write(tmp_path / "3.ipynb", "print('never')")
    monkeypatch.setattr(run, "NOTEBOOKS", (good, bad, never))
    monkeypatch.setattr(run, "OUT", tmp_path / "build")
    monkeypatch.setattr(run, "HERE", tmp_path / "notebooks")
    assert run.main([]) == 1
    said = capsys.readouterr()
    assert "2.ipynb" in said.err
    assert "AssertionError: not in base ten" in said.err
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["1.ipynb"]


def test_outputs_and_figures_are_written_and_older_figures_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "drawn.ipynb"
    draw = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint('drawn');"
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Drawn"), new_code_cell(draw)]), path)
    before = path.read_bytes()
    monkeypatch.setattr(run, "NOTEBOOKS", (path,))
    monkeypatch.setattr(run, "OUT", tmp_path / "build")
    monkeypatch.setattr(run, "HERE", tmp_path / "notebooks")
    # another default of the user's must not cost the figures
    monkeypatch.setenv("MPLBACKEND", "agg")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "drawn-2.png").write_bytes(PNG)
    assert run.main(["dra"]) == 0
    written = sorted(file.name for file in (tmp_path / "build").iterdir())
    assert written == ["drawn-1.png", "drawn.ipynb"]
    assert (tmp_path / "build" / "drawn-1.png").read_bytes().startswith(PNG)
    assert streams(nbformat.read(tmp_path / "build" / "drawn.ipynb", as_version=4), "stdout") == "drawn\n"
    assert path.read_bytes() == before


def test_a_name_that_no_notebook_has_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["7"]) == 2
    said = capsys.readouterr().out
    assert said.startswith("no notebook starts with 7; there are 1_life_of_a_challenge.ipynb, ")
