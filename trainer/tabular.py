"""Tables: a .csv with a header, or a .npz with the arrays `x` and `y`."""

import csv
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trainer.errors import DataError

MAX_CLASSES = 256
# differences of two features, and their multiples by 256, stay finite
LARGEST = 1e150
SAVE = "np.savez(path, x=x, y=y)"
DAMAGE = (zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, kw_only=True)
class Table:
    """features: float64, shape (n, f), finite; labels: uint8, shape (n,); one name a class."""

    features: npt.NDArray[np.float64]
    labels: npt.NDArray[np.uint8]
    class_names: tuple[str, ...]


def read_csv(path: Path, *, label: str | None = None) -> Table:
    """Read a comma-separated file: a header, numeric features, and a column of labels (integers or names).

    label: the label column's name; by default the last column.
    Classes are numbered in the order of the labels: by value if all are integers, else by name.
    """
    features: list[list[float]] = []
    labels: list[str] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, strict=True)
            header = [name.strip() for name in next(rows, [])]
            _check_header(path, header)
            column = _label_column(path, header, label)
            for cells in rows:
                if not cells:
                    continue
                where = f"{path}, line {rows.line_num}"
                if len(cells) != len(header):
                    raise DataError(
                        f"{where}: {len(cells)} cells under a header of {len(header)}; quote cells with commas"
                    )
                labels.append(cells.pop(column).strip())
                if not labels[-1]:
                    raise DataError(
                        f"{where}: the label in column {header[column]!r} is empty; fill it or drop the row"
                    )
                names = header[:column] + header[column + 1 :]
                features.append([_number(where, name, cell) for name, cell in zip(names, cells, strict=True)])
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: cannot be read as a .csv in UTF-8; save it as UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read as a .csv ({error}); save it as comma-separated text") from error
    if not labels:
        raise DataError(f"{path}: no rows below the header; add some")
    class_names = _ordered(set(labels))
    _check_classes(path, class_names)
    numbers = {name: number for number, name in enumerate(class_names)}
    return Table(
        features=np.array(features, np.float64),
        labels=np.array([numbers[name] for name in labels], np.uint8),
        class_names=class_names,
    )


def read_npz(path: Path) -> Table:
    """Read arrays `x` (numbers, shape (n, ...), flattened to (n, f)) and `y` (integers from 0, shape (n,))."""
    try:
        # np.load given a path leaves it open when the file is no archive
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = {"x", "y"} - set(archive.files)
            if missing:
                raise DataError(
                    f"{path}: array {' and '.join(sorted(missing))} is missing; it holds {sorted(archive.files)}; "
                    f"save both with {SAVE}"
                )
            x, y = archive["x"], archive["y"]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except PermissionError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    # the first three are NumPy's for what is no archive, the others those of a damaged one
    except (ValueError, TypeError, AttributeError, OSError, EOFError, RuntimeError, MemoryError, *DAMAGE) as error:
        raise DataError(f"{path}: cannot be read as a .npz of plain arrays; save numbers with {SAVE}") from error
    if x.ndim < 2 or y.ndim != 1 or len(x) != len(y):
        raise DataError(f"{path}: x has shape {x.shape} and y {y.shape}; use (n, features) and (n,)")
    if x.size == 0:
        raise DataError(f"{path}: x has shape {x.shape}, which is empty; add rows and features")
    if x.dtype.kind not in "uifb":
        raise DataError(f"{path}: x has dtype {x.dtype}; use integers or floats")
    if y.dtype.kind not in "ui":
        raise DataError(f"{path}: y has dtype {y.dtype}; use integers from 0 to classes - 1")
    features = x.reshape(len(x), -1).astype(np.float64)
    bad = ~(np.abs(features) <= LARGEST)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise DataError(f"{path}: x[{row}, {column}] is {features[row, column]}; use finite numbers up to {LARGEST:g}")
    for row in (int(y.argmin()), int(y.argmax())):
        if not 0 <= y[row] < MAX_CLASSES:
            raise DataError(f"{path}: y[{row}] is {y[row]}; labels go from 0 to {MAX_CLASSES - 1}")
    class_names = tuple(str(number) for number in range(int(y.max()) + 1))
    _check_classes(path, tuple(str(number) for number in np.unique(y)))
    return Table(features=features, labels=y.astype(np.uint8), class_names=class_names)


def _check_header(path: Path, header: list[str]) -> None:
    if not header:
        raise DataError(f"{path}: no header in the first line; add a header row and rows below it")
    for separator in (";", "\t", "|"):
        if len(header) == 1 and separator in header[0]:
            raise DataError(f"{path}: its cells seem to be separated by {separator!r}; save it with commas")
    if all(_is_number(name) for name in header):
        raise DataError(f"{path}: the first line holds numbers only; add a header row")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _label_column(path: Path, header: list[str], label: str | None) -> int:
    if len(header) < 2:
        raise DataError(f"{path}: the header {header} needs a feature and a label column; add what is missing")
    duplicates = {name for name in header if header.count(name) > 1}
    if duplicates:
        raise DataError(f"{path}: the header names {sorted(duplicates)} more than once; rename them")
    if label is None:
        return len(header) - 1
    if label not in header:
        raise DataError(f"{path}: no column {label!r} among {header}; use one of these")
    return header.index(label)


def _number(where: str, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        remedy = "drop the column or make it numbers" if cell.strip() else "fill it or drop the row"
        raise DataError(f"{where}, column {column!r}: {cell!r} is no number; {remedy}") from None
    if not abs(value) <= LARGEST:
        raise DataError(f"{where}, column {column!r}: {cell!r}; use finite numbers up to {LARGEST:g}")
    return value


def _ordered(names: set[str]) -> tuple[str, ...]:
    try:
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    except ValueError:
        return tuple(sorted(names))


def _check_classes(path: Path, class_names: tuple[str, ...]) -> None:
    if len(class_names) < 2:
        raise DataError(f"{path}: only one class, {class_names[0]!r}; a challenge needs at least 2")
    if len(class_names) > MAX_CLASSES:
        raise DataError(
            f"{path}: {len(class_names)} classes, at most {MAX_CLASSES}; is the label column the right one?"
        )
