"""What a task says about its job: where it runs and why there, and whose it was before."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from operators.job import RunJobOperator
from ratchet.compute.order import JobState, JobStatus
from ratchet.compute.placement import Offer, Placement
from ratchet.loop.place import Placed
from ratchet.settings import Settings


@dataclass
class Notes:
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key, value):
        self.pushed[key] = value


def tell(run_id, because=""):
    placement = Placement(Offer("sagemaker", "ml.m5.large"), 0, "digits-train-1-e0", "r1", because)
    placed = Placed(JobStatus("digits-train-1-e0", JobState.RUNNING, "Training"), placement, order=None, more_offers=0)
    shop = SimpleNamespace(
        settings=Settings(airflow_url="http://airflow"),
        backend_of=lambda compute: SimpleNamespace(describe_link=lambda job: f"http://{compute}/{job}"),
        curve_page=lambda job: f"http://curves/{job}",
    )
    notes = Notes()
    task = RunJobOperator(task_id="train", step="train", pipeline="digits")
    task._tell({"ti": notes, "run_id": run_id, "dag": SimpleNamespace(dag_id="retrain_digits")}, shop, placed)
    return notes.pushed


def test_a_job_of_the_run_s_own_leads_to_its_page_and_its_curve():
    assert tell("r1") == {
        "job": "digits-train-1-e0",
        "job_link": "http://sagemaker/digits-train-1-e0",
        "curve_link": "http://curves/digits-train-1-e0",
    }


def test_a_job_of_an_earlier_run_leads_to_that_run_too():
    left = tell("r2")
    assert left["reused_from"] == "r1"
    assert left["reused_link"] == "http://airflow/dags/retrain_digits/runs/r1"


def test_a_machine_that_is_not_the_first_one_comes_with_its_reason():
    assert tell("r1", "ml.p3.2xlarge of sagemaker: none")["placement"] == "ml.p3.2xlarge of sagemaker: none"
