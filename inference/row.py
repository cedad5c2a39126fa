"""Rows of a table from outside: counted, in the model's order of columns, and every number finite."""

from __future__ import annotations

import csv
import math
from typing import Any, List, Sequence

from inference.document import decode_text
from inference.failure import ServingError
from ratchet.contract import Signature

MAX_ROWS = 1000
_MOST = 3e38  # what float32 holds, as in training
_SHOWN = 5


def read_rows(rows: Any, signature: Signature) -> List[List[float]]:
    """Rows of numbers in the model's order of columns.

    Raises
    ------
    ServingError
        400 for none, another number of columns, or what is no finite number; 413 for more than `MAX_ROWS`.
    """
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise ServingError(400, "missing_rows", 'Rows are lists of numbers: {"rows": [[1.5, 2], [3, 4]]}.')
    _count(len(rows))
    for place, row in enumerate(rows):
        if len(row) != signature.width:
            message = "Row %d has %d columns, the model has %d%s."
            raise ServingError(400, "wrong_columns", message % (place, len(row), signature.width, _names(signature)))
    return [[_number(value, place, column) for column, value in enumerate(row)] for place, row in enumerate(rows)]


def read_columns(columns: Any, signature: Signature) -> List[List[float]]:
    """Rows of numbers from columns by their names; columns that the model does not know are left out.

    Raises
    ------
    ServingError
        As `read_rows`, and 400 when a column is missing or shorter than another.
    """
    if not isinstance(columns, dict) or not all(isinstance(values, list) for values in columns.values()):
        raise ServingError(400, "missing_rows", 'Columns are lists by name: {"columns": {"a": [1.5, 3], "b": [2, 4]}}.')
    _find(list(columns), signature)
    wanted = [columns[name] for name in signature.features]
    if len({len(values) for values in wanted}) > 1:
        raise ServingError(400, "wrong_columns", "The columns have different lengths.")
    _count(len(wanted[0]))
    return read_rows([list(row) for row in zip(*wanted)], signature)


def read_csv(data: bytes, signature: Signature) -> List[List[float]]:
    """Rows of numbers from CSV, whose first line may name the columns.

    Raises
    ------
    ServingError
        As `read_columns`, and 400 for what cannot be read.
    """
    lines = decode_text(data).splitlines()
    try:
        cells = [row for row in csv.reader(lines) if row]
    except csv.Error as error:
        raise ServingError(400, "bad_csv", "The body is no CSV that can be read: %s." % error) from error
    named = bool(cells) and not any(_parse(cell) is not None for cell in cells[0])
    _count(len(cells) - named)
    if not named:
        return read_rows([[_cell(cell) for cell in row] for row in cells], signature)
    places = _find(cells[0], signature)
    for place, row in enumerate(cells[1:]):
        if len(row) != len(cells[0]):
            message = "Row %d has %d columns, the first line names %d."
            raise ServingError(400, "wrong_columns", message % (place, len(row), len(cells[0])))
    return read_rows([[_cell(row[place]) for place in places] for row in cells[1:]], signature)


def _find(names: Sequence[str], signature: Signature) -> List[int]:
    missing = [name for name in signature.features if name not in names]
    if missing or not signature.features:
        shown = ", ".join(missing[:_SHOWN]) or "names for its columns: send rows without names"
        raise ServingError(400, "wrong_columns", "The model needs %s%s." % (shown, _more(len(missing))))
    if len(set(names)) != len(names):
        raise ServingError(400, "wrong_columns", "A column is named twice.")
    return [list(names).index(name) for name in signature.features]


def _count(rows: int) -> None:
    if rows < 1:
        raise ServingError(400, "missing_rows", "There is no row.")
    if rows > MAX_ROWS:
        raise ServingError(413, "too_many_rows", "%d rows are too many: send at most %d at once." % (rows, MAX_ROWS))


def _number(value: Any, row: int, column: int) -> float:
    try:
        number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or abs(number) > _MOST:
        message = "What stands in row %d, column %d, is no finite number."
        raise ServingError(400, "not_a_number", message % (row, column))
    return number


def _cell(text: str) -> Any:
    number = _parse(text)
    return text if number is None else number


def _parse(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return None


def _names(signature: Signature) -> str:
    shown = ", ".join(signature.features[:_SHOWN])
    return ": %s%s" % (shown, _more(len(signature.features))) if shown else ""


def _more(count: int) -> str:
    return " and %d more" % (count - _SHOWN) if count > _SHOWN else ""
