"""Every DAG imports, has no cycle and no heavy import, and a wrong pipeline file harms no other pipeline."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("boto3", "botocore", "numpy", "pandas", "mxnet", "sagemaker", "moto", "sklearn")
ORDER = [
    "freeze",
    "check",
    "prepare",
    "train",
    "register",
    "evaluate",
    "decide",
    "approve",
    "release",
    "promote",
    "settle",
]
READ_DAGS = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
bag = DagBag(sys.argv[1])
found = {}
for dag in bag.dags.values():
    dag.params.validate()
    DagSerialization.to_dict(dag)
    found[dag.dag_id] = {
        "tasks": [task.task_id for task in dag.topological_sort()],
        "doc": dag.doc_md or "",
        "tags": sorted(dag.tags),
        "params": sorted(dag.params),
        "train": next((task.task_type for task in dag.tasks if task.task_id == "train"), ""),
        "forms": {task.task_id: sorted(task.params) for task in dag.tasks if task.params},
    }
print(json.dumps({"dags": found, "errors": bag.import_errors, "modules": sorted(sys.modules)}))
"""


def read_dags(pipelines: Path) -> dict:
    """Parse the DAGs in a process of their own, so that what they import can be seen."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RATCHET_PIPELINES": str(pipelines)}
    command = [sys.executable, "-c", READ_DAGS, str(ROOT / "dags")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def shipped() -> dict:
    return read_dags(ROOT / "pipelines")


def test_every_dag_imports(shipped):
    assert shipped["errors"] == {}
    assert "retrain_digits" in shipped["dags"]


def test_the_loop_is_in_the_order_of_the_design(shipped):
    assert shipped["dags"]["retrain_digits"]["tasks"] == ORDER


def test_the_form_has_its_four_fields(shipped):
    assert shipped["dags"]["retrain_digits"]["params"] == ["dataset_version", "force", "no_reuse", "reason"]


def test_no_task_keeps_a_copy_of_the_form(shipped):
    assert shipped["dags"]["retrain_digits"]["forms"] == {}


def test_every_pipeline_is_swept(shipped):
    assert shipped["dags"]["sweep_arrivals"]["tasks"] == ["sweep_digits"]


@pytest.mark.parametrize("module", HEAVY)
def test_nothing_heavy_is_imported_at_parse(shipped, module):
    assert module not in shipped["modules"]


def test_a_wrong_pipeline_file_harms_no_other_pipeline(tmp_path):
    good = (ROOT / "pipelines" / "digits.yaml").read_text("utf-8")
    tuning = "tuning: {ranges: {augment: {type: categorical, values: [none, light]}}, budget: {jobs: 2}}"
    (tmp_path / "digits.yaml").write_text(f"{good}\n{tuning}\n")
    for example in (ROOT / "examples").glob("*.yaml"):
        shutil.copy(example, tmp_path)
    (tmp_path / "cats.yaml").write_text(good.replace("name: digits", "name: cats").replace("compute:", "computer:"))
    found = read_dags(tmp_path)
    assert found["errors"] == {}
    assert found["dags"]["retrain_digits"]["tasks"] == ORDER
    assert found["dags"]["retrain_tumours"]["tasks"] == found["dags"]["retrain_languages"]["tasks"] == ORDER
    assert found["dags"]["retrain_digits"]["train"] == "TuneModelOperator"
    broken = found["dags"]["retrain_cats"]
    assert "broken" in broken["tags"]
    assert "training.computer" in broken["doc"]
    assert "did you mean 'compute'" in broken["doc"]
