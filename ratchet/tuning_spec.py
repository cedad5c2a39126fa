"""The `tuning` part of a pipeline's file: what is searched, how, and what that may cost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ratchet.dataset_spec import Part

Hyperparameter = str | int | float | bool
Complaint = tuple[tuple[str, ...], str]  # the key below the one that is read, and what is wrong with it
MOST_TRIALS = 750  # AWS's own bound for a search that learns
_MOST_RANGES = 30  # AWS's own
_MOST_INTEGERS = 1_000


def complain(complaint: Complaint) -> PydanticCustomError:
    """An error that names a key below the one it was found at, so that file and line lead to the mistake itself."""
    at, message = complaint
    return PydanticCustomError("rule", "{message}", {"message": message, "at": at})


class Range(Part):
    """The values of one hyperparameter that are tried."""

    type: Literal["integer", "continuous", "categorical"]
    min: float | None = Field(None, description="Of numbers; included.")
    max: float | None = Field(None, description="Of numbers; included.")
    scaling: Literal["linear", "log", "reverse_log"] = Field(
        "linear", description="`log` for what matters by its magnitude, `reverse_log` for what lies close to 1."
    )
    steps: int | None = Field(None, ge=2, le=100, description="How many of its points a grid tries.")
    values: tuple[Hyperparameter, ...] = Field((), description="Of a categorical range.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        for complaint in _complaints_about(self):
            raise complain(complaint)
        return self

    @property
    def ends(self) -> tuple[float, float]:
        """Least and greatest value of a range of numbers."""
        return float(self.min or 0.0), float(self.max or 0.0)

    @property
    def points(self) -> tuple[Hyperparameter, ...]:
        """What a grid tries, in order: all values, all whole numbers, or `steps` points spread by the scaling."""
        low, high = self.ends
        if self.type == "categorical":
            return self.values
        if self.steps is None:
            return tuple(range(int(low), int(high) + 1))
        found = [self.place(step / (self.steps - 1)) for step in range(self.steps)]
        return tuple(dict.fromkeys(round(point) for point in found)) if self.type == "integer" else tuple(found)

    def place(self, share: float) -> float:
        """The number at a share of the way from `min` to `max`, as the scaling has it."""
        low, high = self.ends
        found: float
        if self.scaling == "log":
            found = low * (high / low) ** share
        elif self.scaling == "reverse_log":
            found = 1.0 - (1.0 - low) * ((1.0 - high) / (1.0 - low)) ** share
        else:
            found = low + (high - low) * share
        return min(max(found, low), high)


class Objective(Part):
    """What a trial is judged by: the last value that its program prints."""

    metric: str = Field("validation_accuracy", pattern=r"^[A-Za-z_]\w{0,99}$", description="As in the metric lines.")
    direction: Literal["maximize", "minimize"] = "maximize"


class Budget(Part):
    """What a study may cost; whichever is used up first ends it."""

    jobs: int | None = Field(None, ge=1, le=MOST_TRIALS, description="Trials.")
    hours: float | None = Field(None, gt=0, le=24 * 28, description="From the first trial's start, on the clock.")
    usd: float | None = Field(None, gt=0, description="By the list prices in ratchet/compute/prices.json.")


class Rounds(Part):
    """How many reports of the objective Hyperband gives a trial."""

    min: int = Field(1, ge=1)
    max: int | None = Field(None, ge=1, description="hyperparameters.epochs by default.")


class WarmStart(Part):
    """What a study begins with."""

    from_last: bool = Field(False, description="What the last study of this pipeline found.")


class Tuning(Part):
    """A search for better hyperparameters in place of one training."""

    strategy: Literal["grid", "random", "bayesian", "hyperband"] = "bayesian"
    objective: Objective = Objective()
    ranges: dict[str, Range] = Field(min_length=1, max_length=_MOST_RANGES)
    budget: Budget = Budget()
    parallel: int = Field(1, ge=1, le=100, description="Trials at once; on a machine with GPUs one each instead.")
    trials: Literal["jobs", "processes"] | None = Field(
        None, description="A job each, or processes of one job; jobs on SageMaker, processes elsewhere, by default."
    )
    early_stopping: bool = Field(False, description="End trials that fall behind the median of those before.")
    hyperband: Rounds = Rounds()
    seed: int = Field(1, ge=0, le=2**31 - 1, description="The same seed tries the same values.")
    warm_start: WarmStart = WarmStart()

    @field_validator("ranges")
    @classmethod
    def _fit_the_strategy(cls, ranges: dict[str, Range], info: ValidationInfo) -> dict[str, Range]:
        grid = info.data.get("strategy") == "grid"
        for name, found in ranges.items():
            if grid and found.type == "continuous" and found.steps is None:
                raise complain(((name,), "a grid over a continuous range needs `steps`: how many points to try"))
            if not grid and found.steps is not None:
                raise complain(((name, "steps"), "goes with `strategy: grid` alone: remove it"))
        return ranges

    @model_validator(mode="after")
    def _is_a_study(self) -> Tuning:
        for complaint in _complaints_about_study(self):
            raise complain(complaint)
        return self

    @property
    def maximizes(self) -> bool:
        """Whether more is better."""
        return self.objective.direction == "maximize"

    def runs_jobs(self, compute: str) -> bool:
        """Whether each trial is a job of its own; elsewhere than on SageMaker they are processes of one."""
        return (self.trials or ("jobs" if compute == "sagemaker" else "processes")) == "jobs"

    @property
    def combinations(self) -> int:
        """How many trials a grid has."""
        return math.prod(len(found.points) for found in self.ranges.values())


def _complaints_about(found: Range) -> Iterator[Complaint]:
    if found.type == "categorical":
        yield from _complaints_about_choice(found)
        return
    if found.values:
        yield ("values",), f"are for `type: categorical`; a range that is {found.type} has `min` and `max`"
    if found.min is None or found.max is None:
        yield ("min" if found.min is None else "max",), f"is missing: a range that is {found.type} has both ends"
        return
    yield from _complaints_about_ends(found)


def _complaints_about_choice(found: Range) -> Iterator[Complaint]:
    for name in ("min", "max", "steps"):
        if getattr(found, name) is not None:
            yield (name,), "is for numbers; a categorical range has `values`"
    if found.scaling != "linear":
        yield ("scaling",), "is for numbers; a categorical range has `values`"
    if len(found.values) < 2:
        yield ("values",), "needs two values or more; a single one goes to training.hyperparameters"
    if not all(math.isfinite(value) for value in found.values if isinstance(value, float)):
        yield ("values",), "must be finite numbers"
    if len({str(value) for value in found.values}) < len(found.values):
        yield ("values",), f"must differ from each other, also as text (found {', '.join(map(str, found.values))})"


def _complaints_about_ends(found: Range) -> Iterator[Complaint]:
    low, high = found.ends
    for name, end in (("min", low), ("max", high)):
        if not math.isfinite(end) or (found.type == "integer" and not end.is_integer()):
            yield (name,), f"must be a {'whole' if found.type == 'integer' else 'finite'} number (found {end})"
    if low > high:
        yield ("min",), f"{low:g} is above max {high:g}: the range is upside down, swap them"
    elif low == high:
        yield ("min",), f"and max are both {low:g}: nothing to search, put the value into training.hyperparameters"
    if found.scaling == "log" and low <= 0:
        yield ("min",), f"must be above 0 with `scaling: log` (found {low:g}); or use `scaling: linear`"
    if found.scaling == "reverse_log" and (found.type == "integer" or not 0 <= low < high < 1):
        yield ("scaling",), "reverse_log needs a continuous range with 0 <= min and max < 1"


def _complaints_about_study(study: Tuning) -> Iterator[Complaint]:
    budget = study.budget
    if study.strategy == "grid":
        yield from _complaints_about_grid(study)
    elif budget.jobs is None and budget.hours is None and budget.usd is None:
        yield ("budget",), f"must be given for `strategy: {study.strategy}`: `jobs`, `hours` or `usd`"
    if budget.jobs is not None and study.parallel > budget.jobs:
        yield ("parallel",), f"is more than budget.jobs, {budget.jobs} (found {study.parallel})"
    if study.warm_start.from_last and study.strategy != "bayesian":
        yield (
            ("warm_start", "from_last"),
            f"means nothing to `strategy: {study.strategy}`, which does not learn: remove it, or choose bayesian",
        )
    if study.strategy == "hyperband" and study.early_stopping:
        yield ("early_stopping",), "must be false with `strategy: hyperband`, which ends trials by itself"
    if study.strategy != "hyperband" and "hyperband" in study.model_fields_set:
        yield ("hyperband",), "goes with `strategy: hyperband` alone: remove it"
    if study.hyperband.max is not None and study.hyperband.min >= study.hyperband.max:
        yield ("hyperband", "min"), f"must be below max, {study.hyperband.max} (found {study.hyperband.min})"


def _complaints_about_grid(study: Tuning) -> Iterator[Complaint]:
    for name, found in study.ranges.items():
        low, high = found.ends
        if found.type == "integer" and found.steps is None and high - low >= _MOST_INTEGERS:
            yield ("ranges", name), f"holds {high - low + 1:.0f} whole numbers: give `steps`, how many of them to try"
            return
    count = study.combinations
    if count > MOST_TRIALS:
        yield ("ranges",), f"a grid of {count} combinations is too large, {MOST_TRIALS} at most: fewer `steps`"
    if study.budget.jobs is not None and study.budget.jobs < count:
        yield (
            ("budget", "jobs"),
            f"is {study.budget.jobs}, but the grid has {count} combinations: raise or remove it",
        )
