"""Find the data whose event was lost: compare what S3 lists with what the pipeline has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowSkipException

from operators.base import RatchetOperator, airflow_errors

if TYPE_CHECKING:
    from airflow.sdk import Context


class SweepDatasetOperator(RatchetOperator):
    """Succeeds when the pipeline must be woken, which its outlet, the pipeline's asset, then does; else skipped."""

    def execute(self, context: Context) -> str:
        """Look once; leave the reason."""
        from ratchet.loop.sweep import sweep

        with airflow_errors():
            overdue = sweep(self.workshop())
        context["ti"].xcom_push(key="reason", value=overdue.reason)
        if not overdue.due:
            raise AirflowSkipException(f"nothing to do: {overdue.reason}")
        self.log.warning("waking the pipeline %s: %s", self.pipeline, overdue.reason)
        return overdue.reason
