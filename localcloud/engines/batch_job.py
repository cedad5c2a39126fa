"""A job as DescribeJobs shows it. Changed under Batch's lock only."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from localcloud.engines.batch_plan import JobPlan
from localcloud.engines.batch_rule import AttemptEnd, Status, array_status, summary
from localcloud.process import Child

_HOST_GONE = "Host EC2 (instance localcloud) terminated."
_ARRAY_FAILED = "Array Child Job failed"


class LocalJob:
    """One job, or one child of an array job, or an array job, which runs nothing itself.

    Parameters
    ----------
    job_id
        A child's ends with a colon and its index.
    queue, definition
        moto's.
    """

    def __init__(self, job_id: str, request: Mapping[str, Any], plan: JobPlan, *, queue: Any, definition: Any) -> None:
        self.job_id = job_id
        self.request = request
        self.plan = plan
        self.queue = queue
        self.definition = definition
        self.arn = definition.arn.split(":job-definition/")[0] + f":job/{job_id}"
        self.index: int | None = None
        self.children: list[LocalJob] = []
        self.needs: list[LocalJob] = []
        self.status = Status.SUBMITTED
        self.moved_at = time.monotonic()
        self.outcome: AttemptEnd | None = None
        self.reason: str | None = None
        self.container_reason = ""
        self.exit_code: int | None = None
        self.created_at = time.time()
        self.started_at: float | None = None
        self.stopped_at: float | None = None
        self.attempts: list[dict[str, Any]] = []
        self.stream: str | None = None
        self.environment_name: str | None = None
        self.gpu_ids: list[str] = []
        self.child: Child | None = None
        self.end_reason: str | None = None
        self.cancelled = False

    def resume(self) -> None:
        """Take up what an earlier localcloud left: its clock was another one, and its processes are gone."""
        self.moved_at = time.monotonic()
        self.child = None
        if self.status is Status.RUNNING and not self.children:
            self.outcome = AttemptEnd(None, _HOST_GONE)

    @property
    def holds_capacity(self) -> bool:
        """Whether it takes something of its compute environment."""
        return self.status in {Status.STARTING, Status.RUNNING}

    def move(self, status: Status) -> None:
        """Note a new state."""
        if status is not self.status:
            self.status, self.moved_at = status, time.monotonic()

    def finish(self, status: Status, reason: str) -> None:
        """Note the end."""
        self.move(status)
        self.reason, self.stopped_at = reason, time.time()

    def note_attempt(self, end: AttemptEnd) -> None:
        """Note how an attempt has ended."""
        self.exit_code, self.container_reason = end.exit_code, end.reason
        container = {"logStreamName": self.stream, "exitCode": end.exit_code, "reason": end.reason or None}
        attempt = {
            "container": {key: value for key, value in container.items() if value is not None},
            "startedAt": _milliseconds(self.started_at),
            "stoppedAt": _milliseconds(time.time()),
            "statusReason": end.status_reason,
        }
        self.attempts.append({key: value for key, value in attempt.items() if value is not None})

    def follow_children(self) -> None:
        """Take an array job's status from its children."""
        status = array_status(child.status for child in self.children)
        if status.is_final and not self.status.is_final:
            self.finish(status, _ARRAY_FAILED if status is Status.FAILED else "")
        elif not status.is_final:
            self.move(Status.PENDING)

    def brief(self) -> dict[str, Any]:
        """Return what ListJobs shows."""
        found: dict[str, Any] = {
            "jobId": self.job_id,
            "jobArn": self.arn,
            "jobName": self.request["jobName"],
            "jobDefinition": self.definition.arn,
            "createdAt": _milliseconds(self.created_at),
            "startedAt": _milliseconds(self.started_at),
            "stoppedAt": _milliseconds(self.stopped_at),
            "status": self.status.value,
            "statusReason": self.reason or None,
            "arrayProperties": self._array(),
        }
        if self.status.is_final and not self.children:
            found["container"] = self._ended_container()
        return {key: value for key, value in found.items() if value is not None}

    def describe(self, tags: Mapping[str, str]) -> dict[str, Any]:
        """Return what DescribeJobs shows."""
        found = self.brief() | {
            "jobQueue": self.queue.arn,
            "attempts": self.attempts,
            "dependsOn": self.request.get("dependsOn") or [],
            "parameters": {**self.definition.parameters, **(self.request.get("parameters") or {})},
            "tags": dict(tags),
            "isCancelled": self.cancelled,
            "isTerminated": self.end_reason is not None and not self.cancelled,
            "container": self._container(),
        }
        if self.plan.retry:
            found["retryStrategy"] = dict(self.plan.retry)
        if self.plan.timeout_seconds is not None:
            found["timeout"] = {"attemptDurationSeconds": int(self.plan.timeout_seconds)}
        return found

    def _array(self) -> dict[str, Any] | None:
        if self.index is not None:
            return {"index": self.index}
        if not self.children:
            return None
        return {"size": len(self.children), "statusSummary": summary(child.status for child in self.children)}

    def _container(self) -> dict[str, Any]:
        plan = self.plan
        needs = {"VCPU": f"{plan.vcpus:g}", "MEMORY": str(plan.memory_mib), "GPU": str(plan.gpus) if plan.gpus else ""}
        found = {
            "image": plan.image,
            "command": list(plan.command),
            "environment": [{"name": name, "value": value} for name, value in plan.environment.items()],
            "resourceRequirements": [{"type": name, "value": value} for name, value in needs.items() if value],
            "jobRoleArn": plan.role,
            "logStreamName": self.stream,
        }
        return {key: value for key, value in found.items() if value is not None} | self._ended_container()

    def _ended_container(self) -> dict[str, Any]:
        found = {"exitCode": self.exit_code, "reason": self.container_reason or None}
        return {key: value for key, value in found.items() if value is not None}


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)
