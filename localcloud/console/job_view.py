"""Jobs of every kind: SageMaker's, Batch's, and EC2's instances; one job with its log and its metrics."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from localcloud.console.gateway import Gateway
from localcloud.console.metric_view import Line, Wanted, read_lines

_SHOWN_LINES = 2000
_SHOWN_JOBS = 100
_NAMESPACE = "/aws/sagemaker/TrainingJobs"
_ENDED = frozenset({"Completed", "Failed", "Stopped", "SUCCEEDED", "FAILED", "terminated"})
_BATCH_STATES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
# Where moto's backend of a service keeps what the lists show.
_RECORDS = {
    "sagemaker": ("training_jobs", "processing_jobs", "transform_jobs", "hyper_parameter_tuning_jobs"),
    "batch": ("_jobs",),
    "ec2": ("reservations",),
}
_SECOND_METRICS = timedelta(hours=3)


@dataclass(frozen=True)
class Kind:
    """A kind of SageMaker's jobs: how its calls and members are called."""

    noun: str
    log_group: str | None

    @property
    def verb_part(self) -> str:
        """The noun in a method's name."""
        return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in self.noun).lstrip("_")


SAGEMAKER_KINDS = {
    "training": Kind("TrainingJob", "/aws/sagemaker/TrainingJobs"),
    "processing": Kind("ProcessingJob", "/aws/sagemaker/ProcessingJobs"),
    "transform": Kind("TransformJob", "/aws/sagemaker/TransformJobs"),
    "tuning": Kind("HyperParameterTuningJob", None),
}


def list_jobs(gateway: Gateway, _query: Mapping[str, str]) -> dict[str, Any]:
    """Return the jobs of every kind, the newest first."""
    reads = [("sagemaker", partial(_sagemaker_jobs, gateway, kind)) for kind in SAGEMAKER_KINDS]
    reads += [("batch", partial(_batch_jobs, gateway)), ("ec2", partial(_instances, gateway))]
    found = [job for service, read in reads if _has_records(service) for job in _quietly(read)]
    found.sort(key=lambda job: str(job["created"]), reverse=True)
    return {"jobs": found[: 5 * _SHOWN_JOBS]}


def show_job(gateway: Gateway, path: tuple[str, ...], _query: Mapping[str, str]) -> dict[str, Any]:
    """Return all about one job; a path of one part names a training job.

    Raises
    ------
    LookupError
        When there is none of the name.
    """
    kind, name = path if len(path) == 2 else ("training", path[0])
    if kind in SAGEMAKER_KINDS:
        return _show_sagemaker(gateway, kind, name)
    return {"batch": _show_batch, "instance": _show_instance}[kind](gateway, name)


def _has_records(service: str) -> bool:
    """Whether a service keeps anything to list: the models of these three are large, and most people use one."""
    backends = getattr(sys.modules.get(f"moto.{service}.models"), f"{service}_backends", None)
    used = () if backends is None else [backend for _, _, backend in list(backends.iter_backends())]
    return any(getattr(backend, name, None) for backend in used for name in _RECORDS[service])


def _quietly(read: Callable[[], Iterator[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return what can be read; a service that does not answer the call has no jobs."""
    try:
        return list(read())
    except ClientError:
        return []


def _sagemaker_jobs(gateway: Gateway, kind: str) -> Iterator[dict[str, Any]]:
    noun, verb = SAGEMAKER_KINDS[kind].noun, SAGEMAKER_KINDS[kind].verb_part
    answer = getattr(gateway.client("sagemaker"), f"list_{verb}s")(MaxResults=_SHOWN_JOBS)
    for job in answer[f"{noun}Summaries"]:
        yield {
            "kind": kind,
            "name": job[f"{noun}Name"],
            "status": job[f"{noun}Status"],
            "created": job["CreationTime"],
            "ended": job.get(f"{noun.removesuffix('Job')}EndTime") or job.get("HyperParameterTuningEndTime"),
        }


def _show_sagemaker(gateway: Gateway, kind: str, name: str) -> dict[str, Any]:
    spec = SAGEMAKER_KINDS[kind]
    about = getattr(gateway.client("sagemaker"), f"describe_{spec.verb_part}")(**{f"{spec.noun}Name": name})
    about.pop("ResponseMetadata", None)
    status = about[f"{spec.noun}Status"]
    return {
        "kind": kind,
        "name": name,
        "status": status,
        "secondary": about.get("SecondaryStatus"),
        "reason": about.get("FailureReason"),
        "steps": about.get("SecondaryStatusTransitions", []),
        "metrics": _metrics(gateway, name, about) if kind == "training" else [],
        "lines": [] if spec.log_group is None else _lines(gateway, spec.log_group, f"{name}/"),
        "trials": _trials(gateway, name, about) if kind == "tuning" else [],
        "ended": status in _ENDED,
        "about": about,
    }


def _trials(gateway: Gateway, name: str, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a tuning job tried, the best first."""
    best = about.get("BestTrainingJob", {}).get("TrainingJobName")
    order = "Descending" if _objective(about).get("Type") == "Maximize" else "Ascending"
    found = gateway.client("sagemaker").list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        SortBy="FinalObjectiveMetricValue",
        SortOrder=order,
        MaxResults=_SHOWN_JOBS,
    )["TrainingJobSummaries"]
    return [
        {
            "name": trial["TrainingJobName"],
            "status": trial["TrainingJobStatus"],
            "objective": trial.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value"),
            "values": trial.get("TunedHyperParameters", {}),
            "created": trial["CreationTime"],
            "best": trial["TrainingJobName"] == best,
        }
        for trial in found
    ]


def _objective(about: Mapping[str, Any]) -> Mapping[str, Any]:
    config = about["HyperParameterTuningJobConfig"]
    return config.get("HyperParameterTuningJobObjective") or {}


def _metrics(gateway: Gateway, name: str, about: Mapping[str, Any]) -> list[Line]:
    listed = gateway.client("cloudwatch").list_metrics(
        Namespace=_NAMESPACE, Dimensions=[{"Name": "TrainingJobName", "Value": name}]
    )["Metrics"]
    dimensions = {"TrainingJobName": name}
    wanted = [Wanted(each["MetricName"], _NAMESPACE, each["MetricName"], dimensions, "Average") for each in listed]
    start = about["CreationTime"]
    end = (about.get("TrainingEndTime") or datetime.now(UTC)) + timedelta(seconds=2)
    # Seconds are kept for some hours, minutes for longer.
    is_fresh = datetime.now(UTC) - start < _SECOND_METRICS
    return read_lines(gateway, wanted, start=start, end=end, period=1 if is_fresh else 60)


def _lines(gateway: Gateway, group: str, prefix: str) -> list[str]:
    logs = gateway.client("logs")
    try:
        streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)["logStreams"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    found: list[str] = []
    for stream in streams:
        events = logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=False, limit=_SHOWN_LINES
        )["events"]
        mark = f"{stream['logStreamName'].rpartition('/')[2].partition('-1')[0]} | " if len(streams) > 1 else ""
        found += [mark + event["message"] for event in events]
    return found[-_SHOWN_LINES:]


def _batch_jobs(gateway: Gateway) -> Iterator[dict[str, Any]]:
    batch = gateway.client("batch")
    for queue in batch.describe_job_queues()["jobQueues"]:
        for state in _BATCH_STATES:
            for job in batch.list_jobs(jobQueue=queue["jobQueueName"], jobStatus=state)["jobSummaryList"]:
                yield {
                    "kind": "batch",
                    "name": job["jobName"],
                    "id": job["jobId"],
                    "status": job.get("status", state),
                    "created": _from_millis(job.get("createdAt")),
                    "ended": _from_millis(job.get("stoppedAt")),
                }


def _show_batch(gateway: Gateway, name: str) -> dict[str, Any]:
    found = gateway.client("batch").describe_jobs(jobs=[name])["jobs"]
    if not found:
        raise LookupError(f"there is no Batch job {name}")
    about = found[0]
    stream = (about.get("container") or {}).get("logStreamName")
    return {
        "kind": "batch",
        "name": about["jobName"],
        "status": about["status"],
        "reason": about.get("statusReason"),
        "steps": [],
        "metrics": [],
        "lines": _lines(gateway, "/aws/batch/job", stream) if stream else [],
        "ended": about["status"] in _ENDED,
        "about": about,
    }


def _instances(gateway: Gateway) -> Iterator[dict[str, Any]]:
    for reservation in gateway.client("ec2").describe_instances()["Reservations"]:
        for instance in reservation["Instances"]:
            yield {
                "kind": "instance",
                "name": instance["InstanceId"],
                "status": instance["State"]["Name"],
                "created": instance["LaunchTime"],
                "ended": None,
            }


def _show_instance(gateway: Gateway, name: str) -> dict[str, Any]:
    ec2 = gateway.client("ec2")
    about = ec2.describe_instances(InstanceIds=[name])["Reservations"][0]["Instances"][0]
    output = _quietly(lambda: iter([ec2.get_console_output(InstanceId=name)]))
    return {
        "kind": "instance",
        "name": name,
        "status": about["State"]["Name"],
        "reason": (about.get("StateReason") or {}).get("Message"),
        "steps": [],
        "metrics": [],
        "lines": str(output[0].get("Output", "")).splitlines()[-_SHOWN_LINES:] if output else [],
        "ended": about["State"]["Name"] in _ENDED,
        "about": about,
    }


def _from_millis(value: int | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value / 1000, UTC)
