"""Carries one training job out, from Starting to its end, on a thread of its own."""

from __future__ import annotations

import logging
import shutil
import signal
import threading
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from localcloud.engine import Host
from localcloud.engines.sagemaker_artefact import upload_folder
from localcloud.engines.sagemaker_channel import download
from localcloud.engines.sagemaker_checkpoint import CheckpointSync
from localcloud.engines.sagemaker_failure import JobFailure, explain_exit
from localcloud.engines.sagemaker_job import Ending, Phase, TrainingJob, now
from localcloud.engines.sagemaker_layout import Layout, make_command
from localcloud.engines.sagemaker_metric import MetricReader
from localcloud.journal import LogStream
from localcloud.process import Child
from localcloud.runtime import ImageNotFound, Runtime

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_FOREVER_SECONDS = 3600.0  # how long to sleep when nothing but an event can change anything

_log = logging.getLogger(__name__)


class EndedBy(Enum):
    """What ended a job's process."""

    ITSELF = "exit"
    STOP = "stop"
    TIMEOUT = "timeout"


class Interrupted(Exception):
    """The job must end before its process has started; the cause is `ended_by`."""

    def __init__(self, ended_by: EndedBy) -> None:
        super().__init__(ended_by.value)
        self.ended_by = ended_by


@dataclass(frozen=True)
class RunSettings:
    """How jobs are run.

    Attributes
    ----------
    stop_grace_seconds
        Between SIGTERM and SIGKILL; 120 on AWS.
    checkpoint_look_seconds
        Between two looks at a running job's checkpoint folder.
    keep_jobs
        Whether jobs' folders stay after their end.
    """

    stop_grace_seconds: float = 120.0
    checkpoint_look_seconds: float = 1.0
    keep_jobs: bool = False


class JobRun:
    """One job under way.

    Parameters
    ----------
    job
        The record to keep up to date.
    host
        What runs processes.
    folder
        The job's own folder; it must not exist.
    settings
        Grace periods and the like.
    region
        The job's region.
    """

    def __init__(self, job: TrainingJob, host: Host, *, folder: Path, settings: RunSettings, region: str) -> None:
        self.job = job
        self._host = host
        self._layout = Layout(folder)
        self._settings = settings
        self._region = region
        self._deadline = float("inf")
        self._closing = threading.Event()
        self._checkpoints: CheckpointSync | None = None
        stream = f"{job.training_job_name}/algo-1-{int(job.creation_time.timestamp())}"
        self._stream = LogStream(LOG_GROUP, stream, region=region)
        self._metrics = MetricReader(job.request["AlgorithmSpecification"].get("MetricDefinitions") or [])
        self._thread = threading.Thread(target=self._run, name=f"job-{job.training_job_name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End the job at once, without a grace period; it has failed."""
        self._closing.set()
        self.job.wake.set()

    def join(self, timeout_seconds: float) -> None:
        """Wait for the thread."""
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        try:
            ending = self._carry_out()
        except JobFailure as failure:
            ending = Ending(Phase.FAILED, str(failure))
        except Interrupted as interrupted:
            ending = Ending(_last_phase(interrupted.ended_by))
        except Exception:  # noqa: BLE001 - the edge of this thread; the job must not hang in progress for ever
            _log.exception("the training job %s broke down", self.job.training_job_name)
            ending = Ending(
                Phase.FAILED, "InternalServerError: We encountered an internal error. localcloud's own log says why."
            )
        if not self._settings.keep_jobs:
            shutil.rmtree(self._layout.root, ignore_errors=True)
        self.job.finish(ending)

    def _carry_out(self) -> Ending:
        self._layout.prepare(self.job.request)
        self._pause()
        self.job.move(Phase.DOWNLOADING)
        self._deadline = time.monotonic() + self.job.request["StoppingCondition"]["MaxRuntimeInSeconds"]
        runtime = self._resolve_image()
        self._download()
        self.job.move(Phase.TRAINING)
        code, ended_by = self._train(runtime)
        if self._closing.is_set():
            raise JobFailure("InternalServerError: localcloud was closed while the job ran")
        return self._upload(code, ended_by)

    def _pause(self) -> None:
        if self._closing.is_set() or self.job.stop_requested:
            raise Interrupted(EndedBy.STOP)
        if time.monotonic() > self._deadline:
            raise Interrupted(EndedBy.TIMEOUT)

    def _resolve_image(self) -> Runtime:
        image = self.job.request["AlgorithmSpecification"].get("TrainingImage", "")
        try:
            return self._host.runtimes.resolve(image)
        except ImageNotFound as error:
            raise JobFailure(
                "ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions "
                f"are incorrect. ({error})"
            ) from error

    def _download(self) -> None:
        for channel in self.job.request.get("InputDataConfig") or []:
            download(channel, self._layout.channel(channel["ChannelName"]), self._pause)
        config: dict[str, Any] = self.job.request.get("CheckpointConfig") or {}
        if config.get("S3Uri"):
            self._checkpoints = CheckpointSync(self._layout.checkpoints(config.get("LocalPath")), config["S3Uri"])
            self._checkpoints.download()
        self._pause()

    def _train(self, runtime: Runtime) -> tuple[int, EndedBy]:
        command = make_command(self._layout, runtime, self._job_environment(), self.job.request)
        asked = self.job.request["ResourceConfig"].get("InstanceCount", 1)
        if asked > 1:
            self._stream.write(f"localcloud runs one host, where {asked} were asked for")
        child = self._host.supervisor.start(command, on_line=self._read, on_exit=lambda _code: self.job.wake.set())
        try:
            ended_by = self._watch(child)
            if ended_by is not EndedBy.ITSELF:
                self._stop(child)
        finally:
            child.signal(signal.SIGKILL)
            code = child.wait()
        if self._checkpoints is not None:
            self._checkpoints.push(everything=True)
        return (code if code is not None else -signal.SIGKILL), ended_by

    def _job_environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self._host.endpoint_url,
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            "AWS_ACCESS_KEY_ID": "localcloud",
            "AWS_SECRET_ACCESS_KEY": "localcloud",
            "AWS_EC2_METADATA_DISABLED": "true",
            "TRAINING_JOB_NAME": self.job.training_job_name,
            "TRAINING_JOB_ARN": self.job.arn,
        }

    def _read(self, line: str) -> None:
        at = now()
        self._stream.write(line)
        for name, value in self._metrics.read(line):
            self.job.record_metric(name, value, at)

    def _reason_to_stop(self) -> EndedBy | None:
        if self._closing.is_set() or self.job.stop_requested:
            return EndedBy.STOP
        return EndedBy.TIMEOUT if time.monotonic() > self._deadline else None

    def _watch(self, child: Child) -> EndedBy:
        """Wait until the process ends or there is a reason to end it, and upload checkpoints meanwhile."""
        while child.poll() is None:
            found = self._reason_to_stop()
            if found is not None:
                return found
            self._sleep(self._deadline - time.monotonic())
        return EndedBy.ITSELF

    def _stop(self, child: Child) -> None:
        """Ask the process to end, and wait for it through the grace period at most."""
        self.job.move(Phase.STOPPING)
        child.signal(signal.SIGTERM)
        patience = time.monotonic() + self._settings.stop_grace_seconds
        while child.poll() is None and not self._closing.is_set() and time.monotonic() < patience:
            self._sleep(patience - time.monotonic())

    def _sleep(self, at_most_seconds: float) -> None:
        look = self._settings.checkpoint_look_seconds if self._checkpoints is not None else _FOREVER_SECONDS
        self.job.wake.wait(max(0.0, min(at_most_seconds, look)))
        self.job.wake.clear()
        if self._checkpoints is not None:
            self._checkpoints.push()

    def _upload(self, code: int, ended_by: EndedBy) -> Ending:
        self.job.move(Phase.UPLOADING)
        output = self.job.request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        folder = f"{output}/{self.job.training_job_name}/output"
        failed = ended_by is EndedBy.ITSELF and code != 0
        upload_folder(
            self._layout.output_data, f"{folder}/output.tar.gz", extra=self._layout.failure if failed else None
        )
        if failed:
            return Ending(Phase.FAILED, explain_exit(code, self._layout.read_failure()))
        model = f"{folder}/model.tar.gz"
        return Ending(_last_phase(ended_by), model_uri=model if upload_folder(self._layout.model, model) else None)


def _last_phase(ended_by: EndedBy) -> Phase:
    return {
        EndedBy.ITSELF: Phase.COMPLETED,
        EndedBy.STOP: Phase.STOPPED,
        EndedBy.TIMEOUT: Phase.MAX_RUNTIME_EXCEEDED,
    }[ended_by]
