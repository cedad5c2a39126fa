"""Decides how a release goes on: pure, from the record and what was just observed to the next record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ratchet.rollout.plan import Plan, Step

# A smoke prediction that gets no answer is asked again; so many in a row are no accident.
DOUBTS_ALLOWED = 2
# How long after a step's own limit nobody has written anything before a release counts as abandoned.
_ABANDONED_AFTER_SECONDS = 300.0


class State(StrEnum):
    """Where a release is."""

    RUNNING = "running"
    RESTORING = "restoring"  # every target is on its way back
    CARRIED_OUT = "carried_out"  # every target serves the candidate; not promoted yet
    ROLLED_BACK = "rolled_back"
    PROMOTED = "promoted"

    @property
    def closed(self) -> bool:
        """Whether the release is over and its targets are free."""
        return self in (State.ROLLED_BACK, State.PROMOTED)


class Phase(StrEnum):
    """What a person is told."""

    PROGRESSING = "Progressing"
    PAUSED = "Paused"  # somebody else is at it
    HEALTHY = "Healthy"
    DEGRADED = "Degraded"


class Observed(StrEnum):
    """What a step's attempt came to."""

    DONE = "done"
    WAITING = "waiting"
    DOUBTFUL = "doubtful"  # went wrong, but in a way that may pass
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """What was seen, in one sentence.

    Attributes
    ----------
    revision
        What `prepare` made.
    asked
        The target was asked to change: the step must not find it unchanged later.
    """

    observed: Observed
    message: str = ""
    revision: str = ""
    asked: bool = False


@dataclass(frozen=True)
class Rollout:
    """A release's record.

    Attributes
    ----------
    step
        Number of the step that is due.
    entered_at
        When that step, the way back, or the wait for promotion began; seconds since the epoch.
    revisions
        What `prepare` made on each target.
    reason
        Why it went back; empty while all is well.
    asked
        Whether the step that is due has asked its target to change.
    doubts
        Doubtful outcomes of the step in a row.
    """

    plan: Plan
    state: State = State.RUNNING
    step: int = 0
    entered_at: float = 0.0
    revisions: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    asked: bool = False
    doubts: int = 0

    @property
    def due(self) -> Step | None:
        """The step that is due, while there is one."""
        return self.plan.steps[self.step] if self.state is State.RUNNING else None

    @property
    def phase(self) -> Phase:
        """What a person is told."""
        if self.state in (State.CARRIED_OUT, State.PROMOTED):
            return Phase.HEALTHY
        return Phase.PROGRESSING if self.state is State.RUNNING else Phase.DEGRADED


@dataclass(frozen=True)
class Progress:
    """What one `advance` did."""

    phase: Phase
    step: str
    message: str
    done: bool
    succeeded: bool = False


def decide(rollout: Rollout, outcome: Outcome, now: float) -> Rollout:
    """Return the record after an outcome.

    Parameters
    ----------
    now
        Seconds since the epoch; only compared with the record's own `entered_at`.
    """
    if rollout.state is State.RESTORING and outcome.observed is Observed.DONE:
        return replace(rollout, state=State.ROLLED_BACK, entered_at=now)
    if rollout.state is not State.RUNNING:
        return rollout
    if outcome.observed is Observed.DONE:
        return _advanced(rollout, outcome, now)
    doubts = rollout.doubts + 1 if outcome.observed is Observed.DOUBTFUL else 0
    late = now - rollout.entered_at > rollout.plan.limit_seconds(rollout.plan.steps[rollout.step])
    if outcome.observed is Observed.FAILED or late or doubts > DOUBTS_ALLOWED:
        return send_back(rollout, _why(rollout, outcome, late=late), now)
    return replace(rollout, asked=rollout.asked or outcome.asked, doubts=doubts)


def send_back(rollout: Rollout, reason: str, now: float) -> Rollout:
    """Turn a release round that is not over: every target goes back."""
    if rollout.state not in (State.RUNNING, State.CARRIED_OUT):
        return rollout
    return replace(rollout, state=State.RESTORING, entered_at=now, reason=reason, asked=False, doubts=0)


def bake(rollout: Rollout, now: float) -> Outcome:
    """Whether what is due has served for as long as it should before the release goes on."""
    left = rollout.plan.bake_seconds - (now - rollout.entered_at)
    if left > 0:
        return Outcome(Observed.WAITING, f"no alarm rings; {left:.0f} s to go")
    return Outcome(Observed.DONE, f"no alarm rang for {rollout.plan.bake_seconds:g} s")


def is_stuck(rollout: Rollout, now: float) -> bool:
    """Whether the way back has taken longer than it may: a person has to look; trying goes on when asked to."""
    return rollout.state is State.RESTORING and now - rollout.entered_at > 2 * rollout.plan.timeout_seconds


def is_abandoned(rollout: Rollout, now: float) -> bool:
    """Whether nobody drives it any more: every step writes within its limit, so silence beyond tells."""
    return not rollout.state.closed and now - rollout.entered_at > (
        2 * rollout.plan.timeout_seconds + rollout.plan.bake_seconds + _ABANDONED_AFTER_SECONDS
    )


def _advanced(rollout: Rollout, outcome: Outcome, now: float) -> Rollout:
    step = rollout.plan.steps[rollout.step]
    revisions = dict(rollout.revisions)
    if outcome.revision:
        revisions[step.target] = outcome.revision
    last = rollout.step + 1 == len(rollout.plan.steps)
    return replace(
        rollout,
        state=State.CARRIED_OUT if last else State.RUNNING,
        step=rollout.step if last else rollout.step + 1,
        entered_at=now,
        revisions=revisions,
        asked=False,
        doubts=0,
    )


def _why(rollout: Rollout, outcome: Outcome, *, late: bool) -> str:
    step = rollout.plan.steps[rollout.step].describe()
    if late and outcome.observed is Observed.WAITING:
        return f"{step}: not done within {rollout.plan.timeout_seconds:g} s ({outcome.message})"
    return f"{step}: {outcome.message}"
