"""AWS Batch whose jobs are processes; docs/localcloud/batch.md says what differs from AWS."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from moto.batch.models import BatchBackend, batch_backends
from moto.batch.responses import BatchResponse

from localcloud.backend import every_backend
from localcloud.engine import Engine, Host
from localcloud.engines.batch_backend import Backend
from localcloud.engines.batch_job import LocalJob
from localcloud.engines.batch_scheduler import BatchSettings, Scheduler
from localcloud.environment import read_seconds
from localcloud.patch import change_classes

_JOBS_PER_PAGE = 100


class BatchEngine:
    """Hooks into moto's Batch."""

    name = "batch"

    def __init__(self, settings: BatchSettings | None = None) -> None:
        self._settings = settings or BatchSettings()
        self._undo: list[Callable[[], None]] = []

    def install(self, host: Host) -> None:
        """Replace moto's backend and answers, and begin to run jobs."""
        scheduler = Scheduler(host, _jobs, self._settings)
        batch_backends.clear()
        batch_backends.backend = type(
            "BatchBackend", (Backend,), {"scheduler": scheduler, "__module__": BatchBackend.__module__}
        )
        undo_calls = change_classes((BatchResponse, name, call) for name, call in _CALLS.items())
        scheduler.start()
        self._undo = [undo_calls, _restore_backend, scheduler.close]

    def resume(self) -> None:
        """Tell that the hosts of running jobs are gone: whether a job is tried again is up to its retry strategy."""
        for job in _jobs():
            job.resume()

    def close(self) -> None:
        """Start nothing any more and undo what `install` changed; the processes are the supervisor's to end."""
        while self._undo:
            self._undo.pop()()


def engine() -> Engine:
    """Return the engine, set up by LOCALCLOUD_BATCH_* variables."""
    default = BatchSettings()
    return BatchEngine(
        BatchSettings(
            state_seconds=read_seconds(os.environ, "LOCALCLOUD_BATCH_STATE_SECONDS", default.state_seconds),
            grace_seconds=read_seconds(os.environ, "LOCALCLOUD_BATCH_STOP_GRACE_SECONDS", default.grace_seconds),
        )
    )


def _jobs() -> Iterator[LocalJob]:
    found = [
        job
        for backend in every_backend(batch_backends, Backend)
        for job in backend.local_jobs.values()
        if not job.status.is_final
    ]
    yield from sorted(found, key=lambda job: (-int(job.queue.priority), job.created_at, job.index or 0))


def _restore_backend() -> None:
    batch_backends.backend = BatchBackend
    batch_backends.clear()


def _body(response: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(response.body or "{}")
    return found


def _submit(self: Any) -> str:
    job = self.batch_backend.submit(_body(self))
    return json.dumps({"jobArn": job.arn, "jobName": job.request["jobName"], "jobId": job.job_id})


def _describe(self: Any) -> str:
    return json.dumps({"jobs": self.batch_backend.describe(_body(self).get("jobs") or [])})


def _list(self: Any) -> str:
    request = _body(self)
    jobs = self.batch_backend.find_jobs(request)
    start = int(request.get("nextToken") or 0)
    end = start + min(_JOBS_PER_PAGE, int(request.get("maxResults") or _JOBS_PER_PAGE))
    page: dict[str, Any] = {"jobSummaryList": [job.brief() for job in jobs[start:end]]}
    return json.dumps(page | ({"nextToken": str(end)} if end < len(jobs) else {}))


def _cancel(self: Any) -> str:
    self.batch_backend.end_job(_body(self), cancel=True)
    return "{}"


def _terminate(self: Any) -> str:
    self.batch_backend.end_job(_body(self), cancel=False)
    return "{}"


_CALLS = {
    "submitjob": _submit,
    "describejobs": _describe,
    "listjobs": _list,
    "canceljob": _cancel,
    "terminatejob": _terminate,
}
