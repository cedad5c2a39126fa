"""A tuning job's record: its training jobs, its counters, its best, and what the Describe and List calls say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from localcloud.engines.sagemaker_job import TrainingJob
from localcloud.engines.sagemaker_record import JobRecord, Kind, Status, now
from localcloud.engines.sagemaker_tuning_rule import count_not_improving, find_best

TUNING = Kind(
    noun="HyperParameterTuning",
    words="hyperparameter tuning job",
    resource="hyper-parameter-tuning-job",
    repeated=("HyperParameterTuningJobConfig", "TrainingJobDefinition", "WarmStartConfig"),
)


@dataclass
class Trial:
    """One training job of a tuning job.

    Attributes
    ----------
    tuning_job
        The name of the tuning job that made it.
    objective
        What is tuned: `Type` and `MetricName`.
    values
        The hyperparameters that it was given.
    job
        The training job itself.
    series
        The objective's values, one for each report.
    """

    tuning_job: str
    objective: Mapping[str, str]
    values: Mapping[str, str]
    job: TrainingJob
    series: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The training job's name."""
        return self.job.name

    @property
    def status(self) -> Status:
        """The training job's status."""
        return self.job.status

    @property
    def creation_time(self) -> datetime:
        """When the training job was made."""
        return self.job.creation_time

    @property
    def last_modified_time(self) -> datetime:
        """When the training job last changed."""
        return self.job.last_modified_time

    @property
    def result(self) -> float | None:
        """The objective's last value; None while there is none, and for a job that failed."""
        return None if self.status is Status.FAILED else self.job.metric(self.objective["MetricName"])

    @property
    def objective_status(self) -> str:
        """Whether the objective counts, in SageMaker's words."""
        if not self.job.ended:
            return "Pending"
        return "Failed" if self.result is None else "Succeeded"

    def summarize(self) -> dict[str, Any]:
        """Return the line of ListTrainingJobsForHyperParameterTuningJob."""
        described = self.job.describe()
        found: dict[str, Any] = {
            name: described[name]
            for name in (
                "TrainingJobName",
                "TrainingJobArn",
                "CreationTime",
                "TrainingStartTime",
                "TrainingEndTime",
                "TrainingJobStatus",
                "FailureReason",
            )
            if name in described
        }
        found |= {
            "TuningJobName": self.tuning_job,
            "TunedHyperParameters": dict(self.values),
            "ObjectiveStatus": self.objective_status,
        }
        if self.job.ended and self.result is not None:
            found["FinalHyperParameterTuningJobObjectiveMetric"] = {**self.objective, "Value": self.result}
        return found


class TuningJob(JobRecord):
    """The record of one tuning job. Every method may be called from any thread.

    Parameters
    ----------
    request
        The parameters of CreateHyperParameterTuningJob.
    arn
        The job's ARN.
    parents
        The tuning jobs that it starts warm from.
    """

    def __init__(self, request: Mapping[str, Any], arn: str, parents: tuple[TuningJob, ...] = ()) -> None:
        super().__init__(TUNING, request, arn)
        self.config: Mapping[str, Any] = request["HyperParameterTuningJobConfig"]
        self.objective: Mapping[str, str] = self.config["HyperParameterTuningJobObjective"]
        self.maximize = self.objective["Type"] == "Maximize"
        self.parents = parents
        self._trials: list[Trial] = []

    @property
    def counts_parents(self) -> bool:
        """Whether what the parents found is as good as what this job finds."""
        kind = (self.request.get("WarmStartConfig") or {}).get("WarmStartType")
        return bool(self.parents) and kind == "IdenticalDataAndAlgorithm"

    @property
    def trials(self) -> list[Trial]:
        """The training jobs so far, in the order in which they were started."""
        with self._lock:
            return list(self._trials)

    def add(self, trial: Trial) -> None:
        """Add a training job that has been started."""
        with self._lock:
            self._trials.append(trial)
            self.last_modified_time = now()

    def describe(self) -> dict[str, Any]:
        """Return what DescribeHyperParameterTuningJob answers at this instant."""
        trials = self.trials
        ended = [trial for trial in trials if trial.job.ended]
        until = self.last_modified_time if self.ended else now()
        found = super().describe() | {
            "TuningJobCompletionDetails": {
                "NumberOfTrainingJobsObjectiveNotImproving": count_not_improving(
                    [trial.result for trial in ended], maximize=self.maximize
                )
            },
            "ConsumedResources": {"RuntimeInSeconds": int((until - self.creation_time).total_seconds())},
        }
        best = self._best(trials)
        if best is not None:
            found["BestTrainingJob"] = best.summarize()
        if self.counts_parents:
            overall = self._best([*(trial for parent in self.parents for trial in parent.trials), *trials])
            found |= {"OverallBestTrainingJob": overall.summarize()} if overall is not None else {}
        return found

    def summarize(self) -> dict[str, Any]:
        """Return the job's line in ListHyperParameterTuningJobs."""
        return super().summarize() | {
            "Strategy": self.config["Strategy"],
            "ResourceLimits": self.config["ResourceLimits"],
            **self._counters(),
        }

    def _best(self, trials: list[Trial]) -> Trial | None:
        counted = [trial.result if trial.objective_status == "Succeeded" else None for trial in trials]
        found = find_best(counted, maximize=self.maximize)
        return None if found is None else trials[found]

    def _counters(self) -> dict[str, Any]:
        trials = self.trials
        statuses = [trial.status for trial in trials]
        objectives = [trial.objective_status for trial in trials]
        return {
            "TrainingJobStatusCounters": {
                "Completed": statuses.count(Status.COMPLETED),
                "InProgress": statuses.count(Status.IN_PROGRESS) + statuses.count(Status.STOPPING),
                "RetryableError": 0,
                "NonRetryableError": statuses.count(Status.FAILED),
                "Stopped": statuses.count(Status.STOPPED),
            },
            "ObjectiveStatusCounters": {name: objectives.count(name) for name in ("Succeeded", "Pending", "Failed")},
        }
