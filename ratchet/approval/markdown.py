"""Markdown from data that may hold anything: what comes from outside never becomes markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from string import punctuation
from urllib.parse import quote, urlsplit

_CELL_LIMIT = 200
_ESCAPES = {ord(mark): f"\\{mark}" for mark in punctuation if mark not in ",.:;-+/=?'\""}
_BLANKS = re.compile(r"\s+")
# At the start of a line these make lists, headings and rules.
_LINE_START = re.compile(r"^(?:[-=+](?=\D|$)|\d+(?=\.(?:\s|$)))")


def escape(text: object, limit: int = _CELL_LIMIT) -> str:
    """Write any value as plain text on one line: every mark with a meaning in Markdown, HTML or Jinja is escaped."""
    line = _BLANKS.sub(" ", str(text)).strip()
    line = "".join(mark if mark.isprintable() else "\ufffd" for mark in line)
    if len(line) > limit:
        line = line[: limit - 1] + "…"
    return _LINE_START.sub(lambda match: _defuse(match.group()), line.translate(_ESCAPES))


def _defuse(start: str) -> str:
    return f"{start}\\" if start[0].isdigit() else f"\\{start}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of escaped cells; columns after the first are set flush right."""
    lines = [_row(header), "|" + "|".join([" --- ", *[" ---: "] * (len(header) - 1)]) + "|"]
    lines += [_row([escape(cell) for cell in row]) for row in rows]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def fence(text: str) -> str:
    """A block of text as it stands; the fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    bar = "`" * max(3, longest + 1)
    safe = re.sub(r"\{(?=[{%#])", "{ ", text)
    return f"{bar}text\n{safe.rstrip()}\n{bar}"


def link(name: str, url: str) -> str:
    """A link to a web page; what is no http address is written as text."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return f"{escape(name)}: {escape(url)}"
    return f"[{escape(name)}](<{quote(url, safe=':/?#@!$&*+,;=%~._-[]')}>)"
