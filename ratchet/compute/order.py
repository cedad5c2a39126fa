"""What a remote job is asked to do, and what it answers: frozen data shared by every compute backend."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from ratchet.contract import digest_of
from ratchet.errors import ArtefactError
from ratchet.naming import job_name

_FORMAT = 1


class JobState(StrEnum):
    """Where a remote job is, in words that every backend shares."""

    RUNNING = "running"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen, and nothing more will be paid."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED)


@dataclass(frozen=True)
class Channel:
    """One input of a job, found at `/opt/ml/input/data/<name>` inside.

    `uri` is an S3 prefix; with `manifest` it is a SageMaker manifest file that names the objects.
    """

    name: str
    uri: str
    manifest: bool = False


@dataclass(frozen=True)
class JobOrder:
    """Everything that decides what a job would do, plus who pays for it.

    The order's digest is the job's identity: the same order finds the same job again, whoever places it.
    """

    pipeline: str
    step: str
    program: str  # script within the code bundle, for example `training/train.py`
    code_uri: str  # s3://jobs/code/<digest>.tar.gz
    instance_type: str
    channels: tuple[Channel, ...]
    hyperparameters: Mapping[str, str | int | float | bool]
    image_uri: str | None = None  # None: AWS's MXNet container
    instance_count: int = 1
    volume_gib: int = 30
    max_runtime_seconds: int = 86_400
    metrics: tuple[str, ...] = ()
    checkpoints: bool = False
    # What follows is not part of the identity.
    tags: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 2
    spot: bool = False  # on spare machines, which AWS may take back; needs `checkpoints`
    spot_wait_seconds: int = 3600  # how long it may wait for one, besides `max_runtime_seconds`
    force_nonce: str = ""  # part of the identity: a forced rerun is another job

    @property
    def digest(self) -> str:
        """SHA-256 over what the job would do."""
        body = {
            name: getattr(self, name)
            for name in ("pipeline", "step", "program", "code_uri", "image_uri", "instance_type", "instance_count")
        }
        body["channels"] = [[channel.name, channel.uri, channel.manifest] for channel in self.channels]
        body["hyperparameters"] = dict(self.hyperparameters)
        body["force_nonce"] = self.force_nonce
        return digest_of(body)

    def name(self, epoch: int) -> str:
        """Name of the job of one epoch; the epoch rises only when the one before has ended badly."""
        return job_name(self.pipeline, self.step, self.digest, epoch)

    @property
    def toolkit_hyperparameters(self) -> dict[str, str]:
        """The hyperparameters as script mode reads them: each as JSON, with where the code lies and what to start."""
        own = {"sagemaker_submit_directory": self.code_uri, "sagemaker_program": self.program}
        return {key: json.dumps(value) for key, value in {**self.hyperparameters, **own}.items()}

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, from which the same job can be ordered again."""
        return {"format": _FORMAT, **asdict(self), "tags": dict(self.tags)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> JobOrder:
        """Read what `to_json` wrote; `ArtefactError` when it is of another format."""
        if raw.get("format") != _FORMAT:
            raise ArtefactError(f"the job's order is of format {raw.get('format')!r}, this Ratchet reads {_FORMAT}")
        fields = {name: raw[name] for name in cls.__dataclass_fields__ if name in raw}
        fields["channels"] = tuple(Channel(**channel) for channel in raw["channels"])
        fields["metrics"] = tuple(raw["metrics"])
        return cls(**fields)


@dataclass(frozen=True)
class JobStatus:
    """What a backend says about a job.

    `phase` is the backend's own word (SageMaker's secondary status), `archive_uri` where `model.tar.gz` lies.
    `training_seconds` is how long it ran; with Spot, `billable_seconds` is less. `no_capacity` says that a job ended
    because there was no machine, or none any more, for it.
    """

    name: str
    state: JobState
    phase: str
    message: str = ""
    archive_uri: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    created_at: datetime | None = None
    ended_at: datetime | None = None
    billable_seconds: int | None = None
    training_seconds: int | None = None
    started_at: datetime | None = None
    instance_type: str = ""
    instance_count: int = 1
    image_uri: str = ""
    no_capacity: bool = False


@dataclass(frozen=True)
class LogPage:
    """New lines of a job's log and where to read on."""

    lines: Sequence[str]
    cursor: str


@dataclass(frozen=True)
class Swept:
    """A job, or a machine without one, that was ended because nobody owns it."""

    backend: str
    job: str
    machine: str
    reason: str


# Gets the tags of something that costs money; returns why nobody owns it, or nothing when somebody may.
Judge = Callable[[Mapping[str, str]], str]


class Backend(Protocol):
    """Five verbs that carry an order out somewhere, and clear away; each may be repeated."""

    def start(self, order: JobOrder) -> JobStatus:
        """Start the job, or find the one that an earlier try started.

        A job that runs or has succeeded is returned as it is. One that failed or was stopped is followed by the next
        epoch, up to `order.attempts` jobs; then `JobError` with the last failure reason, or `CapacityError` when there
        was no machine for the last one. `CapacityError` also says that AWS refused to make the job; then nothing of it
        runs, or will.
        """
        ...

    def poll(self, name: str) -> JobStatus:
        """Look once."""
        ...

    def stop(self, name: str) -> None:
        """Ask the job to end; a job that has ended or never was is no error."""
        ...

    def read_log(self, name: str, cursor: str = "") -> LogPage:
        """Return the log lines that are new since `cursor`; none yet is an empty page."""
        ...

    def sweep(self, judge: Judge, *, dry_run: bool = False) -> Sequence[Swept]:
        """End what runs for this deployment and nobody owns, by its tags; with `dry_run`, only say what that is."""
        ...

    def describe_link(self, name: str) -> str:
        """URL of a page where a person can look at the job."""
        ...
