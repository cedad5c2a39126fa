"""SageMaker's tuning jobs in moto's place: the calls, and the jobs that they start and stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from moto.sagemaker.exceptions import AWSValidationException, ResourceNotFound
from moto.sagemaker.utils import arn_formatter

from localcloud.engines.sagemaker_backend import TrainingBackend
from localcloud.engines.sagemaker_listing import ORDERS, TUNING, Listing, list_jobs
from localcloud.engines.sagemaker_lookup import add_record, drop_record, stop_record
from localcloud.engines.sagemaker_request import check_request
from localcloud.engines.sagemaker_tuning_job import TUNING as KIND
from localcloud.engines.sagemaker_tuning_job import Trial, TuningJob
from localcloud.engines.sagemaker_tuning_request import check_tuning, make_child, make_plan
from localcloud.engines.sagemaker_tuning_run import TuningRun
from localcloud.engines.sagemaker_tuning_search import Observation, make_search
from localcloud.lock import service_lock

_MOST_PARENTS = 5
_BY_OBJECTIVE = "FinalObjectiveMetricValue"
_CHILDREN = Listing(
    "TrainingJobSummaries", sort_by="Name", orders={**ORDERS, _BY_OBJECTIVE: lambda trial: (trial.result, trial.name)}
)


class TuningBackend(TrainingBackend):
    """Moto's backend with tuning jobs whose training jobs train."""

    def start_tuning_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Check a request and begin the job.

        Raises
        ------
        AWSValidationException
            For a request that SageMaker refuses, of the tuning job or of its training jobs.
        ResourceInUseException
            When a job of this name exists.
        """
        parameters = check_tuning(request)
        name, config = request["HyperParameterTuningJobName"], request["HyperParameterTuningJobConfig"]
        first = make_child(request, f"{name}-001-00000000", {})
        check_request(first)
        arn = arn_formatter(KIND.resource, name, self.account_id, self.region_name)
        with service_lock("sagemaker"):
            self.require_channels(first)
            job = TuningJob(request, arn, self._parents(request))
            add_record(self.hyper_parameter_tuning_jobs, job)
        plan = make_plan(config, parameters)
        search = partial(make_search, parameters, replace(plan, known=_known(job)))
        site = self.launcher.site(name, self.region_name)
        run = TuningRun(job, site, search=search, limit=plan.limit, start_child=self.add_training_job)
        self.launcher.launch(run)
        return {"HyperParameterTuningJobArn": arn}

    def look_at_tuning_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer DescribeHyperParameterTuningJob."""
        return self._tuning_job(request).describe()

    def find_tuning_jobs(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ListHyperParameterTuningJobs."""
        with service_lock("sagemaker"):
            jobs: list[TuningJob] = list(self.hyper_parameter_tuning_jobs.values())
        return list_jobs(jobs, query, TUNING)

    def find_children(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ListTrainingJobsForHyperParameterTuningJob; by objective, only those that have one."""
        trials: list[Trial] = self._tuning_job(query).trials
        if query.get("SortBy") == _BY_OBJECTIVE:
            trials = [trial for trial in trials if trial.result is not None]
        return list_jobs(trials, query, _CHILDREN)

    def stop_tuning_job(self, request: Mapping[str, Any]) -> None:
        """Ask a job and its training jobs to stop; one that has ended refuses."""
        stop_record(self._tuning_job(request))

    def drop_tuning_job(self, request: Mapping[str, Any]) -> None:
        """Forget a job that has ended; its training jobs stay."""
        with service_lock("sagemaker"):
            drop_record(self.hyper_parameter_tuning_jobs, self._tuning_job(request))

    def _tuning_job(self, request: Mapping[str, Any]) -> TuningJob:
        name = request["HyperParameterTuningJobName"]
        job: TuningJob | None = self.hyper_parameter_tuning_jobs.get(name)
        if job is None:
            raise ResourceNotFound(f"Amazon SageMaker can't find a tuning job with the name {name}.")
        return job

    def _parents(self, request: Mapping[str, Any]) -> tuple[TuningJob, ...]:
        config = request.get("WarmStartConfig") or {}
        named = config.get("ParentHyperParameterTuningJobs") or []
        if len(named) > _MOST_PARENTS:
            raise AWSValidationException(f"A tuning job has at most {_MOST_PARENTS} parents, not {len(named)}.")
        parents = tuple(self._tuning_job(entry) for entry in named)
        for parent in parents:
            if not parent.ended:
                raise AWSValidationException(f"The parent tuning job {parent.name} is in status {parent.status}.")
            if config["WarmStartType"] == "IdenticalDataAndAlgorithm":
                _require_same(request, parent)
        return parents


def _require_same(request: Mapping[str, Any], parent: TuningJob) -> None:
    ours, theirs = request["TrainingJobDefinition"], parent.request["TrainingJobDefinition"]
    for what, found, expected in (
        ("input data", ours.get("InputDataConfig"), theirs.get("InputDataConfig")),
        (
            "training image",
            ours["AlgorithmSpecification"].get("TrainingImage"),
            theirs["AlgorithmSpecification"].get("TrainingImage"),
        ),
    ):
        if found != expected:
            raise AWSValidationException(
                f"IdenticalDataAndAlgorithm needs the {what} of the parent tuning job {parent.name}; "
                "with another one the warm start is TransferLearning."
            )


def _known(job: TuningJob) -> tuple[Observation, ...]:
    """Return what the parents found about the same objective."""
    return tuple(
        Observation(trial.values, trial.result)
        for parent in job.parents
        if parent.objective == job.objective
        for trial in parent.trials
        if trial.result is not None
    )
