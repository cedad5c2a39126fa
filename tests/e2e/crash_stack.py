"""The stack for crashes: localcloud, and an Airflow on PostgreSQL whose parts are killed and started again."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from ratchet.aws.client import connect
from ratchet.aws.stack import cached_deployment
from ratchet.cli.airflow import Airflow
from ratchet.cli.session import Session, start_session
from ratchet.laptop.home import ROOT, Ports, use_environment
from ratchet.laptop.process import poll_until
from ratchet.laptop.stack import Laptop
from tests.e2e.conftest import restore_environment
from tests.e2e.postgres import run_postgres

LIMIT_SECONDS = 240.0
_OPTIONS = {
    "AIRFLOW__CORE__PARALLELISM": "2",
    # What has died is missed soon: a test waits for it, again and again.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
}
_SCRIPT = """
import os, pathlib, sys, time
hold = pathlib.Path(sys.argv[sys.argv.index("--hold") + 1])
epoch = 0
while hold.exists():
    epoch += 1
    print("[ratchet:metric] epoch=%d; train_loss=0.5; validation_accuracy=0.5;" % epoch, flush=True)
    time.sleep(1)
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("trained")
"""


class Crashes:
    """What the tests of crashes do and look at; every wait polls and has a limit."""

    def __init__(self, laptop: Laptop, session: Session, hold: Path) -> None:
        self.laptop = laptop
        self.hold = hold
        self.airflow: Airflow = session.airflow("admin")
        self.workshop = session.workshop("crash")
        self.sagemaker = connect(session.settings.region).client("sagemaker")

    def start(self, dag: str) -> str:
        """Start a run whose training goes on until `hold` is gone."""
        self.hold.touch()
        return self.airflow.trigger(dag, {"dataset_version": "", "force": True, "reason": "crash"})

    def jobs(self, **only: Any) -> list[str]:
        """Names of all training jobs that were ever created."""
        found = self.sagemaker.get_paginator("list_training_jobs").paginate(**only)
        return [job["TrainingJobName"] for page in found for job in page["TrainingJobSummaries"]]

    def task(self, dag: str, run: str, name: str) -> dict[str, Any]:
        return next((task for task in self.airflow.tasks(dag, run) if task["task_id"] == name), {"state": None})

    def told(self, dag: str, run: str, what: str) -> list[str]:
        """Lines of the training task's log that hold something."""
        tried = max(1, self.task(dag, run, "train")["try_number"])
        return [line for line in self.airflow.task_log(dag, run, "train", tried) if what in line]

    def state(self, dag: str, run: str) -> str:
        return str(next(entry for entry in self.airflow.runs(dag, 50) if entry["dag_run_id"] == run)["state"])

    def wait_for(self, what: str, condition: Callable[[], Any], limit_seconds: float = LIMIT_SECONDS) -> Any:
        for _ in poll_until(limit_seconds, 0.5):
            if found := condition():
                return found
        pytest.fail(f"{what} did not come within {limit_seconds:.0f} s")

    def wait_for_end(self, dag: str, run: str) -> str:
        """How a run has ended."""
        self.wait_for(f"the end of {run}", lambda: self.state(dag, run) in ("success", "failed"))
        return self.state(dag, run)

    def kill(self, victim: str, chance: random.Random) -> None:
        """SIGKILL to the scheduler and its workers, to one of its workers or to the triggerer; start it again."""
        part = "triggerer" if victim == "triggerer" else "scheduler"
        running = self.laptop.table.find(f"airflow-{part}")
        assert running is not None
        leader = psutil.Process(running.pid)
        family = leader.children(recursive=True)
        doomed = chance.sample(family, min(1, len(family))) if victim == "worker" else [leader, *family]
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(doomed, timeout=30)
        if victim != "worker":
            self.laptop.start_part(part)


@contextmanager
def run_stack(base: Path, binaries: Path) -> Iterator[Crashes]:
    """Bring it up, and down with everything that it started."""
    saved = dict(os.environ)
    hold = base / "hold"
    with ExitStack() as cleanup:
        dags = base / "dags"
        shutil.copytree(Path(__file__).parent / "crash_dags", dags)
        options = {
            **_OPTIONS,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": cleanup.enter_context(run_postgres(binaries)),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        }
        pipelines = _write_pipeline(base, hold)
        laptop = Laptop(base / "home", Ports.find_free(), print, pipelines=pipelines, airflow_options=options)
        cleanup.callback(restore_environment, saved)
        cleanup.callback(laptop.down)
        use_environment(laptop.aws_environment)
        connect.cache_clear()
        cached_deployment.cache_clear()
        laptop.up()
        crashes = Crashes(laptop, start_session(as_json=False), hold)
        s3, deployment = connect("us-east-1").client("s3"), crashes.workshop.deployment
        s3.put_object(Bucket=deployment.data_bucket, Key="datasets/crash/0/a.png", Body=b"x")
        s3.put_object(Bucket=deployment.jobs_bucket, Key="jobs/crash-prepare/output/model.tar.gz", Body=b"x")
        yield crashes


def _write_pipeline(base: Path, hold: Path) -> Path:
    folder, source = base / "pipelines", base / "source"
    folder.mkdir()
    (source / "training").mkdir(parents=True)
    (source / "training" / "train.py").write_text(_SCRIPT)
    spec = yaml.safe_load((ROOT / "pipelines" / "digits.yaml").read_text("utf-8"))
    spec |= {"name": "crash", "schedule": None}
    spec["data"] = {"dataset": "crash", "quiet_seconds": 1, "max_wait_seconds": 60}
    spec["training"] |= {"source_folder": str(source), "hyperparameters": {"hold": str(hold), "epochs": 10_000}}
    (folder / "crash.yaml").write_text(yaml.safe_dump(spec))
    return folder
