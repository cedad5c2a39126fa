"""The loop without its middle: the real schedule, freeze, claim and books, around a training that only counts."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, chain

from operators.arrival import arrival_schedule
from operators.base import RatchetOperator, airflow_errors, close_claim, hold_claim, pull
from operators.form import FORM
from operators.freeze import FreezeDatasetOperator
from operators.settle import SettleClaimOperator
from ratchet.settings import load_settings
from ratchet.spec import load_pipelines

SETTINGS = load_settings()


class CountTrainingOperator(RatchetOperator):
    """Leaves one object for each training, and takes as long as the test holds it."""

    def execute(self, context):
        import time

        ticket = pull(context, "freeze")
        with airflow_errors():
            workshop = self.workshop()
            hold_claim(workshop, context, 0.0)
            s3, bucket = workshop.aws.client("s3"), workshop.deployment.jobs_bucket
            key = f"trained/{self.pipeline}/{ticket['dataset_version']}/{context['run_id']}"
            s3.put_object(Bucket=bucket, Key=key, Body=b"")
            deadline = time.monotonic() + 120
            while s3.list_objects_v2(Bucket=bucket, Prefix=f"hold/{self.pipeline}").get("Contents"):
                if time.monotonic() > deadline:
                    raise TimeoutError("the test never let go")
                time.sleep(0.3)
            close_claim(workshop, context, "promoted")


for pipeline in load_pipelines(SETTINGS.pipelines_folder):
    with DAG(
        f"retrain_{pipeline.name}",
        schedule=arrival_schedule(pipeline, SETTINGS.stack),
        catchup=False,
        max_active_runs=1,
        default_args={"owner": "test", "retries": 3, "retry_delay": 1.0, "pipeline": pipeline.name},
    ) as dag:
        if pipeline.name == "kills":
            EmptyOperator(task_id="nothing")  # what is counted there is asset events
        else:
            chain(
                FreezeDatasetOperator(task_id="freeze"),
                CountTrainingOperator(task_id="train"),
                SettleClaimOperator(task_id="settle").as_teardown(),
            )
    dag.params.update(FORM)
    globals()[dag.dag_id] = dag
