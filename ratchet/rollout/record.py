"""A release's record and the locks on its targets, as they lie in the registry's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet.aws import Item
from ratchet.naming import model_pk, release_sk
from ratchet.rollout.machine import Rollout, State
from ratchet.rollout.plan import Plan

LOCKS_PK = "RELEASELOCK"


def rollout_item(rollout: Rollout, *, attempt: int, actor: str, run_id: str) -> dict[str, Any]:
    """The item of a release."""
    candidate = rollout.plan.candidate
    return {
        "pk": model_pk(candidate.model),
        "sk": release_sk(candidate.version, attempt),
        "attempt": attempt,
        "actor": actor,
        "run_id": run_id,
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
    )


def lock_item(resource: str, holder: str) -> Item:
    """Who rolls out to a resource now; an empty holder means nobody."""
    return {"pk": LOCKS_PK, "sk": resource, "holder": holder}
