"""Freeze the dataset into a version, once its prefix is still, and claim the work on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowSkipException

from operators.base import airflow_errors
from operators.poll import WaitingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ratchet.loop.request import Request


class FreezeDatasetOperator(WaitingOperator):
    """Wait for stillness, freeze, claim; a version that is trained already ends the run as skipped, with the reason."""

    watch_kind = "quiet"

    def execute(self, context: Context) -> Any:
        """Check what was asked for, then wait for the quiet period unless a person named a version that exists."""
        with airflow_errors():
            if self._request(context).dataset_version:
                return self._freeze(context)
            workshop = self.workshop()
            data = workshop.pipeline.data
            # By S3's clock, like everything that the wait compares: a worker's own may be wrong.
            payload = {"since_epoch_seconds": workshop.datasets.ask_time(data.dataset).timestamp()}
            return self.wait(
                context,
                payload,
                limit_seconds=data.max_wait_seconds,
                # Each look lists the whole prefix: no more often than it could tell anything.
                least_poll_seconds=data.quiet_seconds / 2,
            )

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Freeze what is there now."""
        if "error" in event:
            raise AirflowException(f"waiting for the dataset to be still: {event['error']} [{event['actor']} acts]")
        self.log.info("%s", event["reason"])
        with airflow_errors():
            return self._freeze(context, event.get("fingerprint", ""))

    def _freeze(self, context: Context, fingerprint: str = "") -> dict[str, Any]:
        from ratchet.loop.step import freeze

        ticket = freeze(self.workshop(), self._request(context), fingerprint)
        context["ti"].xcom_push(key="reason", value=ticket.reason)
        if not ticket.granted:
            raise AirflowSkipException(f"nothing to do: {ticket.reason}")
        self.log.info("dataset version %s: %s", ticket.dataset_version, ticket.reason)
        return vars(ticket)

    @staticmethod
    def _request(context: Context) -> Request:
        from ratchet.loop.request import read_request

        run: Any = context["dag_run"]
        # What was sent may hold more than the form knows: a misspelt parameter must not be passed over.
        asked = {**context["params"], **(run.conf or {})}
        return read_request(asked, run_id=str(context["run_id"]), who=str(run.triggering_user_name or ""))
