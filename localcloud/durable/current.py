"""The ledger of this process, for what the engines write without a request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from localcloud.durable.ledger import Ledger

_current: list[Ledger] = []


def set_ledger(ledger: Ledger | None) -> None:
    """Say who writes down what happens from now on; nobody does by default."""
    _current[:] = [] if ledger is None else [ledger]


@contextmanager
def durably() -> Iterator[None]:
    """Bring what the block does to the disk before it ends; hold the service's lock around it."""
    if not _current:
        yield
        return
    ledger = _current[0]
    with ledger.recording() as touches:
        yield
    ledger.settle(ledger.note(touches))
