"""Ends what costs money and nobody owns any more, on every backend, and says what that was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from ratchet.aws import Aws, Deployment
from ratchet.clock import Clock
from ratchet.compute.backends import backend_names, make_backend
from ratchet.compute.order import Swept
from ratchet.compute.ownership import why_abandoned
from ratchet.data import Claims
from ratchet.settings import Settings


def reap(
    aws: Aws, deployment: Deployment, settings: Settings, *, clock: Clock, dry_run: bool = False
) -> Sequence[Swept]:
    """End every job and machine of the stack that no run holds.

    Parameters
    ----------
    dry_run
        Only say what would be ended.
    """
    claims = Claims(aws, deployment, clock)
    is_working = cache(claims.is_working)

    def judge(tags: Mapping[str, str]) -> str:
        return why_abandoned(tags, settings.stack, clock.now(), is_working)

    found: list[Swept] = []
    for name in backend_names():
        found += make_backend(name, aws, deployment, settings).sweep(judge, dry_run=dry_run)
    return found
