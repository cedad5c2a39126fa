"""All releases: plan one, begin it once and only with an approval, find it again, promote what it carried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as changed
from typing import Any, Protocol

from ratchet.aws import Aws, Bucket, Deployment, Table, create, replace
from ratchet.clock import Clock
from ratchet.errors import ConflictError, NotFoundError, ReleaseError
from ratchet.naming import model_pk, release_sk
from ratchet.registry import ModelVersion, Registry, Stage
from ratchet.rollout.alarm import AlarmWatch
from ratchet.rollout.controller import Release
from ratchet.rollout.example import Example, examples_key, read_examples
from ratchet.rollout.lock import Locks
from ratchet.rollout.machine import Rollout, State, is_abandoned
from ratchet.rollout.plan import Candidate, Plan, order_steps
from ratchet.rollout.record import changing_part, holder_of, rollout_item
from ratchet.rollout.targets import Target, make_target
from ratchet.spec import Release as ReleaseSpec

MakeTarget = Callable[[str, Aws, Deployment], Target]


class ApprovalGate(Protocol):
    """Vouches for an approval of exactly one artefact."""

    def require(self, model: str, version: int, digest: str) -> Any:
        """Raise `ApprovalError` when there is none."""
        ...


class Releases:
    """All releases of a stack.

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
        self._targets: dict[str, Target] = {}
        self._alarms = AlarmWatch(aws, deployment)

    def target(self, name: str) -> Target:
        """Build a target, once."""
        if name not in self._targets:
            self._targets[name] = self._make_target(name, self._aws, self._deployment)
        return self._targets[name]

    def locks(self, targets: tuple[str, ...]) -> Locks:
        """The locks of some targets."""
        return Locks(self.table, {name: f"{name}:{self.target(name).resource}" for name in targets})

    def examples(self, plan: Plan) -> list[Example]:
        """Test images with the answers that are expected."""
        models = Bucket(self._aws, self._deployment.models_bucket)
        return list(read_examples(models, plan.smoke_key, plan.smoke_images))

    def ringing(self) -> dict[str, str]:
        """The stack's alarms that ring, and since when."""
        return self._alarms.ringing()

    def plan(self, version: ModelVersion, release: ReleaseSpec) -> Plan:
        """Work out a release of a version from what is live now; changes nothing.

        For a version whose release is under way this is the plan of that release.
        """
        if version.stage is Stage.RELEASING:
            return self.open(version.model, version.version).rollout.plan
        targets: dict[str, Target] = {name: self.target(name) for name in release.targets}
        fences = self.locks(tuple(targets)).read_fences()  # before looking: what changes later is then seen
        before = {name: target.observe() for name, target in targets.items()}
        canaries: dict[str, float] = {
            name: release.canary_percent if before[name]["digest"] else 0.0
            for name, target in targets.items()
            if target.splits_traffic
        }
        return Plan(
            candidate=Candidate(version.model, version.version, version.digest, version.uri),
            steps=order_steps(
                release.targets,
                canaries,
                calls={name: target.calls for name, target in targets.items()},
                bakes=release.bake_seconds > 0,
            ),
            before=before,
            tasks=release.tasks,
            smoke_key=examples_key(version),
            smoke_images=release.smoke_images,
            timeout_seconds=release.health_timeout_seconds,
            fences=fences,
            bake_seconds=release.bake_seconds,
            ringing=self.ringing(),
        )

    def begin(self, version: ModelVersion, plan: Plan, *, run_id: str, actor: str) -> Release:
        """Begin a release, or find it begun.

        Raises
        ------
        ApprovalError
            When nobody has approved exactly this artefact.
        ConflictError
            When another release is under way on one of the targets, or was since the plan was made.
        NotFoundError, ReleaseError
            When there are no smoke examples to check the targets with.
        """
        self._approvals.require(version.model, version.version, version.digest)
        found = self._newest(version.model, version.version)
        if found is not None and version.stage in (Stage.RELEASING, Stage.CHAMPION):
            return Release(self, found)
        if (plan.candidate.version, plan.candidate.digest) != (version.version, version.digest):
            raise ReleaseError(f"the plan is not about {version.model} {version.version} as it is now: plan it again")
        self.examples(plan)
        self._make_way(plan, f"{version.model} {version.version}")
        attempt = int(found["attempt"]) + 1 if found else 1
        rollout = Rollout(plan=plan, entered_at=self.clock.now().timestamp())
        item = rollout_item(rollout, attempt=attempt, actor=actor, run_id=run_id)
        locks = self.locks(plan.targets).take(holder_of(item), plan.fences)
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
        rollout = release.rollout
        if rollout.state is State.PROMOTED:
            return self.registry.get(model, version)
        if rollout.state is not State.CARRIED_OUT:
            why = f" ({rollout.reason})" if rollout.reason else ""
            raise ReleaseError(f"{model} {version} cannot be promoted: its release is {rollout.state}{why}")
        closed = changed(rollout, state=State.PROMOTED, entered_at=self.clock.now().timestamp())
        return self.registry.promote(
            model,
            version,
            actor=actor,
            reason=f"released by {release.item['actor']}",
            extra=(replace(release.item, {**release.item, **changing_part(closed)}), *release.unlock()),
        )

    def _make_way(self, plan: Plan, successor: str) -> None:
        """Bring back what others began and nobody drives any more; what is driven is not disturbed."""
        for holder in sorted(self.locks(plan.targets).holders()):
            pk, _, sk = holder.partition(" ")
            item = self.table.find(pk, sk)
            if item is None:
                raise NotFoundError(
                    f"the release {holder} holds a target, but its record is gone: a person has to look"
                )
            release = Release(self, item)
            if not is_abandoned(release.rollout, self.clock.now().timestamp()):
                raise ConflictError(f"{holder} is being released ({release.rollout.state}): wait for its end")
            progress = release.abort(f"nobody went on with it, and {successor} is to be released")
            raise ConflictError(f"{holder} was abandoned and is now {release.rollout.state} ({progress.message})")

    def _newest(self, model: str, version: int) -> dict[str, Any] | None:
        prefix = release_sk(version, 0).removesuffix("0000")
        found = list(self.table.query(model_pk(model), prefix))
        return found[-1] if found else None
