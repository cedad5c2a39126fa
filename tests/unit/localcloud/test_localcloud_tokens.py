"""Tokens of transactions: done once within ten minutes, and a failure may be tried again."""

from typing import Any

import pytest

from localcloud.engines.dynamodb import IdempotentParameterMismatch, Tokens

_KEY = ("123456789012", "us-east-1", "token")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Table:
    """Counts its writes; fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.writes = 0
        self.failures = failures

    def write(self) -> Any:
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        self.writes += 1
        return self.writes


def test_a_repeat_gets_the_first_answer() -> None:
    tokens, table = Tokens(Clock()), Table()
    assert [tokens.run(_KEY, ["a"], table.write) for _ in range(3)] == [1, 1, 1]


def test_another_region_is_another_token() -> None:
    tokens, table = Tokens(Clock()), Table()
    assert tokens.run(_KEY, ["a"], table.write) == 1
    assert tokens.run(("123456789012", "eu-west-1", "token"), ["a"], table.write) == 2


def test_other_items_under_the_same_token_are_refused() -> None:
    tokens, table = Tokens(Clock()), Table()
    tokens.run(_KEY, ["a"], table.write)
    with pytest.raises(IdempotentParameterMismatch):
        tokens.run(_KEY, ["b"], table.write)


def test_after_a_failure_the_same_token_may_write() -> None:
    tokens, table = Tokens(Clock()), Table(failures=1)
    with pytest.raises(ConnectionError):
        tokens.run(_KEY, ["a"], table.write)
    assert tokens.run(_KEY, ["a"], table.write) == 1


def test_a_token_is_forgotten_after_ten_minutes() -> None:
    clock, table = Clock(), Table()
    tokens = Tokens(clock)
    tokens.run(_KEY, ["a"], table.write)
    clock.now = 601.0
    assert tokens.run(_KEY, ["b"], table.write) == 2
