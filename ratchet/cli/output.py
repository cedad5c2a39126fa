"""What commands print: tables and sentences for people, one JSON object for programs."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


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
        self.console.print(line, markup=False)

    def warn(self, line: str) -> None:
        """Say what went wrong, to standard error."""
        Console(stderr=True, highlight=False).print(line, markup=False, style="red")

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Show rows to a person; programs read `result`."""
        if self.as_json:
            return
        table = Table(title=title, title_justify="left", title_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*("" if cell is None else str(cell) for cell in row))
        self.console.print(table)

    def result(self, value: Any) -> None:
        """Print the answer for programs; silent for people, who have seen a table."""
        if self.as_json:
            sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")
            sys.stdout.flush()


def plain(value: Any) -> Any:
    """Turn dataclasses, enums and moments into what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
