"""Studies as SageMaker tuning jobs, each trial a training job: start or find, look, stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ratchet.aws import Aws, Deployment, translate_errors
from ratchet.aws.failure import error_code
from ratchet.compute.order import JobOrder, JobState
from ratchet.compute.sagemaker import STATES, SageMakerBackend
from ratchet.errors import ConflictError, JobError, NotFoundError
from ratchet.naming import study_name, tag_value
from ratchet.settings import Settings

IAM_ACTIONS = (
    "sagemaker:CreateHyperParameterTuningJob",
    "sagemaker:DescribeHyperParameterTuningJob",
    "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
    "sagemaker:StopHyperParameterTuningJob",
    "sagemaker:AddTags",
    "iam:PassRole",
)
_PAGE = 100
_OBJECTIVE = "FinalHyperParameterTuningJobObjectiveMetric"


@dataclass(frozen=True)
class TuningOrder:
    """A study to be carried out.

    Attributes
    ----------
    training
        What every trial does; its hyperparameters are those that are fixed.
    config
        SageMaker's HyperParameterTuningJobConfig.
    digest
        The study's identity: the same one finds the same tuning job.
    parents
        Tuning jobs to begin with.
    same_inputs
        Whether data and image are those of the parents.
    """

    training: JobOrder
    config: Mapping[str, Any]
    digest: str
    parents: Sequence[str] = ()
    same_inputs: bool = False


@dataclass(frozen=True)
class TrialJob:
    """What SageMaker says about one trial; `values` are hyperparameters as it writes them."""

    name: str
    state: JobState
    values: Mapping[str, str]
    objective: float | None
    message: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class TuningStatus:
    """What SageMaker says about a study."""

    name: str
    state: JobState
    message: str = ""


class SageMakerTuner:
    """Carries studies out on SageMaker."""

    def __init__(self, aws: Aws, deployment: Deployment, settings: Settings) -> None:
        self._client: Any = aws.client("sagemaker")
        self._backend = SageMakerBackend(aws, deployment, settings)
        self._settings = settings

    def start(self, order: TuningOrder) -> TuningStatus:
        """Start the tuning job or find it.

        One that runs or has succeeded is returned as it is; one that failed or was stopped is followed by the next
        epoch, up to the training's `attempts`; then `JobError` with the last reason.
        """
        status: TuningStatus | None = None
        training = order.training
        for epoch in range(training.attempts):
            name = study_name(training.pipeline, order.digest, epoch)
            status = self._find(name) or self._create(order, name)
            if status.state not in (JobState.FAILED, JobState.STOPPED):
                return status
        last = f", last as {status.name}: {status.message}" if status else ""
        raise JobError(
            f"the study failed {training.attempts} time(s){last}. Mend the cause, or raise training.attempts"
        )

    def poll(self, name: str) -> TuningStatus:
        """Look once; `NotFoundError` when there is no such tuning job."""
        found = self._find(name)
        if found is None:
            raise NotFoundError(f"there is no tuning job {name} in {self._settings.region}")
        return found

    def list_trials(self, name: str) -> list[TrialJob]:
        """Every trial so far, in the order in which they were started."""
        query: dict[str, Any] = {"HyperParameterTuningJobName": name, "MaxResults": _PAGE, "SortBy": "Name"}
        found: list[TrialJob] = []
        with translate_errors(f"list the trials of {name}"):
            while True:
                page = self._client.list_training_jobs_for_hyper_parameter_tuning_job(**query, SortOrder="Ascending")
                found += [_trial(entry) for entry in page["TrainingJobSummaries"]]
                if not page.get("NextToken"):
                    return found
                query["NextToken"] = page["NextToken"]

    def stop(self, name: str) -> None:
        """Ask the tuning job and its trials to end; one that has ended or never was is no error."""
        found = self._find(name)
        if found is None or found.state.ended:
            return
        with translate_errors(f"stop tuning job {name}"):
            try:
                self._client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            except self._client.exceptions.ClientError as error:
                # It may have ended between the two calls.
                if error_code(error) != "ValidationException" or not self.poll(name).state.ended:
                    raise

    def describe_link(self, name: str) -> str:
        """URL of the console's page of the tuning job."""
        return self._settings.tuning_page(name)

    def _find(self, name: str) -> TuningStatus | None:
        with translate_errors(f"look at tuning job {name}"):
            try:
                found = self._client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            except self._client.exceptions.ClientError as error:
                if error_code(error) != "ResourceNotFound":
                    raise
                return None
        return TuningStatus(name, STATES[found["HyperParameterTuningJobStatus"]], found.get("FailureReason", ""))

    def _create(self, order: TuningOrder, name: str) -> TuningStatus:
        request: dict[str, Any] = {
            "HyperParameterTuningJobName": name,
            "HyperParameterTuningJobConfig": dict(order.config),
            "TrainingJobDefinition": self._backend.describe_trials(order.training),
            "Tags": [{"Key": key, "Value": tag_value(value)} for key, value in order.training.tags.items()],
        }
        if order.parents:
            request["WarmStartConfig"] = {
                "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": parent} for parent in order.parents],
                "WarmStartType": "IdenticalDataAndAlgorithm" if order.same_inputs else "TransferLearning",
            }
        try:
            with translate_errors(f"start tuning job {name}"):
                self._client.create_hyper_parameter_tuning_job(**request)
        except ConflictError:
            # The name is a digest of the work: whoever took it ordered the same, be it we ourselves a moment ago.
            pass
        return self.poll(name)


def _trial(entry: Mapping[str, Any]) -> TrialJob:
    return TrialJob(
        name=entry["TrainingJobName"],
        state=STATES[entry["TrainingJobStatus"]],
        values=entry.get("TunedHyperParameters", {}),
        objective=entry.get(_OBJECTIVE, {}).get("Value"),
        message=entry.get("FailureReason", ""),
        started_at=entry.get("TrainingStartTime"),
        ended_at=entry.get("TrainingEndTime"),
    )
