"""When a task is tried again: at once for what passes, later and later for a machine that nobody has."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import RetryPolicy
from airflow.sdk.definitions.retry_policy import RetryDecision
from airflow.sdk.exceptions import AirflowException

if TYPE_CHECKING:
    from airflow.sdk import Context

_DOUBLINGS = 5


class NoCapacityException(AirflowException):
    """AWS has no machine, or no quota, for a job now."""


class CapacityRetryPolicy(RetryPolicy):
    """Waits before a machine is asked for again; every other failure is Airflow's own business.

    An algorithm's error never comes here: it ends the task by `AirflowFailException`.

    Parameters
    ----------
    wait_seconds
        Before the second try; doubled for each one after it, five times at most.
    """

    def __init__(self, wait_seconds: float) -> None:
        self.wait_seconds = wait_seconds

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Say when to try again."""
        if not isinstance(exception, NoCapacityException):
            return RetryDecision.default()
        delay = timedelta(seconds=self.wait_seconds * 2 ** min(max(try_number - 1, 0), _DOUBLINGS))
        return RetryDecision.retry(delay, "AWS has no machine now")
