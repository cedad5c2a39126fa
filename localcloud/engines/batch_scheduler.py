"""The thread that moves jobs on: one state for each, again and again, and at once after a change."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from localcloud.engine import Host
from localcloud.engines.batch_job import LocalJob
from localcloud.engines.batch_launch import Launcher, StartError, not_started, read_end
from localcloud.engines.batch_rule import AttemptEnd, Status, may_retry
from localcloud.lock import service_lock
from localcloud.machine_type import Shape, find_shape

_lock = service_lock("batch")
_log = logging.getLogger(__name__)
_DEPENDENCY_FAILED = "Dependent Job failed"


@dataclass(frozen=True)
class BatchSettings:
    """How long things take.

    Attributes
    ----------
    state_seconds
        How long each state on the way lasts at least.
    grace_seconds
        Between SIGTERM and SIGKILL.
    """

    state_seconds: float = 0.1
    grace_seconds: float = 30.0


class Scheduler:
    """Moves jobs until it is closed.

    Parameters
    ----------
    host
        Supervisor, images, endpoint.
    jobs
        Returns the jobs of all accounts and regions that are not over, in the order in which they are to start.
    """

    def __init__(self, host: Host, jobs: Callable[[], Iterable[LocalJob]], settings: BatchSettings) -> None:
        self._launcher = Launcher(host)
        self._jobs = jobs
        self._settings = settings
        self._timed_out: set[str] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="batch-scheduler", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Start nothing any more; the processes are the supervisor's to end."""
        self._closed.set()
        self._thread.join()

    def end(self, job: LocalJob, reason: str, *, cancel: bool) -> None:
        """Terminate a job, or cancel one that has not started; its children too. Used under Batch's lock."""
        for child in job.children:
            self.end(child, reason, cancel=cancel)
        if job.status.is_final or job.end_reason is not None or (cancel and not job.status.is_before_start):
            return
        job.end_reason, job.cancelled = reason, cancel
        if job.status.is_before_start and not job.children:
            job.finish(Status.FAILED, reason)
        elif job.child is not None:
            self._stop(job)

    def _run(self) -> None:
        while not self._closed.wait(self._settings.state_seconds / 2):
            with _lock:
                jobs, now = list(self._jobs()), time.monotonic()
                for job in jobs:
                    if now - job.moved_at < self._settings.state_seconds:
                        continue
                    try:
                        self._step(job, jobs)
                    except Exception:  # noqa: BLE001 - the edge of this thread: one job's trouble is not the others'
                        _log.exception("the job %s broke down", job.job_id)
                        job.finish(Status.FAILED, "localcloud failed; its log says why")

    def _step(self, job: LocalJob, jobs: Sequence[LocalJob]) -> None:
        if job.children:
            job.follow_children()
        elif job.status in {Status.SUBMITTED, Status.PENDING}:
            self._heed_needs(job)
        elif job.status is Status.RUNNABLE:
            _take_capacity(job, [each for each in jobs if each.holds_capacity])
        elif job.status is Status.STARTING:
            self._launch(job)
        elif job.outcome is not None:
            self._conclude(job, job.outcome)
        else:
            self._heed_timeout(job)

    def _heed_needs(self, job: LocalJob) -> None:
        if any(need.status is Status.FAILED for need in job.needs):
            job.finish(Status.FAILED, _DEPENDENCY_FAILED)
        elif all(need.status is Status.SUCCEEDED for need in job.needs):
            job.move(Status.RUNNABLE)
        else:
            job.move(Status.PENDING)

    def _launch(self, job: LocalJob) -> None:
        if job.end_reason is not None:  # terminated between its place and its start
            job.finish(Status.FAILED, job.end_reason)
            return
        job.started_at = time.time()
        try:
            job.child = self._launcher.start(job, partial(self._on_exit, job))
        except StartError as error:
            self._conclude(job, not_started(error))
            return
        job.move(Status.RUNNING)

    def _heed_timeout(self, job: LocalJob) -> None:
        limit = job.plan.timeout_seconds
        if limit is None or job.started_at is None or job.job_id in self._timed_out:
            return
        if time.time() - job.started_at > limit:
            self._timed_out.add(job.job_id)
            self._stop(job)

    def _stop(self, job: LocalJob) -> None:
        child = job.child
        if child is None:
            return
        child.signal(signal.SIGTERM)
        timer = threading.Timer(self._settings.grace_seconds, child.signal, [signal.SIGKILL])
        timer.daemon = True
        timer.start()

    def _on_exit(self, job: LocalJob, code: int) -> None:
        with _lock:
            if self._closed.is_set():
                return
            killed_for = job.child.killed_for if job.child is not None else None
            timed_out = job.job_id in self._timed_out
            self._timed_out.discard(job.job_id)
            job.child = None
            job.outcome = read_end(job, code, killed_for=killed_for, timed_out=timed_out)

    def _conclude(self, job: LocalJob, end: AttemptEnd) -> None:
        job.outcome = None
        job.note_attempt(end)
        job.gpu_ids = []
        if end.is_success:
            job.finish(Status.SUCCEEDED, end.status_reason)
        elif may_retry(job.plan.retry, len(job.attempts), end):
            job.move(Status.RUNNABLE)
            return
        else:
            job.finish(Status.FAILED, end.status_reason)
        self._launcher.release(job)


def _take_capacity(job: LocalJob, running: Sequence[LocalJob]) -> None:
    """Move a job to STARTING in the first compute environment of its queue that has room."""
    for environment in job.queue.environments:
        present = [each for each in running if each.environment_name == environment.name]
        vcpus, gpus = capacity_of(environment)
        taken = {gpu for each in present for gpu in each.gpu_ids}
        free = [gpu for gpu in gpu_names(environment.name, gpus) if gpu not in taken]
        used = sum(each.plan.vcpus for each in present)
        if environment.state != "DISABLED" and used + job.plan.vcpus <= vcpus and job.plan.gpus <= len(free):
            job.environment_name, job.gpu_ids = environment.name, free[: job.plan.gpus]
            job.move(Status.STARTING)
            return


def capacity_of(environment: Any) -> tuple[float, int]:
    """Return the vCPUs and GPUs of a compute environment at its largest; an unmanaged one has no limit of vCPUs."""
    resources = environment.compute_resources or {}
    vcpus = float(resources.get("maxvCpus") or "inf")
    shapes = [find_shape(name) for name in resources.get("instanceTypes") or []]
    per_vcpu = max((_gpus_per_vcpu(shape) for shape in shapes if shape is not None), default=0.0)
    return vcpus, int(vcpus * per_vcpu) if per_vcpu else 0


def gpu_names(environment_name: str, count: int) -> list[str]:
    """Return the ids of a compute environment's GPUs."""
    return [f"GPU-{environment_name}-{number}" for number in range(count)]


def _gpus_per_vcpu(shape: Shape) -> float:
    return shape.gpus / shape.cpus
