"""Who may train a dataset version: a pure decision over the claim that is there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ratchet.aws import Item
from ratchet.clock import isoformat


class ClaimState(StrEnum):
    """Where the work on a claim stands."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True)
class ClaimRequest:
    """Who asks for what; `force` takes it whoever has it, and who did that and why is kept."""

    pk: str
    sk: str
    dataset_version: str
    holder: str
    force: bool = False
    why: str = ""
    who: str = ""


@dataclass(frozen=True)
class Ruling:
    """The answer, and the claim to write; nothing is written when `item` is None."""

    granted: bool
    reason: str
    item: Item | None = None


def rule(current: Item | None, request: ClaimRequest, now: datetime, lease: timedelta) -> Ruling:
    """Decide about a request.

    The same holder is granted again: that is a retry, and renews the lease. Another's claim stands while its lease
    runs and after it was completed; it falls when it failed, when its lease ended, or by force.
    """
    if current is None:
        return _grant(None, request, now, lease=lease, reason=_by_force(request) or "nobody has trained it yet")
    state, holder = ClaimState(current["state"]), current["holder"]
    if holder == request.holder:
        if state is ClaimState.COMPLETED:
            return Ruling(True, f"this run has done it already: {current['outcome']}")
        return _grant(current, request, now, lease=lease, reason="this run holds the claim")
    if request.force:
        reason = f"{_by_force(request)}; before: run {holder}, {state}"
        return _grant(current, request, now, lease=lease, reason=reason)
    refusal = _refusal(current, request, now)
    if refusal:
        return Ruling(False, refusal)
    reason = f"run {holder} failed" if state is ClaimState.FAILED else f"the lease of run {holder} has ended"
    return _grant(current, request, now, lease=lease, reason=reason)


def _by_force(request: ClaimRequest) -> str:
    if not request.force:
        return ""
    return f"forced by {request.who or 'somebody'} in run {request.holder}: {request.why or 'no reason given'}"


def _refusal(current: Item, request: ClaimRequest, now: datetime) -> str:
    """Why another holder's claim stands; empty when it has fallen."""
    what, holder = f"dataset version {request.dataset_version[:12]}", current["holder"]
    if current["state"] == ClaimState.COMPLETED:
        return f"{what} was already trained by run {holder}: {current['outcome']}"
    if current["state"] == ClaimState.IN_PROGRESS and isoformat(now) < current["lease_until"]:
        return f"{what} is being trained by run {holder}, which holds the claim until {current['lease_until']}"
    return ""


def _grant(current: Item | None, request: ClaimRequest, now: datetime, *, lease: timedelta, reason: str) -> Ruling:
    base: Item
    if current is not None and current["holder"] == request.holder:
        base = current
    else:
        base = {
            "pk": request.pk,
            "sk": request.sk,
            "dataset_version": request.dataset_version,
            "holder": request.holder,
            "epoch": int(current["epoch"]) + 1 if current else 1,
            "taken_at": isoformat(now),
            "forced": request.force,
            "why": request.why,
            "who": request.who,
            "reason": reason,
            "superseded": [*current["superseded"], _epitaph(current)] if current else [],
        }
    lease_until = isoformat(now + lease)
    return Ruling(True, reason, {**base, "state": ClaimState.IN_PROGRESS, "outcome": "", "lease_until": lease_until})


def _epitaph(current: Item) -> Item:
    """What is kept of a claim that passes to another holder."""
    return {name: current[name] for name in ("holder", "epoch", "state", "outcome", "taken_at", "reason", "forced")}
