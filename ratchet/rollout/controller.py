"""Carries one release out: claim, observe, one safe step, write the record; killed anywhere, it goes on from there."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import replace as changed
from typing import Any, Protocol

from ratchet.aws import ConditionFailedError, Put, Table, replace
from ratchet.aws.condition import REVISION
from ratchet.clock import Clock
from ratchet.errors import ConflictError, NotFoundError, RatchetError, UnavailableError
from ratchet.registry import Registry, Stage
from ratchet.rollout.alarm import heard
from ratchet.rollout.example import Example
from ratchet.rollout.lock import Locks
from ratchet.rollout.machine import (
    Observed,
    Outcome,
    Phase,
    Progress,
    Rollout,
    State,
    bake,
    decide,
    is_stuck,
    send_back,
)
from ratchet.rollout.plan import Plan, Step, Verb
from ratchet.rollout.record import changing_part, holder_of, read_claim, read_rollout
from ratchet.rollout.targets import Shift, Target

log = logging.getLogger(__name__)

# Longer than a step takes, short enough to wait for after a kill: the step's own time runs on meanwhile. An overlap
# does no harm all the same, because every verb may be repeated and the slower worker's record is refused.
CLAIM_SECONDS = 60.0
_CLAIM_SHARE = 1 / 3  # of the time that a step has
_LOOK_SECONDS = 1.0
_ABORT_SECONDS = 120.0


class Surroundings(Protocol):
    """What a release needs around it."""

    table: Table
    registry: Registry
    clock: Clock

    def target(self, name: str) -> Target:
        """Build a target."""
        ...

    def locks(self, targets: tuple[str, ...]) -> Locks:
        """The locks of some targets."""
        ...

    def examples(self, plan: Plan) -> list[Example]:
        """Test images with the answers that are expected."""
        ...

    def ringing(self) -> Mapping[str, str]:
        """The stack's alarms that ring, and since when."""
        ...


class Release:
    """One release, as its record says it is. Make a new one for every look, or keep one: the record decides."""

    def __init__(self, surroundings: Surroundings, item: Mapping[str, Any]) -> None:
        self._around = surroundings
        self._token = uuid.uuid4().hex
        self._writes = 0
        self.item: Mapping[str, Any] = item
        self.rollout = read_rollout(item)

    def advance(self) -> Progress:
        """Do the one thing that is due, and write down what came of it."""
        if self.rollout.state.closed or self.rollout.state is State.CARRIED_OUT:
            return self._progress("")
        if not self._claim():
            return self._paused()
        outcome = self._attempt()
        now = self._now()
        after = decide(self.rollout, outcome, now)
        if after.state is not self.rollout.state:
            log.info("release %s is %s now: %s", holder_of(self.item), after.state, outcome.message)
        if not self._write(after):
            return self._paused()
        if is_stuck(after, now):
            return Progress(
                after.phase, self._where(), f"{self._why(outcome.message)}; a person has to look", done=True
            )
        return self._progress(outcome.message)

    def abort(self, reason: str) -> Progress:
        """Send a release back that is not promoted yet, and see it back for a while; `advance` does the rest."""
        turned = self._turn(reason)
        deadline = self._now() + _ABORT_SECONDS
        progress = self.advance() if turned else self._paused()
        while not progress.done and self._now() < deadline:
            self._around.clock.sleep(_LOOK_SECONDS)
            self._reload()
            progress = self.advance()
        return progress

    def _turn(self, reason: str) -> bool:
        """Write down that it goes back, also while another worker is at a step: that worker's record is refused."""
        for _ in range(5):
            after = send_back(self.rollout, reason, self._now())
            if self.rollout.state is State.RESTORING:
                after = changed(self.rollout, entered_at=self._now())  # the way back gets its time anew
            if after is self.rollout or self._save(changing_part(after)):
                self.rollout = after
                return True
            self._reload()
        return False

    def _claim(self) -> bool:
        claim, now = read_claim(self.item), self._now()
        if claim is not None and claim.by != self._token and claim.until > now:
            return False
        until = now + min(CLAIM_SECONDS, self.rollout.plan.timeout_seconds * _CLAIM_SHARE)
        if self._save({"claim": {"by": self._token, "until": until}}):
            return True
        self._reload()
        return False

    def _attempt(self) -> Outcome:
        try:
            step = self.rollout.due
            return self._restore() if step is None else self._do(step)
        except UnavailableError as error:
            # Not a verdict about the model: the step's deadline bounds how long this may go on.
            return Outcome(Observed.WAITING, str(error))
        except ConflictError as error:
            return Outcome(Observed.WAITING, f"somebody else changed it at the same time: {error}")
        except RatchetError as error:
            return Outcome(Observed.FAILED, str(error))

    def _do(self, step: Step) -> Outcome:
        if alarm := heard(self._around.ringing(), self.rollout.plan.ringing):
            return Outcome(Observed.FAILED, alarm)
        return bake(self.rollout, self._now()) if step.verb is Verb.BAKE else self._carry_out(step)

    def _carry_out(self, step: Step) -> Outcome:
        plan, target = self.rollout.plan, self._around.target(step.target)
        if step.verb is Verb.PREPARE:
            return target.prepare(plan.candidate)
        if step.verb is Verb.CONFIRM:
            return _confirm(target, plan)
        revision = self.rollout.revisions[step.target]
        if step.verb is Verb.TRY:
            return target.try_out(plan.candidate, revision, self._around.examples(plan))
        shift = Shift(revision, step.percent, plan.tasks, plan.before[step.target], self.rollout.asked)
        if step.verb is Verb.SHIFT:
            return target.shift(shift)
        return target.check(plan.candidate, shift, self._around.examples(plan))

    def _restore(self) -> Outcome:
        """Send every target back; done when all have settled."""
        plan = self.rollout.plan
        open_ones = []
        for name in reversed(plan.targets):
            # One target that cannot be reached must not keep the others on the candidate.
            try:
                outcome = self._around.target(name).restore(plan.before[name])
            except RatchetError as error:
                outcome = Outcome(Observed.WAITING, str(error))
            if outcome.observed is not Observed.DONE:
                open_ones.append(f"{name}: {outcome.message}")
        if open_ones:
            return Outcome(Observed.WAITING, "; ".join(open_ones))
        return Outcome(Observed.DONE, f"back in service: {_served(plan)}")

    def _write(self, after: Rollout) -> bool:
        """Write the record and drop the claim; False when the record was changed in between."""
        if after.state is State.ROLLED_BACK:
            written = self._close(after)
        else:
            written = self._save({**changing_part(after), "claim": None})
        if written:
            self.rollout = after
            return True
        # What we did is what the other does too, or has taken back: every verb looks before it acts.
        log.warning("fenced: somebody else has taken release %s on", holder_of(self.item))
        self._reload()
        claim = read_claim(self.item)
        if claim is not None and claim.by == self._token:
            self._save({"claim": None})
        return False

    def _close(self, after: Rollout) -> bool:
        """Version, record and locks in one transaction."""
        candidate = after.plan.candidate
        try:
            self._around.registry.move(
                candidate.model,
                candidate.version,
                Stage.ROLLED_BACK,
                expected=Stage.RELEASING,
                actor=str(self.item["actor"]),
                reason=after.reason,
                extra=(replace(self.item, {**self.item, **changing_part(after), "claim": None}), *self.unlock()),
            )
        except ConflictError:
            return False
        return True

    def unlock(self) -> list[Put]:
        """Writes that give the targets free."""
        return self._around.locks(self.rollout.plan.targets).free(holder_of(self.item))

    def _save(self, changes: Mapping[str, Any]) -> bool:
        """Write the item if it is as it was read."""
        item = {**self.item, **changes}
        self._writes += 1
        try:
            self._around.table.write(
                replace(self.item, item), writer=f"{self._token} {self._writes}", action="write the release's record"
            )
        except ConditionFailedError:
            return False
        self.item = {**item, REVISION: int(self.item[REVISION]) + 1}
        return True

    def _reload(self) -> None:
        found = self._around.table.find(str(self.item["pk"]), str(self.item["sk"]))
        if found is None:
            raise NotFoundError(f"the record of release {holder_of(self.item)} is gone")
        self.item, self.rollout = found, read_rollout(found)

    def _now(self) -> float:
        return self._around.clock.now().timestamp()

    def _where(self) -> str:
        step = self.rollout.due
        return step.describe() if step else self.rollout.state.value.replace("_", " ")

    def _why(self, message: str) -> str:
        reason = self.rollout.reason
        return message if reason in message else f"{reason}. {message}".strip()

    def _paused(self) -> Progress:
        return Progress(Phase.PAUSED, self._where(), "another worker is at this release now", done=False)

    def _progress(self, message: str) -> Progress:
        state = self.rollout.state
        succeeded = state in (State.CARRIED_OUT, State.PROMOTED)
        if state is State.ROLLED_BACK and not message:
            message = f"back in service: {_served(self.rollout.plan)}"
        told = self._why(message) if state in (State.ROLLED_BACK, State.RESTORING) else message
        done = succeeded or state is State.ROLLED_BACK
        return Progress(self.rollout.phase, self._where(), told, done=done, succeeded=succeeded)


def _confirm(target: Target, plan: Plan) -> Outcome:
    """Every target serves the candidate at the same moment, or the release is not carried out."""
    found = target.observe()
    if found["digest"] == plan.candidate.digest:
        return Outcome(Observed.DONE, f"serves version {plan.candidate.version}")
    return Outcome(Observed.FAILED, f"serves version {found['model_version'] or 'none'} again: somebody changed it")


def _served(plan: Plan) -> str:
    return ", ".join(
        f"{target} serves version {plan.before[target]['model_version']}"
        if plan.before[target].get("model_version")
        else f"{target} serves no model, as before"
        for target in plan.targets
    )
