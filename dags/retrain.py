"""One DAG for each pipeline file: data arrives, a model is retrained, judged, approved by a person, and goes live."""

from __future__ import annotations

from airflow.sdk import DAG, chain

from operators.approve import ApproveModelOperator
from operators.arrival import arrival_schedule
from operators.check import CheckDatasetOperator
from operators.decide import JudgeModelOperator
from operators.form import FORM
from operators.freeze import FreezeDatasetOperator
from operators.job import RunJobOperator
from operators.promote import PromoteModelOperator
from operators.refuse import RefusePipelineOperator
from operators.register import RegisterModelOperator
from operators.release import ReleaseModelOperator
from operators.retry import CapacityRetryPolicy
from operators.settle import SettleClaimOperator
from operators.tune import TuneModelOperator
from ratchet.errors import SpecError
from ratchet.settings import load_settings
from ratchet.spec import Pipeline, read_folder

SETTINGS = load_settings()


def build_dag(pipeline: Pipeline) -> DAG:
    """The loop of one pipeline."""
    name = pipeline.name
    machines = CapacityRetryPolicy(pipeline.training.capacity_wait_seconds)
    with DAG(
        f"retrain_{name}",
        schedule=arrival_schedule(pipeline, SETTINGS.stack),
        catchup=False,
        max_active_runs=1,
        description=pipeline.description,
        tags=["ratchet", name],
        default_args={"owner": pipeline.owner, "retries": 5, "retry_delay": 5.0, "pipeline": name},
    ) as dag:
        chain(
            FreezeDatasetOperator(task_id="freeze"),
            CheckDatasetOperator(task_id="check"),
            RunJobOperator(task_id="prepare", step="prepare", retry_policy=machines),
            TuneModelOperator(task_id="train", retry_policy=machines)
            if pipeline.tuning
            else RunJobOperator(task_id="train", step="train", retry_policy=machines),
            RegisterModelOperator(task_id="register"),
            RunJobOperator(task_id="evaluate", step="evaluate", retry_policy=machines),
            JudgeModelOperator(task_id="decide"),
            ApproveModelOperator(
                task_id="approve",
                approvers=pipeline.approval.approvers,
                timeout_hours=pipeline.approval.timeout_hours,
            ),
            ReleaseModelOperator(task_id="release"),
            PromoteModelOperator(task_id="promote"),
            # A teardown: it runs however the run ended, and says nothing about how that was.
            SettleClaimOperator(task_id="settle").as_teardown(),
        )
    # Now and not above: else every task keeps a copy, and all of them are validated at every parse.
    dag.params.update(FORM)
    return dag


for path, found in read_folder(SETTINGS.pipelines_folder):
    if isinstance(found, SpecError):
        # One wrong file must not take the other pipelines with it.
        with DAG(
            f"retrain_{path.stem}", schedule=None, tags=["ratchet", "broken"], doc_md=f"```\n{found}\n```"
        ) as broken:
            RefusePipelineOperator(task_id="read_pipeline", message=str(found))
        globals()[broken.dag_id] = broken
    else:
        dag = build_dag(found)
        globals()[dag.dag_id] = dag
