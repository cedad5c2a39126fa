"""From a budget in trials, hours and money to the limits that keep it."""

from __future__ import annotations

from dataclasses import dataclass

from ratchet.errors import SpecError
from ratchet.tuning_spec import Budget

_HOUR_SECONDS = 3600.0
LEAST_SECONDS = 120  # SageMaker's own least for a tuning job
_MOST_SECONDS = 15_768_000  # and its most


@dataclass(frozen=True)
class Limits:
    """What ends a study.

    Attributes
    ----------
    jobs
        Trials at most; None when only time ends it.
    seconds
        On the clock, from the study's start; None when only the number of trials ends it.
    """

    jobs: int | None
    seconds: int | None


def set_limits(budget: Budget, *, usd_per_hour: float | None, at_once: int) -> Limits:
    """The limits of a study.

    Money becomes time: as many machines as may run at once, busy for the whole of it, cost no more than the budget.
    The number of trials need not be cut for it, so cheap trials may be many.

    Parameters
    ----------
    budget
        As it stands in the pipeline's file.
    usd_per_hour
        What the machines of one trial cost; None when nobody knows.
    at_once
        How many trials may be paid for at the same time.

    Raises
    ------
    SpecError
        When a budget in money cannot be kept for want of a price, or buys too little time.
    """
    seconds = [budget.hours * _HOUR_SECONDS] if budget.hours is not None else []
    if budget.usd is not None:
        if not usd_per_hour:
            raise SpecError(
                "tuning.budget.usd cannot be kept: there is no price of the machine in ratchet/compute/prices.json. "
                "Add it, or give the budget in hours"
            )
        seconds.append(budget.usd / (usd_per_hour * at_once) * _HOUR_SECONDS)
    if not seconds:
        return Limits(budget.jobs, None)
    least = min(seconds)
    if least < LEAST_SECONDS:
        raise SpecError(
            f"tuning.budget allows {least:.0f} s, and a study takes {LEAST_SECONDS} s or more: raise `hours` or `usd`, "
            "lower `parallel`, or choose a cheaper training.instance_type"
        )
    return Limits(budget.jobs, min(int(least), _MOST_SECONDS))
