"""How much each hyperparameter alone says about the objective: the share of its variance that it explains."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

from ratchet.tuning.study import Trial
from ratchet.tuning_spec import Hyperparameter

_LEAST_TRIALS = 4
_MOST_GROUPS = 4


def rate_parameters(trials: Sequence[Trial]) -> dict[str, float]:
    """Importance of each hyperparameter, from 0 to 1, the greatest first; empty while there are too few trials.

    It is omega squared of a one-way analysis of variance, over the values of a category or over groups of equally many
    neighbours of a number. What only acts together with another hyperparameter is not seen.
    See Hays, "Statistics" (1963).
    """
    counted = [trial for trial in trials if trial.counts]
    if len(counted) < _LEAST_TRIALS:
        return {}
    names = counted[0].parameters
    rated = {name: _rate([(trial.parameters[name], trial.objective or 0.0) for trial in counted]) for name in names}
    return dict(sorted(rated.items(), key=lambda pair: -pair[1]))


def _rate(pairs: Sequence[tuple[Hyperparameter, float]]) -> float:
    groups = [group for group in _groups(pairs).values() if group]
    count, kinds = len(pairs), len(groups)
    mean = fmean(objective for _, objective in pairs)
    whole = sum((objective - mean) ** 2 for _, objective in pairs)
    between = sum(len(group) * (fmean(group) - mean) ** 2 for group in groups)
    if kinds < 2 or count <= kinds or whole <= 0:
        return 0.0
    within = (whole - between) / (count - kinds)
    return min(1.0, max(0.0, (between - (kinds - 1) * within) / (whole + within)))


def _groups(pairs: Sequence[tuple[Hyperparameter, float]]) -> Mapping[object, list[float]]:
    found: dict[object, list[float]] = defaultdict(list)
    distinct = {value for value, _ in pairs}
    if len(distinct) <= _MOST_GROUPS or any(isinstance(value, str | bool) for value in distinct):
        for value, objective in pairs:
            found[str(value)].append(objective)
        return found
    size = min(_MOST_GROUPS, max(2, len(pairs) // 3))
    ordered = sorted(pairs, key=lambda pair: float(pair[0]))
    for place, (_, objective) in enumerate(ordered):
        found[place * size // len(ordered)].append(objective)
    return found
