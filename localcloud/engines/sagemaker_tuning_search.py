"""What a tuning job tries next: grid by itself, random, Bayesian and Hyperband by Optuna."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from localcloud.engines.sagemaker_tuning_range import Choice, Parameter

_REDUCTION_FACTOR = 3  # Hyperband's: of three trials one goes on
_MOST_STARTUP_TRIALS = 10


@dataclass(frozen=True)
class Observation:
    """Values that were tried earlier, and what came of them."""

    values: Mapping[str, str]
    objective: float


@dataclass(frozen=True)
class SearchPlan:
    """How to search.

    Attributes
    ----------
    strategy
        `Random`, `Grid`, `Bayesian` or `Hyperband`.
    maximize
        Whether more is better.
    limit
        How many trials there will be.
    seed
        Same seed, same trials; None for other ones each time.
    resources
        Least and most reports of the objective that Hyperband gives a trial; None for what AWS leaves open.
    known
        What earlier tuning jobs found.
    """

    strategy: str
    maximize: bool
    limit: int
    seed: int | None = None
    resources: tuple[int | None, int | None] = (None, None)
    known: Sequence[Observation] = ()


class Search(Protocol):
    """A strategy at work. Trials are numbered from 0, in the order in which they were proposed."""

    @property
    def adaptive(self) -> bool:
        """Whether what it proposes depends on what was observed."""

    def propose(self) -> dict[str, str] | None:
        """Return the next trial's hyperparameters; None when everything has been tried."""

    def observe(self, number: int, objective: float | None) -> None:
        """Say how a trial ended; None when it gave no objective."""

    def gives_up(self, number: int, step: int, objective: float) -> bool:
        """Say what a running trial reported at a step, from 1; whether it is to be stopped."""


def make_search(parameters: Sequence[Parameter], plan: SearchPlan) -> Search:
    """Return the strategy of a plan."""
    if plan.strategy == "Grid":
        return GridSearch([parameter for parameter in parameters if isinstance(parameter, Choice)])
    return OptunaSearch(parameters, plan)


def count_grid(parameters: Sequence[Parameter]) -> int:
    """Return how many trials a grid has."""
    return math.prod(len(parameter.values) for parameter in parameters if isinstance(parameter, Choice))


class GridSearch:
    """Every combination once, the last hyperparameter changing first."""

    adaptive = False

    def __init__(self, parameters: Sequence[Choice]) -> None:
        names = [parameter.name for parameter in parameters]
        products = itertools.product(*(parameter.values for parameter in parameters))
        self._left = (dict(zip(names, values, strict=True)) for values in products)

    def propose(self) -> dict[str, str] | None:
        """Return the next combination."""
        return next(self._left, None)

    def observe(self, number: int, objective: float | None) -> None:
        """Learn nothing."""

    def gives_up(self, number: int, step: int, objective: float) -> bool:
        """Let every trial run."""
        return False


class OptunaSearch:
    """A study of Optuna in memory.

    Hyperband samples at random, as it was published; what it adds is to stop the trials that fall behind.
    """

    def __init__(self, parameters: Sequence[Parameter], plan: SearchPlan) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.adaptive = plan.strategy == "Bayesian"
        self._parameters = tuple(parameters)
        self._distributions = {parameter.name: parameter.distribution() for parameter in parameters}
        self._study: Any = optuna.create_study(
            study_name="tuning",  # Hyperband's brackets hang on it
            sampler=_sampler(plan),
            pruner=_pruner(plan),
            direction="maximize" if plan.maximize else "minimize",
        )
        self._trials: list[Any] = []
        self._observed: set[int] = set()
        for observation in plan.known:
            self._remember(observation)

    def propose(self) -> dict[str, str] | None:
        """Ask the study."""
        trial = self._study.ask(self._distributions)
        self._trials.append(trial)
        return {parameter.name: parameter.write(trial.params[parameter.name]) for parameter in self._parameters}

    def observe(self, number: int, objective: float | None) -> None:
        """Tell the study."""
        from optuna.trial import TrialState

        self._observed.add(number)
        if objective is None:
            self._study.tell(self._trials[number], state=TrialState.FAIL)
        else:
            self._study.tell(self._trials[number], objective)

    def gives_up(self, number: int, step: int, objective: float) -> bool:
        """Ask the pruner."""
        if number in self._observed:  # its last reports may come after its end
            return False
        trial = self._trials[number]
        trial.report(objective, step)
        return bool(trial.should_prune())

    def _remember(self, observation: Observation) -> None:
        """Add what an earlier job found; values that are outside of today's ranges say nothing about them."""
        import optuna

        try:
            found = {
                parameter.name: parameter.read(observation.values[parameter.name]) for parameter in self._parameters
            }
        except (KeyError, ValueError):
            return
        trial = optuna.trial.create_trial(params=found, distributions=self._distributions, value=observation.objective)
        self._study.add_trial(trial)


def _sampler(plan: SearchPlan) -> Any:
    from optuna.samplers import RandomSampler, TPESampler

    if plan.strategy != "Bayesian":
        return RandomSampler(seed=plan.seed)
    startup = max(2, min(_MOST_STARTUP_TRIALS, plan.limit // 4))
    return TPESampler(seed=plan.seed, n_startup_trials=startup, multivariate=True)


def _pruner(plan: SearchPlan) -> Any:
    from optuna.pruners import HyperbandPruner, NopPruner

    if plan.strategy != "Hyperband":
        return NopPruner()
    least, most = plan.resources
    return HyperbandPruner(min_resource=least or 1, max_resource=most or "auto", reduction_factor=_REDUCTION_FACTOR)
