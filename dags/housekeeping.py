"""What must happen whether or not anybody thinks of it: lost arrivals are found, abandoned machines ended."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from operators.arrival import arrival_asset
from operators.reap import ReapJobsOperator
from operators.sweep import SweepDatasetOperator
from ratchet.settings import load_settings
from ratchet.spec import Pipeline, read_folder

SETTINGS = load_settings()

with DAG(
    "sweep_arrivals",
    schedule=timedelta(seconds=SETTINGS.sweep_seconds),
    catchup=False,
    max_active_runs=1,
    description="Wakes every pipeline whose dataset holds what no run of it has seen.",
    tags=["ratchet", "housekeeping"],
    default_args={"owner": "ratchet", "retries": 2, "retry_delay": 5.0},
):
    for _, found in read_folder(SETTINGS.pipelines_folder):
        if isinstance(found, Pipeline):
            SweepDatasetOperator(
                task_id=f"sweep_{found.name}",
                pipeline=found.name,
                outlets=[arrival_asset(found.name, SETTINGS.stack)],
            )

with DAG(
    "reap_jobs",
    schedule=timedelta(seconds=SETTINGS.sweep_seconds),
    catchup=False,
    max_active_runs=1,
    description="Ends jobs, instances and tasks that cost money and that no run holds.",
    tags=["ratchet", "housekeeping"],
    default_args={"owner": "ratchet", "retries": 2, "retry_delay": 5.0},
):
    ReapJobsOperator(task_id="reap")
