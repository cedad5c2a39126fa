"""The rule of a composite alarm: ALARM("a") AND NOT (OK(b) OR INSUFFICIENT_DATA(c)), TRUE, FALSE."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from localcloud.alarm import AlarmState

_TOKEN = re.compile(
    r"""\s*(?:(?P<leaf>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"(?P<quoted>[^"]+)"|(?P<bare>[^\s()"]+))\s*\)"""
    r"""|(?P<word>AND\b|OR\b|NOT\b|TRUE\b|FALSE\b|[()]))\s*"""
)
_DEEPEST = 100

StateOf = Callable[[str], AlarmState | None]


class RuleError(Exception):
    """A rule cannot be read; the message says where."""


@dataclass(frozen=True)
class Rule:
    """A rule that was read.

    Attributes
    ----------
    holds
        Says whether it holds, given the state of each alarm by name; None stands for an alarm that does not exist.
    alarms
        Names of the alarms that it looks at.
    """

    holds: Callable[[StateOf], bool]
    alarms: frozenset[str]


def read_rule(text: str) -> Rule:
    """Read a rule.

    Raises
    ------
    RuleError
        When it is no rule.
    """
    tokens = list(_tokens(text))
    reader = _Reader(tokens)
    found = reader.disjunction(0)
    if reader.position != len(tokens):
        raise RuleError(f"AlarmRule: unexpected {tokens[reader.position][0]}")
    return Rule(found, frozenset(_base_name(name) for _, name in tokens if name))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    text = text.strip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise RuleError(f"AlarmRule: cannot read it from {text[position : position + 30]!r} on")
        position = found.end()
        yield found["leaf"] or found["word"], found["quoted"] or found["bare"] or ""


def _base_name(name: str) -> str:
    """The name of an alarm that is given by name or by ARN."""
    return name.rpartition(":alarm:")[2] if name.startswith("arn:") else name


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self.position = 0

    def disjunction(self, depth: int) -> Callable[[StateOf], bool]:
        parts = [self._conjunction(depth)]
        while self._take("OR"):
            parts.append(self._conjunction(depth))
        return lambda state_of: any(part(state_of) for part in parts)

    def _conjunction(self, depth: int) -> Callable[[StateOf], bool]:
        parts = [self._term(depth)]
        while self._take("AND"):
            parts.append(self._term(depth))
        return lambda state_of: all(part(state_of) for part in parts)

    def _term(self, depth: int) -> Callable[[StateOf], bool]:
        if depth > _DEEPEST:
            raise RuleError("AlarmRule: nested too deeply")
        if self._take("NOT"):
            inner = self._term(depth + 1)
            return lambda state_of: not inner(state_of)
        if self._take("("):
            inner = self.disjunction(depth + 1)
            if not self._take(")"):
                raise RuleError("AlarmRule: a bracket is not closed")
            return inner
        return self._leaf()

    def _leaf(self) -> Callable[[StateOf], bool]:
        if self.position == len(self._tokens):
            raise RuleError("AlarmRule: it ends too early")
        word, name = self._tokens[self.position]
        self.position += 1
        if word in {"TRUE", "FALSE"}:
            return lambda _: word == "TRUE"
        if not name:
            raise RuleError(f"AlarmRule: unexpected {word}")
        wanted, base = AlarmState(word), _base_name(name)
        # An alarm that does not exist counts as one without data.
        return lambda state_of: (state_of(base) or AlarmState.INSUFFICIENT_DATA) is wanted

    def _take(self, word: str) -> bool:
        if self.position < len(self._tokens) and self._tokens[self.position][0] == word:
            self.position += 1
            return True
        return False
