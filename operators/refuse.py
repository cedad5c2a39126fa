"""Stands for a pipeline whose file is wrong, and says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context


class RefusePipelineOperator(BaseOperator):
    """Fails with the mistakes of the file; they also stand on the DAG's own page."""

    ui_color = "#f2c6c0"

    def __init__(self, *, message: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.message = message

    def execute(self, context: Context) -> None:
        """Say what is wrong."""
        raise AirflowFailException(self.message)
