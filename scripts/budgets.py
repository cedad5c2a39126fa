"""Hold every file and function to its budget: 400 lines a file, 40 a function body, 6 parameters."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOMS = ("ratchet", "operators", "dags", "localcloud", "training", "inference", "benchmarks", "scripts")
FILE_LINES = 400
BODY_LINES = 40
PARAMETERS = 6
# A function that needs more says why on its first line.
EXCUSE = "# noqa: PLR0913 - "


def main() -> int:
    """Print what is over its budget; 1 when anything is."""
    over = [line for room in ROOMS for path in sorted(Path(room).rglob("*.py")) for line in measure(path)]
    for line in over:
        sys.stderr.write(line + "\n")
    return 1 if over else 0


def measure(path: Path) -> Iterator[str]:
    """Say what of one file is over its budget."""
    text = path.read_text("utf-8")
    count = text.count("\n")
    if count > FILE_LINES:
        yield f"{path}: {count} lines, the budget is {FILE_LINES}: split it by concern"
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _measure_function(path, node, excused=EXCUSE in lines[node.lineno - 1])


def _measure_function(path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef, *, excused: bool) -> Iterator[str]:
    body = [part for part in node.body if not _is_docstring(part)]
    lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
    if lines > BODY_LINES:
        yield f"{path}:{node.lineno}: {node.name} has a body of {lines} lines, the budget is {BODY_LINES}"
    arguments = node.args
    names = [
        a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs) if a.arg not in ("self", "cls")
    ]
    if len(names) > PARAMETERS and not excused:
        yield f"{path}:{node.lineno}: {node.name} has {len(names)} parameters, the budget is {PARAMETERS}"


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


if __name__ == "__main__":
    sys.exit(main())
