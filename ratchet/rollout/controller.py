"""Carries releases out: observe, one safe step, write the record, return; killed anywhere, it goes on from there."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ratchet.aws import Aws, Bucket, ConditionFailedError, Deployment, Put, Table, create, replace
from ratchet.clock import Clock
from ratchet.contract import SMOKE_FILE
from ratchet.errors import ConflictError, NotFoundError, RatchetError, ReleaseError, UnavailableError
from ratchet.naming import model_pk, release_sk, report_key
from ratchet.registry import ModelVersion, Registry, Stage
from ratchet.rollout.machine import (
    Observed,
    Outcome,
    Progress,
    Rollout,
    State,
    decide,
    is_stuck,
    send_back,
)
from ratchet.rollout.plan import Candidate, Plan, Step, Verb, order_steps
from ratchet.rollout.record import LOCKS_PK, changing_part, lock_item, read_rollout, rollout_item
from ratchet.rollout.targets import Example, Shift, Target, make_target
from ratchet.spec import Release as ReleaseSpec

log = logging.getLogger(__name__)
MakeTarget = Callable[[str, Aws, Deployment], Target]


class ApprovalGate(Protocol):
    """Vouches for an approval of exactly one artefact."""

    def require(self, model: str, version: int, digest: str) -> Any:
        """Raise `ApprovalError` when there is none."""
        ...


class Releases:
    """All releases.

    Parameters
    ----------
    approvals
        Asked before anything is released, whatever anybody else says.
    make_target
        Builds a target by name.
    """

    def __init__(
        self,
        aws: Aws,
        deployment: Deployment,
        registry: Registry,
        approvals: ApprovalGate,
        *,
        clock: Clock,
        make_target: MakeTarget = make_target,
    ) -> None:
        self.table = Table(aws, deployment.registry_table)
        self.registry = registry
        self.clock = clock
        self._aws = aws
        self._deployment = deployment
        self._approvals = approvals
        self._make_target = make_target

    def target(self, name: str) -> Target:
        """Build a target."""
        return self._make_target(name, self._aws, self._deployment)

    def plan(self, version: ModelVersion, release: ReleaseSpec) -> Plan:
        """Work out a release of a version from what is live now; changes nothing."""
        targets: dict[str, Target] = {name: self.target(name) for name in release.targets}
        canaries: dict[str, float] = {
            name: release.canary_percent for name, target in targets.items() if target.splits_traffic
        }
        return Plan(
            candidate=Candidate(version.model, version.version, version.digest, version.uri),
            steps=order_steps(release.targets, canaries),
            before={name: target.observe() for name, target in targets.items()},
            tasks=release.tasks,
            smoke_images=release.smoke_images,
            timeout_seconds=release.health_timeout_seconds,
        )

    def begin(self, version: ModelVersion, plan: Plan, *, run_id: str, actor: str) -> Release:
        """Begin a release, or find it begun.

        Raises
        ------
        ApprovalError
            When nobody has approved exactly this artefact.
        ConflictError
            When another release is under way on one of the targets.
        """
        self._approvals.require(version.model, version.version, version.digest)
        found = self._newest(version.model, version.version)
        if found is not None and version.stage in (Stage.RELEASING, Stage.CHAMPION):
            return Release(self, found)
        attempt = int(found["attempt"]) + 1 if found else 1
        rollout = Rollout(plan=plan, entered_at=self.clock.now().timestamp())
        item = rollout_item(rollout, attempt=attempt, actor=actor, run_id=run_id)
        locks = [self._lock(target, holder=f"{item['pk']} {item['sk']}") for target in plan.targets]
        self.registry.move(
            version.model,
            version.version,
            Stage.RELEASING,
            expected=version.stage,
            actor=actor,
            reason=f"run {run_id} releases it to {', '.join(plan.targets)}",
            extra=(create(item), *locks),
        )
        return self.open(version.model, version.version)

    def open(self, model: str, version: int) -> Release:
        """Find the newest release of a version."""
        found = self._newest(model, version)
        if found is None:
            raise NotFoundError(f"there is no release of {model} {version}")
        return Release(self, found)

    def promote(self, model: str, version: int, *, actor: str) -> ModelVersion:
        """Make a version champion whose release was carried out, and close that release in the same transaction.

        Raises
        ------
        ReleaseError
            When the release was not carried out.
        """
        release = self.open(model, version)
        if release.rollout.state is State.PROMOTED:
            return self.registry.get(model, version)
        if release.rollout.state is not State.CARRIED_OUT:
            raise ReleaseError(
                f"{model} {version} cannot be promoted: its release is {release.rollout.state}"
                + (f" ({release.rollout.reason})" if release.rollout.reason else "")
            )
        item = release.item
        closed = replace(item, {**item, "state": State.PROMOTED.value})
        extra = (closed, *self.unlock(release))
        return self.registry.promote(model, version, actor=actor, reason=f"released by {item['actor']}", extra=extra)

    def unlock(self, release: Release) -> list[Put]:
        """Writes that give the targets free, for those that this release holds."""
        holder = f"{release.item['pk']} {release.item['sk']}"
        found = [self.table.find(LOCKS_PK, self._resource(target)) for target in release.rollout.plan.targets]
        return [replace(lock, lock_item(lock["sk"], "")) for lock in found if lock and lock["holder"] == holder]

    def examples(self, plan: Plan) -> list[Example]:
        """Read the test images that every target must answer as the model did."""
        candidate = plan.candidate
        evaluation = self.registry.get(candidate.model, candidate.version).evaluation
        key = report_key(candidate.model, candidate.version, evaluation["job"], SMOKE_FILE)
        raw = json.loads(Bucket(self._aws, self._deployment.models_bucket).read(key))["examples"]
        chosen = raw[: plan.smoke_images]
        if not chosen:
            raise ReleaseError(f"{candidate.model} {candidate.version} has no smoke examples: evaluate it again")
        return [Example(base64.b64decode(one["image_base64"]), str(one["expected_label"])) for one in chosen]

    def _lock(self, target: str, *, holder: str) -> Put:
        resource = self._resource(target)
        found = self.table.find(LOCKS_PK, resource)
        if found is not None and found["holder"] not in ("", holder):
            raise ConflictError(f"{target} is being released to by {found['holder']}: wait for it to end")
        return replace(found, lock_item(resource, holder))

    def _resource(self, target: str) -> str:
        names = {"ecs": f"{self._deployment.cluster_name}/{self._deployment.service_name}"}
        return f"{target}:{names.get(target, self._deployment.function_name)}"

    def _newest(self, model: str, version: int) -> dict[str, Any] | None:
        prefix = release_sk(version, 0)[:-4]
        found = list(self.table.query(model_pk(model), prefix))
        return found[-1] if found else None


class Release:
    """One release, as its record says it is."""

    def __init__(self, releases: Releases, item: Mapping[str, Any]) -> None:
        self._releases = releases
        self.item = item
        self.rollout = read_rollout(item)

    def advance(self) -> Progress:
        """Do the one thing that is due, and write down what came of it."""
        before = self.rollout
        if before.state in (State.CARRIED_OUT, State.PROMOTED, State.ROLLED_BACK):
            return self._progress("")
        outcome = self._attempt()
        now = self._releases.clock.now().timestamp()
        after = decide(before, outcome, now)
        if after is not before:
            self._write(after)
        if is_stuck(after, now):
            return Progress(after.phase, self._where(), f"{outcome.message}; a person has to look", done=True)
        return self._progress(outcome.message)

    def abort(self, reason: str) -> Progress:
        """Send a running release back; `advance` then does the work."""
        after = send_back(self.rollout, reason, self._releases.clock.now().timestamp())
        if after is not self.rollout:
            self._write(after)
        return self._progress(reason)

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
        plan, target = self.rollout.plan, self._releases.target(step.target)
        if step.verb is Verb.PREPARE:
            return target.prepare(plan.candidate)
        revision = self.rollout.revisions[step.target]
        if step.verb is Verb.TRY:
            return target.try_out(plan.candidate, revision, self._releases.examples(plan))
        shift = Shift(revision, step.percent, plan.tasks, plan.before[step.target])
        if step.verb is Verb.SHIFT:
            return target.shift(shift)
        return target.check(plan.candidate, shift, self._releases.examples(plan))

    def _restore(self) -> Outcome:
        """Send every target back; done when all have settled."""
        plan = self.rollout.plan
        outcomes = []
        for name in reversed(plan.targets):
            # One target that cannot be reached must not keep the others on the candidate.
            try:
                outcomes.append((name, self._releases.target(name).restore(plan.before[name])))
            except RatchetError as error:
                outcomes.append((name, Outcome(Observed.WAITING, str(error))))
        open_ones = [
            f"{name}: {outcome.message}" for name, outcome in outcomes if outcome.observed is not Observed.DONE
        ]
        if open_ones:
            return Outcome(Observed.WAITING, "; ".join(open_ones))
        return Outcome(Observed.DONE, "every target serves what it served before")

    def _write(self, after: Rollout) -> None:
        candidate = after.plan.candidate
        item = {**self.item, **changing_part(after)}
        try:
            if after.state is State.ROLLED_BACK:
                self._releases.registry.move(
                    candidate.model,
                    candidate.version,
                    Stage.ROLLED_BACK,
                    expected=Stage.RELEASING,
                    actor=str(self.item["actor"]),
                    reason=after.reason,
                    extra=(replace(self.item, item), *self._releases.unlock(self)),
                )
            else:
                writer = f"{item['pk']} {item['sk']} {after.state} {after.step} {after.entered_at}"
                self._releases.table.write(replace(self.item, item), writer=writer, action="write the release's record")
        except ConditionFailedError:
            # Another controller was faster: its record is the truth, and what we did is what it does too.
            log.warning("fenced: another controller has taken %s %s on", candidate.model, candidate.version)
        fresh = self._releases.open(candidate.model, candidate.version)
        self.item, self.rollout = fresh.item, fresh.rollout

    def _where(self) -> str:
        step = self.rollout.due
        return step.describe() if step else self.rollout.state.value.replace("_", " ")

    def _progress(self, message: str) -> Progress:
        state = self.rollout.state
        succeeded = state in (State.CARRIED_OUT, State.PROMOTED)
        if state in (State.ROLLED_BACK, State.RESTORING) and self.rollout.reason not in message:
            message = f"{self.rollout.reason}. {message}".strip()
        done = succeeded or state is State.ROLLED_BACK
        return Progress(self.rollout.phase, self._where(), message, done=done, succeeded=succeeded)
