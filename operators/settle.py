"""Close the books of a run, so that the next one may take up what this one did not finish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operators.base import RatchetOperator, airflow_errors, close_claim

if TYPE_CHECKING:
    from airflow.sdk import Context


class SettleClaimOperator(RatchetOperator):
    """A teardown: runs however the run ended. A claim that has no result by then ends as failed; a result stays."""

    def execute(self, context: Context) -> None:
        """Close the claim; a run that never got one has nothing to close."""
        if context["ti"].xcom_pull(task_ids="freeze") is None:
            self.log.info("this run holds no claim")
            return
        with airflow_errors():
            close_claim(self.workshop(), context, "failed")
