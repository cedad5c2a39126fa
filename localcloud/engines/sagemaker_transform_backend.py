"""SageMaker's transform jobs in moto's place: the calls, and the jobs that they start and stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.sagemaker.exceptions import AWSValidationException
from moto.sagemaker.utils import arn_formatter

from localcloud.engines.sagemaker_backend import TrainingBackend
from localcloud.engines.sagemaker_listing import TRANSFORM as LISTING
from localcloud.engines.sagemaker_listing import list_jobs
from localcloud.engines.sagemaker_lookup import add_record, find_record, stop_record
from localcloud.engines.sagemaker_record import JobRecord
from localcloud.engines.sagemaker_transform_request import TRANSFORM, check_transform, container_of
from localcloud.engines.sagemaker_transform_run import Serving, TransformRun
from localcloud.lock import service_lock


class TransformBackend(TrainingBackend):
    """Moto's backend with transform jobs that ask the model."""

    def start_transform_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Check a request and begin the job."""
        name = request["TransformJobName"]
        with service_lock("sagemaker"):
            model = self._models.get(request["ModelName"])
            if model is None:
                arn = arn_formatter("model", request["ModelName"], self.account_id, self.region_name)
                raise AWSValidationException(f'Could not find model "{arn}".')
            check_transform(request, model)
            arn = arn_formatter(TRANSFORM.resource, name, self.account_id, self.region_name)
            job = JobRecord(TRANSFORM, request, arn)
            add_record(self.transform_jobs, job)
        serving = Serving(container_of(model), model.execution_role_arn)
        site = self.launcher.site(name, self.region_name)
        self.launcher.launch(TransformRun(job, site, serving=serving, ports=self.launcher.ports))
        return {"TransformJobArn": job.arn}

    def look_at_transform_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer DescribeTransformJob."""
        job: JobRecord = find_record(self.transform_jobs, request["TransformJobName"])
        return job.describe()

    def find_transform_jobs(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ListTransformJobs."""
        with service_lock("sagemaker"):
            jobs: list[JobRecord] = list(self.transform_jobs.values())
        return list_jobs(jobs, query, LISTING)

    def halt_transform_job(self, request: Mapping[str, Any]) -> None:
        """Ask a job to stop; one that has ended refuses."""
        stop_record(find_record(self.transform_jobs, request["TransformJobName"]))
