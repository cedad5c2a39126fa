"""What commands print: tables and sentences for people, one JSON object for programs."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


class Output:
    """Where a command's answer goes.

    Parameters
    ----------
    as_json
        Print one JSON object to standard output and nothing else there; sentences go to standard error.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console(stderr=as_json, highlight=False)

    def say(self, line: str) -> None:
        """Say what is going on."""
        # Links and digests stay whole, also where the terminal is narrow.
        self.console.print(_harmless(line), markup=False, soft_wrap=True)

    def warn(self, line: str) -> None:
        """Say what went wrong, to standard error."""
        Console(stderr=True, highlight=False).print(_harmless(line), markup=False, style="red", soft_wrap=True)

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Show rows to a person; programs read `result`."""
        if self.as_json:
            return
        table = Table(title=title, title_justify="left", title_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text("" if cell is None else _harmless(str(cell))) for cell in row))
        self.console.print(table)

    def result(self, value: Any) -> None:
        """Print the answer for programs; silent for people, who have seen a table."""
        if self.as_json:
            sys.stdout.write(json.dumps(plain(value), indent=2) + "\n")
            sys.stdout.flush()


def _harmless(text: str) -> str:
    """Without what would steer the terminal: comments, keys and logs come from elsewhere."""
    return "".join(mark for mark in text if mark.isprintable() or mark in "\n\t")


def plain(value: Any) -> Any:
    """Turn dataclasses, enums and moments into what JSON knows; a figure that is no number becomes null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
