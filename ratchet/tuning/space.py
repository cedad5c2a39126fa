"""A search space in SageMaker's words, and in those of `training/tune.py`; both try the same values for a seed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ratchet.tuning.budget import Limits
from ratchet.tuning_spec import Hyperparameter, Range, Tuning

_STRATEGIES = {"grid": "Grid", "random": "Random", "bayesian": "Bayesian", "hyperband": "Hyperband"}
_SCALINGS = {"linear": "Linear", "log": "Logarithmic", "reverse_log": "ReverseLogarithmic"}
# SageMaker groups ranges by their type; what draws from them goes through them in this order.
_TYPES = ("continuous", "integer", "categorical")


def tuning_config(tuning: Tuning, limits: Limits, *, epochs: int | None) -> dict[str, Any]:
    """SageMaker's HyperParameterTuningJobConfig.

    Parameters
    ----------
    epochs
        How many reports a whole training makes; Hyperband needs to know unless the spec says it.
    """
    grid = tuning.strategy == "grid"
    bounds: dict[str, Any] = {"MaxParallelTrainingJobs": tuning.parallel}
    if limits.jobs is not None and not grid:  # a grid has as many as it has
        bounds["MaxNumberOfTrainingJobs"] = limits.jobs
    if limits.seconds is not None:
        bounds["MaxRuntimeInSeconds"] = limits.seconds
    config: dict[str, Any] = {
        "Strategy": _STRATEGIES[tuning.strategy],
        "HyperParameterTuningJobObjective": {
            "Type": "Maximize" if tuning.maximizes else "Minimize",
            "MetricName": tuning.objective.metric,
        },
        "ResourceLimits": bounds,
        "ParameterRanges": _grid_ranges(tuning) if grid else _ranges(tuning),
        "TrainingJobEarlyStoppingType": "Auto" if tuning.early_stopping else "Off",
        "RandomSeed": tuning.seed,
    }
    if tuning.strategy == "hyperband":
        least, most = rounds_of(tuning, epochs)
        config["StrategyConfig"] = {"HyperbandStrategyConfig": {"MinResource": least, "MaxResource": most}}
    return config


def study_order(tuning: Tuning, limits: Limits, *, epochs: int | None) -> dict[str, Any]:
    """What `training/tune.py` is told, as plain data."""
    return {
        "strategy": tuning.strategy,
        "metric": tuning.objective.metric,
        "maximize": tuning.maximizes,
        "jobs": tuning.combinations if tuning.strategy == "grid" else limits.jobs,
        "seconds": limits.seconds,
        "parallel": tuning.parallel,
        "early_stopping": tuning.early_stopping,
        "rounds": list(rounds_of(tuning, epochs)) if tuning.strategy == "hyperband" else None,
        "seed": tuning.seed,
        "ranges": [_described(tuning, name, found) for name, found in _in_order(tuning)],
    }


def read_values(texts: Mapping[str, str]) -> dict[str, Hyperparameter]:
    """The values behind SageMaker's texts: they are written as JSON, as all hyperparameters of script mode are."""
    return {name: _read(text) for name, text in texts.items()}


def rounds_of(tuning: Tuning, epochs: int | None) -> tuple[int, int]:
    """Least and most reports that Hyperband gives a trial."""
    return tuning.hyperband.min, tuning.hyperband.max or epochs or tuning.hyperband.min


def _read(text: str) -> Hyperparameter:
    try:
        value: Hyperparameter = json.loads(text)
    except ValueError:
        return text
    return value


def _ranges(tuning: Tuning) -> dict[str, Any]:
    ranges: dict[str, Any] = {}
    for name, found in _in_order(tuning):
        if found.type == "categorical":
            ranges.setdefault("CategoricalParameterRanges", []).append(_choice(name, found.values))
            continue
        kind = "ContinuousParameterRanges" if found.type == "continuous" else "IntegerParameterRanges"
        low, high = (_write(end, found) for end in found.ends)
        entry = {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": _SCALINGS[found.scaling]}
        ranges.setdefault(kind, []).append(entry)
    return ranges


def _grid_ranges(tuning: Tuning) -> dict[str, Any]:
    """A grid of SageMaker's knows categories alone: numbers become their points."""
    return {"CategoricalParameterRanges": [_choice(name, found.points) for name, found in tuning.ranges.items()]}


def _choice(name: str, values: Sequence[Hyperparameter]) -> dict[str, Any]:
    return {"Name": name, "Values": [json.dumps(value) for value in values]}


def _write(end: float, found: Range) -> str:
    return str(int(end)) if found.type == "integer" else repr(end)


def _in_order(tuning: Tuning) -> list[tuple[str, Range]]:
    if tuning.strategy == "grid":
        return list(tuning.ranges.items())
    return sorted(tuning.ranges.items(), key=lambda pair: _TYPES.index(pair[1].type))


def _described(tuning: Tuning, name: str, found: Range) -> dict[str, Any]:
    if tuning.strategy == "grid" or found.type == "categorical":
        return {"name": name, "type": "categorical", "values": list(found.points)}
    low, high = found.ends
    numbers = (int(low), int(high)) if found.type == "integer" else (low, high)
    return {"name": name, "type": found.type, "low": numbers[0], "high": numbers[1], "scaling": found.scaling}
