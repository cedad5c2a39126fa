"""What every benchmark prints: a table for people and, when asked, one JSON object on the last line for programs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table


def options(description: str | None) -> argparse.ArgumentParser:
    """Return a parser that knows what every benchmark knows."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object last")
    return parser


def tell(line: str) -> None:
    """Say what is being measured, where it disturbs nobody who reads the answer."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; the first column is text, the others are figures."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)


def finish(result: Mapping[str, Any], *, as_json: bool) -> int:
    """Print the answer and return the exit code: 1 when a goal was missed."""
    if as_json:
        sys.stdout.write(json.dumps(dict(result)) + "\n")
    return 0 if result.get("met", True) else 1


def medians(samples: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median of each figure, with four digits after the point."""
    return {key: round(median(sample[key] for sample in samples), 4) for key in samples[0]}
