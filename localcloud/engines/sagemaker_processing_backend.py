"""SageMaker's processing jobs in moto's place: the calls, and the jobs that they start and stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.sagemaker.utils import arn_formatter

from localcloud.engines.sagemaker_backend import TrainingBackend
from localcloud.engines.sagemaker_listing import PROCESSING as LISTING
from localcloud.engines.sagemaker_listing import list_jobs
from localcloud.engines.sagemaker_lookup import add_record, drop_record, find_record, stop_record
from localcloud.engines.sagemaker_processing_request import PROCESSING, check_processing
from localcloud.engines.sagemaker_processing_run import ProcessingRun
from localcloud.engines.sagemaker_record import JobRecord
from localcloud.lock import service_lock


class ProcessingBackend(TrainingBackend):
    """Moto's backend with processing jobs that process."""

    def start_processing_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Check a request and begin the job."""
        check_processing(request)
        name = request["ProcessingJobName"]
        arn = arn_formatter(PROCESSING.resource, name, self.account_id, self.region_name)
        job = JobRecord(PROCESSING, request, arn)
        with service_lock("sagemaker"):
            add_record(self.processing_jobs, job)
        self.launcher.launch(ProcessingRun(job, self.launcher.site(name, self.region_name)))
        return {"ProcessingJobArn": job.arn}

    def look_at_processing_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer DescribeProcessingJob."""
        job: JobRecord = find_record(self.processing_jobs, request["ProcessingJobName"])
        return job.describe()

    def find_processing_jobs(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ListProcessingJobs."""
        with service_lock("sagemaker"):
            jobs: list[JobRecord] = list(self.processing_jobs.values())
        return list_jobs(jobs, query, LISTING)

    def halt_processing_job(self, request: Mapping[str, Any]) -> None:
        """Ask a job to stop; one that has ended refuses."""
        stop_record(find_record(self.processing_jobs, request["ProcessingJobName"]))

    def drop_processing_job(self, request: Mapping[str, Any]) -> None:
        """Forget a job that has ended."""
        with service_lock("sagemaker"):
            drop_record(self.processing_jobs, find_record(self.processing_jobs, request["ProcessingJobName"]))
