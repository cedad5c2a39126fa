"""Close the books of a run that failed, so that the next one may take the work up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import TriggerRule

from operators.base import RatchetOperator, airflow_errors, close_claim

if TYPE_CHECKING:
    from typing import Any

    from airflow.sdk import Context


class SettleClaimOperator(RatchetOperator):
    """Runs when any task before it failed: the claim on the dataset version ends with the run."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trigger_rule=TriggerRule.ONE_FAILED, **kwargs)

    def execute(self, context: Context) -> None:
        """Finish the claim as failed; a run that never got one has nothing to close."""
        if context["ti"].xcom_pull(task_ids="freeze") is None:
            self.log.info("this run holds no claim")
            return
        with airflow_errors():
            close_claim(self.workshop(), context, "failed")
