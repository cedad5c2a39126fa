"""The Batch backend: moto's environments, queues and definitions, with jobs that really run."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from moto.batch.exceptions import ClientException
from moto.batch.models import JOB_NAME_REGEX, BatchBackend

from localcloud.engines.batch_job import LocalJob
from localcloud.engines.batch_plan import plan_job
from localcloud.engines.batch_rule import Status
from localcloud.engines.batch_scheduler import Scheduler
from localcloud.lock import service_lock

_lock = service_lock("batch")
_ARRAY_SIZES = range(2, 10_001)
_MOST_ATTEMPTS = 10


class Backend(BatchBackend):  # type: ignore[misc]
    """Batch of one account and region."""

    scheduler: ClassVar[Scheduler]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.local_jobs: dict[str, LocalJob] = {}

    def reset(self) -> None:
        """Forget everything; what runs is ended."""
        with _lock:
            for job in self.local_jobs.values():
                self.scheduler.end(job, "localcloud was reset", cancel=False)
            self.local_jobs.clear()
        super().reset()

    def submit(self, request: Mapping[str, Any]) -> LocalJob:
        """Carry out SubmitJob."""
        with _lock:
            if JOB_NAME_REGEX.match(request["jobName"]) is None:
                raise ClientException("Job name should match valid pattern")
            queue, definition = self._queue(request["jobQueue"]), self._definition(request["jobDefinition"])
            size = (request.get("arrayProperties") or {}).get("size")
            _check(request, definition, size)
            job = self._make(str(uuid.uuid4()), request, queue=queue, definition=definition)
            needs = self._needs(request)
            made = [job]
            if size is None:
                job.needs = [need for need, _ in needs]
            else:
                made += self._make_children(job, request, size, needs)
            if request.get("tags"):
                self.tag_resource(job.arn, dict(request["tags"]))
            self.local_jobs.update({each.job_id: each for each in made})
            return job

    def find_jobs(self, request: Mapping[str, Any]) -> list[LocalJob]:
        """Return the jobs that ListJobs asks for: of a queue or an array; running ones, unless it says otherwise."""
        array = request.get("arrayJobId")
        if array:
            jobs: Sequence[LocalJob] = self._job(array).children
        else:
            queue = self._queue(request.get("jobQueue") or "")
            jobs = [job for job in self.local_jobs.values() if job.queue is queue and job.index is None]
        filters = request.get("filters")
        if filters:
            return [job for job in jobs if all(_passes(job, each) for each in filters)]
        status = request.get("jobStatus") or Status.RUNNING.value
        return [job for job in jobs if job.status == status]

    def describe(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return what DescribeJobs shows of the jobs that are known."""
        with _lock:
            wanted = {name.rsplit("job/", 1)[-1] for name in ids}
            found = [job for job in self.local_jobs.values() if job.job_id in wanted]
            return [job.describe(self.list_tags_for_resource(job.arn)) for job in found]

    def end_job(self, request: Mapping[str, Any], *, cancel: bool) -> None:
        """Carry out TerminateJob or CancelJob; a job that is over, or not there, is no error."""
        for key in ("jobId", "reason"):
            if not request.get(key):
                raise ClientException(f"'{key}' is a required field (cannot be an empty string)")
        with _lock:
            job = self.local_jobs.get(request["jobId"])
            if job is not None:
                self.scheduler.end(job, request["reason"], cancel=cancel)

    def _make(self, job_id: str, request: Mapping[str, Any], *, queue: Any, definition: Any) -> LocalJob:
        return LocalJob(job_id, request, plan_job(definition, request), queue=queue, definition=definition)

    def _make_children(
        self, job: LocalJob, request: Mapping[str, Any], size: int, needs: Sequence[tuple[LocalJob, str]]
    ) -> list[LocalJob]:
        is_sequential = any(each.get("type") == "SEQUENTIAL" for each in request.get("dependsOn") or [])
        for index in range(size):
            child = self._make(f"{job.job_id}:{index}", request, queue=job.queue, definition=job.definition)
            child.index = index
            child.needs = [need.children[index] if kind == "N_TO_N" else need for need, kind in needs]
            if is_sequential and index:
                child.needs.append(job.children[index - 1])
            job.children.append(child)
        return job.children

    def _needs(self, request: Mapping[str, Any]) -> list[tuple[LocalJob, str]]:
        size = (request.get("arrayProperties") or {}).get("size")
        found = []
        for each in request.get("dependsOn") or []:
            if not each.get("jobId"):
                continue  # SEQUENTIAL: on its own children
            need, kind = self._job(each["jobId"]), str(each.get("type") or "")
            if kind == "N_TO_N" and len(need.children) != size:
                raise ClientException(f"Array size of the job {need.job_id} and of this one are not the same")
            found.append((need, kind))
        return found

    def _job(self, job_id: str) -> LocalJob:
        job = self.local_jobs.get(job_id)
        if job is None:
            raise ClientException(f"Job {job_id} does not exist")
        return job

    def _queue(self, name: str) -> Any:
        queue = self.get_job_queue(name)
        if queue is None:
            raise ClientException(f"Job queue {name} does not exist")
        if queue.state == "DISABLED":
            raise ClientException(f"Job queue {name} is not in ENABLED state")
        return queue

    def _definition(self, name: str) -> Any:
        definition = self.get_job_definition(name)
        if definition is None or definition.status != "ACTIVE":
            raise ClientException(f"Job definition {name} does not exist")
        if definition.container_properties is None:
            raise ClientException("localcloud runs jobs with containerProperties only")
        return definition


def _check(request: Mapping[str, Any], definition: Any, size: int | None) -> None:
    if size is not None and size not in _ARRAY_SIZES:
        raise ClientException("Array size must be between 2 and 10000")
    strategy = request.get("retryStrategy") or definition.retry_strategy or {}
    if not 1 <= int(strategy.get("attempts") or 1) <= _MOST_ATTEMPTS:
        raise ClientException("attempts must be between 1 and 10")


def _passes(job: LocalJob, condition: Mapping[str, Any]) -> bool:
    name, values = condition["name"], condition["values"]
    if name == "JOB_NAME":
        return any(
            job.request["jobName"].startswith(value[:-1]) if value.endswith("*") else job.request["jobName"] == value
            for value in values
        )
    if name == "JOB_DEFINITION":
        return any(value in {job.definition.name, job.definition.arn} for value in values)
    moment = job.created_at * 1000
    return moment > float(values[0]) if name == "AFTER_CREATED_AT" else moment < float(values[0])
