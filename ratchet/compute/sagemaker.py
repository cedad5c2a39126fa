"""Jobs as SageMaker training jobs in script mode: start or find, look, read the log, stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from ratchet.aws import Aws, Deployment, translate_errors
from ratchet.aws.failure import error_code
from ratchet.clock import Clock, SystemClock, isoformat
from ratchet.compute.attempt import NO_CAPACITY, SHOWN_LOG_LINES, start_or_find
from ratchet.compute.image import training_image
from ratchet.compute.log import JobLog
from ratchet.compute.order import Backend, Channel, JobOrder, JobState, JobStatus, Judge, LogPage, Swept
from ratchet.contract import metric_regex
from ratchet.errors import CapacityError, ConflictError, NotFoundError, ThrottledError
from ratchet.naming import checkpoint_prefix, job_output_prefix, lease_tags, tag_value
from ratchet.settings import Settings

IAM_ACTIONS = (
    "sagemaker:CreateTrainingJob",
    "sagemaker:DescribeTrainingJob",
    "sagemaker:StopTrainingJob",
    "sagemaker:AddTags",
    "sagemaker:ListTrainingJobs",
    "sagemaker:ListTags",
    "logs:DescribeLogStreams",
    "logs:GetLogEvents",
    "iam:PassRole",
)
LOG_GROUP = "/aws/sagemaker/TrainingJobs"

STATES: Mapping[str, JobState] = {
    "InProgress": JobState.RUNNING,
    "Stopping": JobState.STOPPING,
    "Completed": JobState.SUCCEEDED,
    "Failed": JobState.FAILED,
    "Stopped": JobState.STOPPED,
}
_SLACK_SECONDS = 86_400.0  # beyond its time: SageMaker may take long to find a machine
_NOT_FOUND = "not found"
_WAITED_TOO_LONG = "MaxWaitTimeExceeded"  # secondary status: there was no spare machine in time


def make_backend(aws: Aws, deployment: Deployment, settings: Settings) -> Backend:
    """Build the backend; found by this file's name."""
    return SageMakerBackend(aws, deployment, settings)


class SageMakerBackend:
    """Carries orders out on SageMaker."""

    def __init__(self, aws: Aws, deployment: Deployment, settings: Settings, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._client: Any = aws.client("sagemaker")
        self._deployment = deployment
        self._settings = settings
        self._log = JobLog(aws, LOG_GROUP)

    def start(self, order: JobOrder) -> JobStatus:
        """Start the job or find it; see `Backend.start`."""
        return start_or_find(
            order,
            lambda name: self._find(name) or self._create(order, name),
            lambda name: self._log.tail(name, SHOWN_LOG_LINES),
        )

    def poll(self, name: str) -> JobStatus:
        """Look once; `NotFoundError` when there is no such job."""
        found = self._find(name)
        if found is None:
            raise NotFoundError(f"there is no training job {name} in {self._settings.region}")
        return found

    def stop(self, name: str) -> None:
        """Ask the job to end; one that has ended or never was is no error."""
        found = self._find(name)
        if found is None or found.state.ended:
            return
        with translate_errors(f"stop job {name}"):
            try:
                self._client.stop_training_job(TrainingJobName=name)
            except self._client.exceptions.ClientError as error:
                # It may have ended between the two calls.
                if error_code(error) != "ValidationException" or not self.poll(name).state.ended:
                    raise

    def sweep(self, judge: Judge, *, dry_run: bool = False) -> Sequence[Swept]:
        """Stop the jobs that nobody owns; see `Backend.sweep`."""
        swept = []
        for job in self._running():
            reason = judge(self._tags(job["TrainingJobArn"]))
            if reason:
                name = str(job["TrainingJobName"])
                swept.append(Swept("sagemaker", name, job["TrainingJobArn"], reason))
                if not dry_run:
                    self.stop(name)
        return swept

    def read_log(self, name: str, cursor: str = "") -> LogPage:
        """Return the lines that are new since `cursor`."""
        return self._log.read(name, cursor)

    def describe_link(self, name: str) -> str:
        """URL of the console's page of the job."""
        return self._settings.job_page(name)

    def describe_trials(self, order: JobOrder) -> dict[str, Any]:
        """What a tuning job's training jobs have in common: CreateTrainingJob's words, without a name and tags."""
        request = self._request(order, "")
        for name in ("TrainingJobName", "Tags"):
            del request[name]
        # Trials that share a prefix would overwrite each other's checkpoints.
        request.pop("CheckpointConfig", None)
        fixed = request.pop("HyperParameters")
        return {**request, "StaticHyperParameters": fixed}

    def _running(self) -> Iterator[Mapping[str, Any]]:
        request: dict[str, Any] = {"StatusEquals": "InProgress", "MaxResults": 100}
        with translate_errors("list training jobs"):
            while True:
                answer = self._client.list_training_jobs(**request)
                yield from answer["TrainingJobSummaries"]
                if not answer.get("NextToken"):
                    return
                request["NextToken"] = answer["NextToken"]

    def _tags(self, arn: str) -> dict[str, str]:
        with translate_errors(f"read the tags of {arn}"):
            answer = self._client.list_tags(ResourceArn=arn, MaxResults=100)
        return {tag["Key"]: tag["Value"] for tag in answer["Tags"]}

    def _lease(self, order: JobOrder) -> dict[str, str]:
        until = self._clock.now() + timedelta(seconds=order.max_runtime_seconds + _SLACK_SECONDS)
        return lease_tags(self._settings.stack, isoformat(until))

    def _find(self, name: str) -> JobStatus | None:
        with translate_errors(f"look at job {name}"):
            try:
                return _status(self._client.describe_training_job(TrainingJobName=name))
            except self._client.exceptions.ClientError as error:
                if not _is_missing(error):
                    raise
                return None

    def _create(self, order: JobOrder, name: str) -> JobStatus:
        try:
            with translate_errors(f"start job {name}"):
                self._client.create_training_job(**self._request(order, name))
        except ConflictError:
            # The name is a digest of the work: whoever took it ordered the same, be it we ourselves a moment ago.
            pass
        except (CapacityError, ThrottledError) as error:
            # An answer may have been lost before this one came.
            found = self._find(name)
            if found is None:
                raise CapacityError(str(error)) from error
            return found
        return self.poll(name)

    def _request(self, order: JobOrder, name: str) -> dict[str, Any]:
        jobs = f"s3://{self._deployment.jobs_bucket}"
        image = order.image_uri or training_image(self._settings.region, order.instance_type)
        metrics = [{"Name": metric, "Regex": metric_regex(metric)} for metric in order.metrics]
        request: dict[str, Any] = {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": image,
                "TrainingInputMode": "File",
                **({"MetricDefinitions": metrics} if metrics else {}),
            },
            "RoleArn": self._deployment.training_role_arn,
            "InputDataConfig": [_channel(channel) for channel in order.channels],
            "OutputDataConfig": {"S3OutputPath": f"{jobs}/{job_output_prefix()}"},
            "ResourceConfig": {
                "InstanceType": order.instance_type,
                "InstanceCount": order.instance_count,
                "VolumeSizeInGB": order.volume_gib,
            },
            "StoppingCondition": _limits(order),
            **({"EnableManagedSpotTraining": True} if order.spot else {}),
            "HyperParameters": order.toolkit_hyperparameters,
            "Tags": [
                {"Key": key, "Value": tag_value(value)} for key, value in {**order.tags, **self._lease(order)}.items()
            ],
        }
        if order.checkpoints:
            prefix = checkpoint_prefix(order.pipeline, order.digest)
            request["CheckpointConfig"] = {"S3Uri": f"{jobs}/{prefix}"}
        return request


def _limits(order: JobOrder) -> dict[str, int]:
    limits = {"MaxRuntimeInSeconds": order.max_runtime_seconds}
    if order.spot:
        # AWS counts all the time until the end, on machines or waiting for one.
        limits["MaxWaitTimeInSeconds"] = order.max_runtime_seconds + order.spot_wait_seconds
    return limits


def _is_missing(error: Any) -> bool:
    """SageMaker has no code of its own for "there is none"."""
    return error_code(error) in ("ResourceNotFound", "ValidationException") and _NOT_FOUND in str(error).lower()


def _channel(channel: Channel) -> dict[str, Any]:
    source = {
        "S3DataType": "ManifestFile" if channel.manifest else "S3Prefix",
        "S3Uri": channel.uri,
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"ChannelName": channel.name, "DataSource": {"S3DataSource": source}, "InputMode": "File"}


def _status(job: Mapping[str, Any]) -> JobStatus:
    metrics = {entry["MetricName"]: float(entry["Value"]) for entry in job.get("FinalMetricDataList", [])}
    transitions = job.get("SecondaryStatusTransitions", [])
    resources = job.get("ResourceConfig", {})
    message = job.get("FailureReason") or (transitions[-1].get("StatusMessage", "") if transitions else "")
    return JobStatus(
        name=job["TrainingJobName"],
        state=STATES[job["TrainingJobStatus"]],
        phase=job.get("SecondaryStatus", job["TrainingJobStatus"]),
        message=message,
        archive_uri=job.get("ModelArtifacts", {}).get("S3ModelArtifacts"),
        metrics=metrics,
        created_at=job.get("CreationTime"),
        ended_at=job.get("TrainingEndTime"),
        billable_seconds=job.get("BillableTimeInSeconds"),
        training_seconds=job.get("TrainingTimeInSeconds"),
        started_at=job.get("TrainingStartTime"),
        image_uri=job.get("AlgorithmSpecification", {}).get("TrainingImage", ""),
        instance_type=resources.get("InstanceType", ""),
        instance_count=int(resources.get("InstanceCount", 1)),
        no_capacity=message.startswith(NO_CAPACITY) or job.get("SecondaryStatus") == _WAITED_TOO_LONG,
    )
