"""Whether somebody owns what costs money, from its tags: pure, and in doubt the answer is yes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from ratchet.naming import CLAIM_TAG, LEASE_TAG, PIPELINE_TAG, STACK_TAG


def why_abandoned(tags: Mapping[str, str], stack: str, now: datetime, is_working: Callable[[str], bool]) -> str:
    """Say why nobody owns something; empty when somebody owns it, or may.

    A job belongs to whoever works on its pipeline: a run that comes later finds the jobs of an earlier one by their
    names and waits for them, and their tags do not know it. So no job is abandoned while any run of its pipeline holds
    a claim. A job that was ordered without a claim belongs to its buyer until its lease is over.

    Parameters
    ----------
    tags
        Of the job, or of its machine.
    stack
        Whose things may be judged at all.
    is_working
        Whether some run of a pipeline holds a claim now.
    """
    until, pipeline = _read_moment(tags.get(LEASE_TAG, "")), tags.get(PIPELINE_TAG, "")
    if tags.get(STACK_TAG) != stack or until is None or not pipeline:
        return ""
    claimed = CLAIM_TAG in tags
    if (not claimed and now < until) or is_working(pipeline):
        return ""
    run = tags.get("ratchet:run", "nobody's run")
    if claimed:
        return f"run {run} holds its claim no more, and no other run of {pipeline} is working"
    return f"the lease that {run} had on it ended at {tags[LEASE_TAG]}"


def _read_moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
