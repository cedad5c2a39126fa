"""End what costs money and nobody owns any more."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from operators.base import airflow_errors

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReapJobsOperator(BaseOperator):
    """Leaves what it has ended; skipped when everything is somebody's."""

    ui_color = "#f4f1ea"

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Look at every backend once."""
        from ratchet.aws import connect
        from ratchet.aws.stack import cached_deployment
        from ratchet.clock import SystemClock
        from ratchet.loop.reap import reap
        from ratchet.settings import load_settings

        settings = load_settings()
        with airflow_errors():
            aws, deployment = connect(settings.region), cached_deployment(settings.region, settings.stack)
            ended = reap(aws, deployment, settings, clock=SystemClock())
        for each in ended:
            self.log.warning("ended %s on %s (%s): %s", each.job, each.backend, each.machine, each.reason)
        if not ended:
            raise AirflowSkipException("everything that runs is somebody's")
        return [asdict(each) for each in ended]
