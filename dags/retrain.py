"""One DAG for each pipeline file: data arrives, a model is retrained, judged, approved by a person, and goes live."""

from __future__ import annotations

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable, Param, chain

from operators.approve import ApproveModelOperator
from operators.arrival import ArrivalTrigger
from operators.check import CheckDatasetOperator
from operators.decide import JudgeModelOperator
from operators.freeze import FreezeDatasetOperator
from operators.job import RunJobOperator
from operators.promote import PromoteModelOperator
from operators.refuse import RefusePipelineOperator
from operators.register import RegisterModelOperator
from operators.release import ReleaseModelOperator
from operators.settle import SettleClaimOperator
from ratchet.errors import SpecError
from ratchet.settings import load_settings
from ratchet.spec import Pipeline, load_pipeline

SETTINGS = load_settings()
FORM = {
    "dataset_version": Param("", type="string", title="Dataset version", description="Empty: what S3 holds now."),
    "force": Param(
        False, type="boolean", title="Train again", description="Also when this version is trained already."
    ),
    "reason": Param("", type="string", title="Reason", description="Kept with the run."),
}


def build_dag(pipeline: Pipeline) -> DAG:
    """The loop of one pipeline."""
    name = pipeline.name
    arrival = Asset(
        f"ratchet-arrival-{name}",
        watchers=[AssetWatcher(name=f"arrival-{name}", trigger=ArrivalTrigger(pipeline.data.dataset, SETTINGS.stack))],
    )
    with DAG(
        f"retrain_{name}",
        schedule=AssetOrTimeSchedule(
            assets=[arrival], timetable=CronTriggerTimetable(pipeline.schedule, timezone="UTC")
        )
        if pipeline.schedule
        else [arrival],
        catchup=False,
        max_active_runs=1,
        description=pipeline.description,
        tags=["ratchet", name],
        default_args={"owner": pipeline.owner, "retries": 5, "retry_delay": 5.0, "pipeline": name},
    ) as dag:
        chain(
            FreezeDatasetOperator(task_id="freeze"),
            CheckDatasetOperator(task_id="check"),
            RunJobOperator(task_id="prepare", step="prepare"),
            RunJobOperator(task_id="train", step="train"),
            RegisterModelOperator(task_id="register"),
            RunJobOperator(task_id="evaluate", step="evaluate"),
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


for path in sorted(SETTINGS.pipelines_folder.glob("*.yaml")):
    try:
        found = load_pipeline(path)
    except SpecError as error:
        # One wrong file must not take the other pipelines with it.
        with DAG(
            f"retrain_{path.stem}", schedule=None, tags=["ratchet", "broken"], doc_md=f"```\n{error}\n```"
        ) as broken:
            RefusePipelineOperator(task_id="read_pipeline", message=str(error))
        globals()[broken.dag_id] = broken
    else:
        dag = build_dag(found)
        globals()[dag.dag_id] = dag
