"""A release's record as it lies in the registry's table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratchet.naming import model_pk, release_sk
from ratchet.rollout.machine import Rollout, State
from ratchet.rollout.plan import Plan


@dataclass(frozen=True)
class Claim:
    """Who is at the release's step now, and until when that is believed; seconds since the epoch."""

    by: str
    until: float


def rollout_item(rollout: Rollout, *, attempt: int, actor: str, run_id: str) -> dict[str, Any]:
    """The item of a release."""
    candidate = rollout.plan.candidate
    return {
        "pk": model_pk(candidate.model),
        "sk": release_sk(candidate.version, attempt),
        "attempt": attempt,
        "actor": actor,
        "run_id": run_id,
        "claim": None,
        **changing_part(rollout),
        "plan": rollout.plan.to_json(),
    }


def changing_part(rollout: Rollout) -> dict[str, Any]:
    """What of the item changes from step to step."""
    return {
        "state": rollout.state.value,
        "step": rollout.step,
        "entered_at": rollout.entered_at,
        "revisions": dict(rollout.revisions),
        "reason": rollout.reason,
        "asked": rollout.asked,
        "doubts": rollout.doubts,
    }


def read_rollout(item: Mapping[str, Any]) -> Rollout:
    """Read an item."""
    return Rollout(
        plan=Plan.from_json(item["plan"]),
        state=State(item["state"]),
        step=int(item["step"]),
        entered_at=float(item["entered_at"]),
        revisions=dict(item["revisions"]),
        reason=str(item["reason"]),
        asked=bool(item["asked"]),
        doubts=int(item["doubts"]),
    )


def read_claim(item: Mapping[str, Any]) -> Claim | None:
    """Who is at it; None when nobody is."""
    claim = item.get("claim")
    return Claim(str(claim["by"]), float(claim["until"])) if claim else None


def holder_of(item: Mapping[str, Any]) -> str:
    """How the locks name this release."""
    return f"{item['pk']} {item['sk']}"
