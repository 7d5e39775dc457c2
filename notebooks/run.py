"""Runs the notebooks from top to bottom, each in a fresh kernel, without a browser.

    python -m notebooks.run             # all of them
    python -m notebooks.run 2 4         # those whose names begin so

Writes what they printed and drew to build/notebooks: each notebook with its outputs, and its figures. Stops at the
first cell that fails.
"""

import base64
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from traitlets.config import Config

HERE = Path(__file__).parent
OUT = HERE.parent / "build" / "notebooks"
NOTEBOOKS = tuple(sorted(HERE.glob("*.ipynb")))
CELL_SECONDS = 600
"""No cell takes nearly as long: one that does hangs."""


def execute(path: Path) -> NotebookNode:
    """The notebook with the outputs of a run of all its cells.

    Raises `nbclient.exceptions.CellExecutionError`, with the cell's code and traceback, if one fails.
    """
    notebook = nbformat.read(path, as_version=4)
    # this tree's packages, wherever the editable install points, and figures whatever the user's default is
    paths = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
    env = {**os.environ, "PYTHONPATH": paths, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    with tempfile.TemporaryDirectory() as sockets:
        client = NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
            extra_arguments=["--InteractiveShell.colors=nocolor"],
            # sockets in a directory of the user's own: no port is opened to others on this machine
            config=Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}}),
        )
        client.execute(env=env)
    return notebook


def figures(notebook: NotebookNode) -> list[bytes]:
    """The PNG images among the outputs, in order."""
    return [
        base64.b64decode(output["data"]["image/png"])
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]


def save(notebook: NotebookNode, name: str) -> None:
    """Write the executed notebook to build/notebooks/NAME.ipynb, and its figures beside it."""
    OUT.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, OUT / f"{name}.ipynb")
    for old in OUT.glob(f"{name}-*.png"):
        old.unlink()
    for number, image in enumerate(figures(notebook), start=1):
        (OUT / f"{name}-{number}.png").write_bytes(image)


def main(starts: list[str]) -> int:
    """Run the notebooks whose names start with one of `starts`, or all; returns the exit code."""
    chosen = [path for path in NOTEBOOKS if path.name.startswith(tuple(starts) or "")]
    if not chosen:
        print(f"no notebook starts with {' or '.join(starts)}; there are {', '.join(path.name for path in NOTEBOOKS)}")
        return 2
    for path in chosen:
        started = time.monotonic()
        try:
            done = execute(path)
        except CellExecutionError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            return 1
        save(done, path.stem)
        written = (OUT / path.name).relative_to(HERE.parent)
        print(f"{path.name}: {time.monotonic() - started:.0f} s, see {written}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
