"""Checks CreateHyperParameterTuningJob, and makes the requests of its training jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from moto.sagemaker.exceptions import AWSValidationException

from localcloud.engines.sagemaker_tuning_range import Choice, Parameter, read_ranges
from localcloud.engines.sagemaker_tuning_search import SearchPlan, count_grid

_OBJECTIVE = "_tuning_objective_metric"  # a hyperparameter that SageMaker adds to every training job
_UNLIMITED = 750  # AWS's own bound on the training jobs of one tuning job
# What a definition says and CreateTrainingJob takes as it stands.
_COPIED = (
    "RoleArn",
    "InputDataConfig",
    "VpcConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "RetryStrategy",
    "Environment",
)


def check_tuning(request: Mapping[str, Any]) -> list[Parameter]:
    """Refuse what SageMaker would refuse, or what localcloud does not do; return the hyperparameters to tune.

    Raises
    ------
    AWSValidationException
        With the first complaint.
    """
    try:
        parameters = read_ranges((request["HyperParameterTuningJobConfig"].get("ParameterRanges")) or {})
    except ValueError as error:
        raise AWSValidationException(str(error)) from error
    for complaint in _complaints(request, parameters):
        raise AWSValidationException(complaint)
    return parameters


def make_plan(config: Mapping[str, Any], parameters: list[Parameter]) -> SearchPlan:
    """Return how to search, without what earlier jobs found."""
    strategy = config["Strategy"]
    limits = (config.get("StrategyConfig") or {}).get("HyperbandStrategyConfig") or {}
    limit = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    return SearchPlan(
        strategy=strategy,
        maximize=config["HyperParameterTuningJobObjective"]["Type"] == "Maximize",
        limit=limit or (count_grid(parameters) if strategy == "Grid" else _UNLIMITED),
        seed=config.get("RandomSeed"),
        resources=(limits.get("MinResource"), limits.get("MaxResource")),
    )


def make_child(request: Mapping[str, Any], name: str, values: Mapping[str, str]) -> dict[str, Any]:
    """Return the CreateTrainingJob request of one training job."""
    definition = request["TrainingJobDefinition"]
    copied = {member: definition[member] for member in _COPIED if definition.get(member) is not None}
    objective = request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["MetricName"]
    fixed = definition.get("StaticHyperParameters") or {}
    return {
        **copied,
        "TrainingJobName": name,
        "AlgorithmSpecification": definition["AlgorithmSpecification"],
        "HyperParameters": {**fixed, **values, _OBJECTIVE: objective},
        **({"Tags": list(request["Tags"])} if request.get("Tags") else {}),
    }


def _complaints(request: Mapping[str, Any], parameters: list[Parameter]) -> Iterator[str]:
    config = request["HyperParameterTuningJobConfig"]
    yield from _check_offer(request, config)
    if not config.get("HyperParameterTuningJobObjective"):
        yield "HyperParameterTuningJobObjective must be given: a training image has no objective of its own."
        return
    yield from _check_strategy(config, parameters)
    definition = request["TrainingJobDefinition"]
    metrics = [found["Name"] for found in definition["AlgorithmSpecification"].get("MetricDefinitions") or []]
    objective = config["HyperParameterTuningJobObjective"]["MetricName"]
    if objective not in metrics:
        yield f"The objective metric {objective} is none of the MetricDefinitions: {', '.join(metrics) or 'none'}."
    fixed = definition.get("StaticHyperParameters") or {}
    for name in sorted({parameter.name for parameter in parameters} & set(fixed)):
        yield f"The hyperparameter {name} is both tuned and static."


def _check_offer(request: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    definition = request.get("TrainingJobDefinition")
    if request.get("TrainingJobDefinitions") or not definition:
        yield "localcloud runs tuning jobs with one TrainingJobDefinition; TrainingJobDefinitions run on AWS alone."
        return
    if definition.get("HyperParameterTuningResourceConfig") or not definition.get("ResourceConfig"):
        yield "localcloud needs the ResourceConfig of a tuning job's training jobs."
    ranges = config.get("ParameterRanges") or {}
    criteria = config.get("TuningJobCompletionCriteria") or {}
    convergence = (criteria.get("ConvergenceDetected") or {}).get("CompleteOnConvergence")
    for asked, name in (
        (request.get("Autotune"), "Autotune"),
        (ranges.get("AutoParameters"), "AutoParameters"),
        (convergence == "Enabled", "ConvergenceDetected"),
    ):
        if asked:
            yield f"localcloud does not offer {name}: it runs on AWS alone."


def _check_strategy(config: Mapping[str, Any], parameters: list[Parameter]) -> Iterator[str]:
    strategy, limits = config["Strategy"], config["ResourceLimits"]
    count = limits.get("MaxNumberOfTrainingJobs")
    hyperband = (config.get("StrategyConfig") or {}).get("HyperbandStrategyConfig")
    if strategy == "Grid":
        if not all(isinstance(parameter, Choice) for parameter in parameters):
            yield "The Grid strategy takes categorical parameter ranges alone."
        elif count not in (None, count_grid(parameters)):
            yield f"MaxNumberOfTrainingJobs must be {count_grid(parameters)}, as many as the grid has, or left out."
    elif count is None and not config.get("TuningJobCompletionCriteria") and not limits.get("MaxRuntimeInSeconds"):
        yield f"MaxNumberOfTrainingJobs must be given for the {strategy} strategy, or another limit."
    if hyperband and strategy != "Hyperband":
        yield f"HyperbandStrategyConfig goes with the Hyperband strategy, not with {strategy}."
    if hyperband and not (hyperband.get("MinResource") or 1) <= (hyperband.get("MaxResource") or 10**9):
        yield "MinResource of HyperbandStrategyConfig must not be greater than its MaxResource."
    if strategy == "Hyperband" and config.get("TrainingJobEarlyStoppingType") == "Auto":
        yield "TrainingJobEarlyStoppingType must be Off with the Hyperband strategy, which stops training jobs itself."
