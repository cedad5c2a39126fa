"""The loop's middle alone: the real freeze, claim, job and books, around a script that trains until it is let go."""

from __future__ import annotations

from airflow.sdk import DAG, chain

from operators.base import RatchetOperator, airflow_errors, close_claim
from operators.form import FORM
from operators.freeze import FreezeDatasetOperator
from operators.job import RunJobOperator
from operators.settle import SettleClaimOperator


class PretendPreparationOperator(RatchetOperator):
    """Leaves the name of the preparation that the test has put there."""

    def execute(self, context):
        return {"job": "crash-prepare"}


class CloseOperator(RatchetOperator):
    """The work has a result."""

    def execute(self, context):
        with airflow_errors():
            close_claim(self.workshop(), context, "promoted")


for name, deferrable in (("crash", True), ("crash_in_worker", False)):
    with DAG(
        name,
        schedule=None,
        catchup=False,
        max_active_runs=1,
        default_args={"owner": "test", "retries": 50, "retry_delay": 1.0, "pipeline": "crash"},
    ) as dag:
        chain(
            FreezeDatasetOperator(task_id="freeze"),
            PretendPreparationOperator(task_id="prepare"),
            RunJobOperator(task_id="train", step="train", deferrable=deferrable),
            CloseOperator(task_id="close"),
            SettleClaimOperator(task_id="settle").as_teardown(),
        )
    dag.params.update(FORM)
    globals()[name] = dag
