"""moto's backends as they stand: one for each account and region that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

B = TypeVar("B")


def every_backend(registry: Any, kind: type[B]) -> Iterator[B]:
    """Every backend of a kind among a service's; safe while requests make more of them.

    Parameters
    ----------
    registry
        moto's table of a service: account, then region, to backend.
    kind
        The engine's own class; moto's is passed over, as the one of an earlier localcloud may be.
    """
    for account in list(registry.values()):
        for backend in list(account.values()):
            if isinstance(backend, kind):
                yield backend
