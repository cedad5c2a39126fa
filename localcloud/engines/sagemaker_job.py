"""One training job's record: where it is in its life, and what DescribeTrainingJob says about it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from localcloud.engines.sagemaker_record import Status, now

# What a request says and a description repeats.
_REPEATED = (
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "VpcConfig",
    "StoppingCondition",
    "HyperParameters",
    "Environment",
    "CheckpointConfig",
    "DebugHookConfig",
    "DebugRuleConfigurations",
    "TensorBoardOutputConfig",
    "ExperimentConfig",
    "ProfilerConfig",
    "RetryStrategy",
)
_SWITCHES = ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining")


class Phase(StrEnum):
    """A job's secondary status, in SageMaker's words."""

    STARTING = "Starting"
    DOWNLOADING = "Downloading"
    TRAINING = "Training"
    INTERRUPTED = "Interrupted"
    STOPPING = "Stopping"
    UPLOADING = "Uploading"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"
    MAX_RUNTIME_EXCEEDED = "MaxRuntimeExceeded"
    MAX_WAIT_TIME_EXCEEDED = "MaxWaitTimeExceeded"


_END_STATUS = {
    Phase.COMPLETED: Status.COMPLETED,
    Phase.FAILED: Status.FAILED,
    Phase.STOPPED: Status.STOPPED,
    Phase.MAX_RUNTIME_EXCEEDED: Status.STOPPED,
    Phase.MAX_WAIT_TIME_EXCEEDED: Status.STOPPED,
}
# The phases in which a job has its instances; what lies between an interruption and the next start is waiting.
_WORKING = frozenset({Phase.DOWNLOADING, Phase.TRAINING, Phase.STOPPING, Phase.UPLOADING})
# AWS's price for Spot capacity moves; what is left of the on-demand price is taken to be this share.
SPOT_PRICE_SHARE = 0.3
_MESSAGES = {
    Phase.STARTING: "Preparing the instances for training",
    Phase.DOWNLOADING: "Downloading input data",
    Phase.TRAINING: "Training image download completed. Training in progress.",
    Phase.INTERRUPTED: "Training job interrupted: its Spot capacity was taken back",
    Phase.STOPPING: "Stopping the training job",
    Phase.UPLOADING: "Uploading generated training model",
    Phase.COMPLETED: "Training job completed",
    Phase.FAILED: "Training job failed",
    Phase.STOPPED: "Training job stopped",
    Phase.MAX_RUNTIME_EXCEEDED: "Training job runtime exceeded MaxRuntimeInSeconds provided",
    Phase.MAX_WAIT_TIME_EXCEEDED: "Training job wait time exceeded MaxWaitTimeInSeconds provided",
}


@dataclass(frozen=True)
class Ending:
    """How a job ended: the last phase, why it failed, and where its model lies, if anywhere."""

    phase: Phase
    failure_reason: str | None = None
    model_uri: str | None = None


Listener = Callable[[str | None, float], None]


@dataclass(frozen=True)
class Tuning:
    """What makes a job the child of a tuning job.

    Attributes
    ----------
    arn
        The parent's ARN.
    listener
        Called with the name and the value of each metric that the job prints, and with None and 0 at its end.
    """

    arn: str
    listener: Listener


class TrainingJob:
    """The record of one job. Every method may be called from any thread.

    Parameters
    ----------
    request
        The parameters of CreateTrainingJob.
    arn
        The job's ARN.
    tuning
        The tuning job that made it, if one did.

    Attributes
    ----------
    wake
        Set whenever whoever carries the job out should look at it again.
    """

    def __init__(self, request: Mapping[str, Any], arn: str, tuning: Tuning | None = None) -> None:
        self.request = request
        self.arn = arn
        self.tuning = tuning
        self.name = self.training_job_name = str(request["TrainingJobName"])
        self.tags: list[dict[str, str]] = list(request.get("Tags") or [])
        self.wake = threading.Event()
        self.creation_time = self.last_modified_time = now()
        self._lock = threading.RLock()
        self._phase = Phase.STARTING
        self._transitions: list[dict[str, Any]] = []
        self._stop_requested = False
        self._stopping = False  # by request, or because its time is over
        self._notice_seconds: float | None = None
        self._started_at: datetime | None = None
        self._ended_at: datetime | None = None
        self._ending: Ending | None = None
        self._metrics: dict[str, dict[str, Any]] = {}
        self._enter(Phase.STARTING)

    @property
    def status(self) -> Status:
        """Where the job is, in one of five words."""
        with self._lock:
            if self._ending is not None:
                return _END_STATUS[self._ending.phase]
            return Status.STOPPING if self._stopping else Status.IN_PROGRESS

    @property
    def training_job_status(self) -> str:
        """The status under the name by which moto's Search asks for it."""
        return self.status.value

    @property
    def phase(self) -> Phase:
        """The secondary status."""
        with self._lock:
            return self._phase

    @property
    def ended_at(self) -> datetime | None:
        """When the job ended, or None."""
        with self._lock:
            return self._ended_at

    @property
    def stop_requested(self) -> bool:
        """Whether StopTrainingJob was called."""
        with self._lock:
            return self._stop_requested

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        with self._lock:
            return self._ending is not None

    def move(self, phase: Phase) -> None:
        """Enter a phase; the one before ends at the same instant.

        After the end nothing moves, and a job that is stopping has only its upload before it.
        """
        with self._lock:
            if self._ending is not None or (self._stopping and phase is not Phase.UPLOADING):
                return
            self._stopping = self._stopping or phase is Phase.STOPPING
            if self._started_at is None and phase is Phase.DOWNLOADING:
                self._started_at = now()
            self._enter(phase)

    def request_stop(self) -> bool:
        """Ask the job to stop; False when it has already ended. Asking twice is asking once."""
        with self._lock:
            if self._ending is not None:
                return False
            self._stop_requested = True
            self.move(Phase.STOPPING)
        self.wake.set()
        return True

    @property
    def is_spot(self) -> bool:
        """Whether the job runs on Spot capacity."""
        return bool(self.request.get("EnableManagedSpotTraining"))

    def notify_spot(self, wait_seconds: float) -> bool:
        """Tell the job that its Spot capacity goes, and how long there will be none; False when it holds none."""
        with self._lock:
            if not self.is_spot or self._stopping or self._phase not in {Phase.DOWNLOADING, Phase.TRAINING}:
                return False
            self._notice_seconds = wait_seconds
        self.wake.set()
        return True

    @property
    def notice_seconds(self) -> float | None:
        """How long there is no capacity after a notice that has not been acted on, or None without one."""
        with self._lock:
            return self._notice_seconds

    def clear_notice(self) -> None:
        """Forget a notice that has been acted on."""
        with self._lock:
            self._notice_seconds = None

    def record_metric(self, name: str, value: float, at: datetime) -> None:
        """Note the latest value of a metric."""
        with self._lock:
            self._metrics[name] = {"MetricName": name, "Value": value, "Timestamp": at}
        self._tell(name, value)

    def metric(self, name: str) -> float | None:
        """Return the latest value of a metric."""
        with self._lock:
            found = self._metrics.get(name)
            return None if found is None else float(found["Value"])

    def finish(self, ending: Ending, /) -> None:
        """End the job. A job that was asked to stop in the meantime has stopped, not completed."""
        self._finish(ending)
        self._tell(None, 0.0)

    def lose(self, reason: str) -> None:
        """End a job that ran in an earlier localcloud; whoever listened to it is gone, too."""
        self._finish(Ending(Phase.STOPPED) if self.stop_requested else Ending(Phase.FAILED, reason))

    def _tell(self, name: str | None, value: float) -> None:
        if self.tuning is not None:
            self.tuning.listener(name, value)

    def _finish(self, ending: Ending) -> None:
        with self._lock:
            if self._ending is not None:
                return
            phase = ending.phase
            if phase is Phase.COMPLETED and self._stop_requested:
                phase = Phase.STOPPED
            self._ending = Ending(phase, ending.failure_reason, ending.model_uri)
            self._enter(phase)
            self._ended_at = self.last_modified_time
            self._transitions[-1]["EndTime"] = self._ended_at

    def describe(self) -> dict[str, Any]:
        """Return what DescribeTrainingJob answers at this instant."""
        with self._lock:
            found: dict[str, Any] = {name: self.request[name] for name in _REPEATED if self.request.get(name)}
            found |= {name: bool(self.request.get(name)) for name in _SWITCHES}
            found |= {
                "TrainingJobName": self.training_job_name,
                "TrainingJobArn": self.arn,
                "TrainingJobStatus": self.status.value,
                "SecondaryStatus": self._phase.value,
                "SecondaryStatusTransitions": self._transitions,
                "CreationTime": self.creation_time,
                "LastModifiedTime": self.last_modified_time,
                "FinalMetricDataList": list(self._metrics.values()),
                "ModelArtifacts": {},
            }
            if self.tuning is not None:
                found["TuningJobArn"] = self.tuning.arn
            return copy.deepcopy(found | self._times() | self._outcome())

    def summarize(self) -> dict[str, Any]:
        """Return the job's line in ListTrainingJobs."""
        with self._lock:
            found = {
                "TrainingJobName": self.training_job_name,
                "TrainingJobArn": self.arn,
                "CreationTime": self.creation_time,
                "LastModifiedTime": self.last_modified_time,
                "TrainingJobStatus": self.status.value,
                "SecondaryStatus": self._phase.value,
            }
            return found | ({"TrainingEndTime": self._ended_at} if self._ended_at else {})

    def gen_response_object(self) -> dict[str, Any]:
        """The description under the name by which moto's Search asks for it."""
        return self.describe()

    def _enter(self, phase: Phase) -> None:
        at = now()
        if self._transitions:
            self._transitions[-1]["EndTime"] = at
        self._transitions.append({"Status": phase.value, "StartTime": at, "StatusMessage": _MESSAGES[phase]})
        self._phase = phase
        self.last_modified_time = at

    def _times(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._started_at is not None:
            found["TrainingStartTime"] = self._started_at
            if self._ended_at is not None:
                seconds = max(1, round(self._working_seconds()))
                billed = int(seconds * SPOT_PRICE_SHARE) if self.is_spot else seconds
                found |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": billed}
        if self._ended_at is not None:
            found["TrainingEndTime"] = self._ended_at
        return found

    def _working_seconds(self) -> float:
        worked = [found for found in self._transitions if found["Status"] in _WORKING]
        return sum(((found["EndTime"] - found["StartTime"]).total_seconds() for found in worked), 0.0)

    def _outcome(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._ending is not None and self._ending.failure_reason:
            found["FailureReason"] = self._ending.failure_reason
        if self._ending is not None and self._ending.model_uri:
            found["ModelArtifacts"] = {"S3ModelArtifacts": self._ending.model_uri}
        return found
