"""Carries out one attempt of a job: a process group in a folder of its own, its output in CloudWatch Logs."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from collections.abc import Callable
from pathlib import Path

from localcloud.credentials import issue_credentials
from localcloud.engine import Host
from localcloud.engines.batch_job import LocalJob
from localcloud.engines.batch_rule import AttemptEnd
from localcloud.journal import LogStream
from localcloud.process import Child, Command, base_environment
from localcloud.runtime import ImageNotFound, Runtime

_EXITED = "Essential container in task exited"
_NOT_STARTED = "Task failed to start"
_TIMEOUT = "Job attempt duration exceeded timeout"


class StartError(Exception):
    """An attempt cannot start; the text is the container's reason."""


class Launcher:
    """Starts attempts and tells how they ended."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._root = host.home / "batch"

    def start(self, job: LocalJob, on_exit: Callable[[int], None]) -> Child:
        """Start the next attempt of a job.

        Raises
        ------
        StartError
            With the reason in Batch's words.
        """
        task = uuid.uuid4().hex
        job.stream = f"{job.plan.log_prefix}/default/{task}"
        try:
            runtime = self._host.runtimes.resolve(job.plan.image)
        except ImageNotFound as error:
            raise StartError(f"CannotPullContainerError: {error}") from error
        argv = runtime.argv(job.plan.command)
        if not argv:
            raise StartError("CannotStartContainerError: the job and its image name no command")
        log = LogStream(job.plan.log_group, job.stream, region=_region(job), account=_account(job))
        log.write_lines([])  # the stream is there from the start
        command = Command(
            argv,
            self._environment(job, runtime),
            self.folder(job),
            memory_mib=job.plan.memory_mib,
            cpus=job.plan.vcpus,
            ulimits=job.plan.ulimits,
        )
        try:
            return self._host.supervisor.start(command, on_line=log.write, on_exit=on_exit)
        except (OSError, RuntimeError) as error:
            raise StartError(f"CannotStartContainerError: {error}") from error

    def folder(self, job: LocalJob) -> Path:
        """Return the job's scratch folder, made when it is not there."""
        folder = self._root / job.job_id.replace(":", "-")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def release(self, job: LocalJob) -> None:
        """Take the folder away."""
        shutil.rmtree(self._root / job.job_id.replace(":", "-"), ignore_errors=True)

    def _environment(self, job: LocalJob, runtime: Runtime) -> dict[str, str]:
        base, scratch = base_environment(), str(self.folder(job))
        array = {} if job.index is None else {"AWS_BATCH_JOB_ARRAY_INDEX": str(job.index)}
        gpus = {"NVIDIA_VISIBLE_DEVICES": ",".join(job.gpu_ids)} if job.gpu_ids else {}
        role = job.plan.role
        credentials = (
            issue_credentials(_account(job), region=_region(job), session=job.job_id.replace(":", "-"), role=role)
            if role
            else {}
        )
        return {
            **base,
            **runtime.environment(),
            "PATH": os.pathsep.join((str(runtime.python.parent), base["PATH"])),
            "HOME": scratch,
            "TMPDIR": scratch,
            "AWS_REGION": _region(job),
            "AWS_DEFAULT_REGION": _region(job),
            "AWS_ENDPOINT_URL": self._host.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            **credentials,
            **job.plan.environment,
            "AWS_BATCH_JOB_ID": job.job_id,
            "AWS_BATCH_JOB_ATTEMPT": str(len(job.attempts) + 1),
            "AWS_BATCH_JQ_NAME": job.queue.name,
            "AWS_BATCH_CE_NAME": job.environment_name or "",
            **array,
            **gpus,
        }


def read_end(job: LocalJob, code: int, *, killed_for: str | None, timed_out: bool) -> AttemptEnd:
    """Say how an attempt has ended, by its process's exit code (negative: a signal) and why it was ended."""
    shown = 128 - code if code < 0 else code
    if killed_for == "memory":
        return AttemptEnd(128 + signal.SIGKILL, _EXITED, "OutOfMemoryError: Container killed due to memory usage")
    if job.end_reason is not None:
        return AttemptEnd(shown, job.end_reason, is_retryable=False)
    if timed_out:
        return AttemptEnd(shown, _TIMEOUT, is_retryable=False)
    return AttemptEnd(shown, _EXITED)


def not_started(error: StartError) -> AttemptEnd:
    """Say that an attempt did not start."""
    return AttemptEnd(None, _NOT_STARTED, str(error))


def _region(job: LocalJob) -> str:
    return str(job.arn.split(":")[3])


def _account(job: LocalJob) -> str:
    return str(job.arn.split(":")[4])
