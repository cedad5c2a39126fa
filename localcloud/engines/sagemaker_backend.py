"""SageMaker's training jobs in moto's place: the calls, and the jobs that they start and stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.sagemaker import urls
from moto.sagemaker.exceptions import AWSValidationException, ResourceInUseException, ResourceNotFound
from moto.sagemaker.models import SageMakerModelBackend
from moto.sagemaker.utils import arn_formatter

from localcloud.engines.sagemaker_channel import require_data
from localcloud.engines.sagemaker_job import TrainingJob, Tuning
from localcloud.engines.sagemaker_launcher import Launcher
from localcloud.engines.sagemaker_listing import list_jobs
from localcloud.engines.sagemaker_record import JobRecord, Outcome, Status
from localcloud.engines.sagemaker_request import check_request
from localcloud.engines.sagemaker_run import TrainingRun
from localcloud.engines.service_quotas import training_quota
from localcloud.lock import service_lock

_INSTANCE_LOST = "InternalServerError: We encountered an internal error. Please try again."


class TrainingBackend(SageMakerModelBackend):  # type: ignore[misc]
    """Moto's backend with training jobs that train. `launcher` is set by the class that the engine installs."""

    launcher: Launcher

    @property
    def _url_module(self) -> Any:
        return urls

    def reset(self) -> None:
        """End the jobs before their records are forgotten."""
        self.launcher.close()
        super().reset()

    def resume(self) -> None:
        """End what ran in an earlier localcloud: as stopped if that was asked for, else as failed with its instance."""
        for jobs in [found for found in vars(self).values() if isinstance(found, dict)]:
            for job in list(jobs.values()):
                if isinstance(job, TrainingJob):
                    job.lose(_INSTANCE_LOST)
                elif isinstance(job, JobRecord):
                    job.finish(
                        Outcome(Status.STOPPED) if job.stop_requested else Outcome(Status.FAILED, _INSTANCE_LOST)
                    )

    def start_training_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Check a request, hold it against the account's quota and begin the job. See `add_training_job`."""
        check_request(request)
        if request["TrainingJobName"] not in self.training_jobs:
            self._require_quota(request)
        return {"TrainingJobArn": self.add_training_job(request).arn}

    def add_training_job(self, request: Mapping[str, Any], tuning: Tuning | None = None) -> TrainingJob:
        """Check a request and begin the job, as a tuning job's child or by itself.

        Raises
        ------
        AWSValidationException
            For a request that SageMaker refuses, and for a channel without data.
        ResourceInUseException
            When a job of this name exists.
        """
        check_request(request)
        name = request["TrainingJobName"]
        arn: str = arn_formatter("training-job", name, self.account_id, self.region_name)
        with service_lock("sagemaker"):
            if name in self.training_jobs:
                raise ResourceInUseException(
                    "Training job names must be unique within an AWS account and region, and a training job with "
                    f"this name already exists ({arn})"
                )
            self.require_channels(request)
            job = self.training_jobs[name] = TrainingJob(request, arn, tuning)
        self.launcher.launch(TrainingRun(job, self.launcher.site(name, self.region_name)))
        return job

    def _require_quota(self, request: Mapping[str, Any]) -> None:
        kind, spot = request["ResourceConfig"].get("InstanceType", ""), bool(request.get("EnableManagedSpotTraining"))
        wanted = request["ResourceConfig"].get("InstanceCount") or 1
        name, limit = training_quota(self.account_id, self.region_name, kind, spot=spot)
        with service_lock("sagemaker"):
            used = sum(
                job.request["ResourceConfig"].get("InstanceCount") or 1
                for job in self.training_jobs.values()
                if not job.ended and job.is_spot == spot and job.request["ResourceConfig"].get("InstanceType") == kind
            )
        if used + wanted > limit:
            raise JsonRESTError(
                "ResourceLimitExceeded",
                f"The account-level service limit '{name}' is {limit:g} Instances, with current utilization of {used} "
                f"Instances and a request delta of {wanted} Instances. Please use AWS Service Quotas to request an "
                "increase for this quota.",
            )

    def require_channels(self, request: Mapping[str, Any]) -> None:
        """Refuse a request with a channel that names nothing."""
        for channel in request.get("InputDataConfig") or []:
            source = channel["DataSource"]["S3DataSource"]
            complaint = require_data(source, self.region_name, request["RoleArn"])
            if complaint:
                raise AWSValidationException(complaint)

    def describe_training_job(self, training_job_name: str) -> dict[str, Any]:
        """Return what is known about a job."""
        return self._job(training_job_name).describe()

    def find_training_jobs(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ListTrainingJobs."""
        with service_lock("sagemaker"):
            jobs: list[TrainingJob] = list(self.training_jobs.values())
        return list_jobs(jobs, query)

    def stop_training_job(self, request: Mapping[str, Any]) -> None:
        """Ask a job to stop; one that has ended refuses."""
        job = self._job(request["TrainingJobName"])
        if not job.request_stop():
            raise AWSValidationException(
                f"The request was rejected because the training job is in status {job.status}."
            )

    def delete_training_job(self, request: Mapping[str, Any]) -> None:
        """Forget a job that has ended."""
        with service_lock("sagemaker"):
            job = self._job(request["TrainingJobName"])
            if not job.ended:
                raise ResourceInUseException(f"The training job {job.arn} is in status {job.status}: stop it first.")
            del self.training_jobs[job.name]

    def add_tags(self, arn: str, tags: list[dict[str, str]]) -> list[dict[str, str]]:
        """Add tags; one whose key is there already replaces it."""
        resource = self._get_resource_from_arn(arn)
        merged = {tag["Key"]: tag for tag in [*resource.tags, *tags]}
        resource.tags = list(merged.values())
        added: list[dict[str, str]] = resource.tags
        return added

    def _get_resource_from_arn(self, arn: str) -> Any:
        resource = super()._get_resource_from_arn(arn)
        if resource is None:
            raise ResourceNotFound(f"Could not find the resource {arn}.")
        return resource

    def _job(self, name: str) -> TrainingJob:
        try:
            job: TrainingJob = self.training_jobs[name]
        except KeyError:
            raise AWSValidationException("Requested resource not found.") from None
        return job
