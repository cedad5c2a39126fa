"""What a study tries next: grid, random, Bayesian and Hyperband by Optuna, the same values for the same seed.

localcloud's tuning jobs draw the same way, so that a study tries the same wherever it runs.
"""

from __future__ import annotations

import itertools
import json
import warnings
from typing import Any, Dict, Iterable, List, Mapping, Optional, Set

from training.container import DataProblem

_MOST_TRIALS = 750
_MOST_STARTUP_TRIALS = 10
_LEAST_BEFORE_MEDIAN = 3
_REDUCTION_FACTOR = 3  # Hyperband's: of three trials one goes on


class Search:
    """A study of Optuna in memory. Trials are numbered from 0, in the order in which they were proposed.

    Parameters
    ----------
    order
        `strategy`, `maximize`, `jobs`, `seed`, `early_stopping`, `rounds`, `ranges`, as the loop writes them.
    """

    def __init__(self, order: Mapping[str, Any]) -> None:
        optuna = _import_optuna()
        self.adaptive = order["strategy"] == "bayesian"
        self._ranges = {found["name"]: found for found in order["ranges"]}
        self._distributions = {name: _distribution(found) for name, found in self._ranges.items()}
        self._study: Any = optuna.create_study(
            study_name="tuning",  # Hyperband's brackets hang on it
            sampler=_sampler(order),
            pruner=_pruner(order),
            direction="maximize" if order["maximize"] else "minimize",
        )
        self._trials: List[Any] = []
        self._observed: Set[int] = set()
        self._left: Optional[Iterable[Dict[str, Any]]] = None
        if order["strategy"] == "grid":
            names = list(self._ranges)
            products = itertools.product(*(self._distributions[name].choices for name in names))
            self._left = iter([dict(zip(names, values)) for values in products])

    def propose(self) -> Optional[Dict[str, Any]]:
        """The next trial's values; None when a grid has been tried whole."""
        if self._left is not None:
            point = next(iter(self._left), None)
            if point is None:
                return None
            self._study.enqueue_trial(point)
        trial = self._study.ask(self._distributions)
        self._trials.append(trial)
        return {name: _write(found, trial.params[name]) for name, found in self._ranges.items()}

    def observe(self, number: int, objective: Optional[float]) -> None:
        """Say how a trial ended, once; None when it gave no objective."""
        from optuna.trial import TrialState

        if number in self._observed:
            return
        self._observed.add(number)
        if objective is None:
            self._study.tell(self._trials[number], state=TrialState.FAIL)
        else:
            self._study.tell(self._trials[number], objective)

    def gives_up(self, number: int, step: int, objective: float) -> bool:
        """Say what a running trial reported at a step, from 1; whether it is to be stopped."""
        if number in self._observed:
            return False
        self._trials[number].report(objective, step)
        return bool(self._trials[number].should_prune())

    def remember(self, values: Mapping[str, Any], objective: float) -> bool:
        """Add what an earlier study found; what lies outside of today's ranges says nothing about them."""
        import optuna

        try:
            found = {name: _read(self._ranges[name], values[name]) for name in self._ranges}
            trial = optuna.trial.create_trial(params=found, distributions=self._distributions, value=objective)
        except (KeyError, ValueError, TypeError):
            return False
        self._study.add_trial(trial)
        return True


def optuna_version() -> str:
    """Another version may draw other values."""
    return str(_import_optuna().__version__)


def _import_optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise DataProblem(
            "this image has no Optuna: build training/Dockerfile and name it in training.image_uri, or let each trial "
            "be a job (tuning.trials: jobs)"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # multivariate, for years now
    return optuna


def _distribution(found: Mapping[str, Any]) -> Any:
    """Optuna's distribution; of the distance to 1 for a reverse logarithmic range."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if found["type"] == "categorical":
        return CategoricalDistribution([json.dumps(value) for value in found["values"]])
    low, high, log = found["low"], found["high"], found["scaling"] == "log"
    if found["type"] == "integer":
        return IntDistribution(low, high, log=log)
    if found["scaling"] == "reverse_log":
        return FloatDistribution(1.0 - high, 1.0 - low, log=True)
    return FloatDistribution(low, high, log=log)


def _write(found: Mapping[str, Any], drawn: Any) -> Any:
    if found["type"] == "categorical":
        return json.loads(drawn)
    if found["type"] == "integer":
        return int(drawn)
    value = 1.0 - drawn if found["scaling"] == "reverse_log" else float(drawn)
    return min(max(value, found["low"]), found["high"])


def _read(found: Mapping[str, Any], value: Any) -> Any:
    if found["type"] == "categorical":
        return json.dumps(value)
    if not found["low"] <= value <= found["high"]:
        raise ValueError("%r lies outside" % value)
    return 1.0 - value if found["scaling"] == "reverse_log" else value


def _sampler(order: Mapping[str, Any]) -> Any:
    from optuna.samplers import RandomSampler, TPESampler

    if order["strategy"] != "bayesian":
        return RandomSampler(seed=order["seed"])
    startup = max(2, min(_MOST_STARTUP_TRIALS, (order["jobs"] or _MOST_TRIALS) // 4))
    return TPESampler(seed=order["seed"], n_startup_trials=startup, multivariate=True)


def _pruner(order: Mapping[str, Any]) -> Any:
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if order["strategy"] == "hyperband":
        least, most = order["rounds"]
        return HyperbandPruner(min_resource=least, max_resource=most, reduction_factor=_REDUCTION_FACTOR)
    if order["early_stopping"]:
        return MedianPruner(n_startup_trials=_LEAST_BEFORE_MEDIAN, n_warmup_steps=0)
    return NopPruner()
