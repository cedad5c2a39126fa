"""One stack for the end-to-end story: localcloud and Airflow on free ports, ended with everything they started."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from ratchet.aws.client import connect
from ratchet.aws.stack import cached_deployment
from ratchet.cli.airflow import Airflow
from ratchet.cli.data import upload
from ratchet.cli.gate import waiting_digest
from ratchet.cli.session import Session, start_session
from ratchet.laptop.digits import write_digits
from ratchet.laptop.fault import Faults
from ratchet.laptop.home import ROOT, Ports, use_environment
from ratchet.laptop.process import poll_until
from ratchet.laptop.stack import Laptop
from ratchet.loop.workshop import Workshop

PIPELINE = "digits"
DAG = f"retrain_{PIPELINE}"
LIMIT_SECONDS = 240.0


@dataclass
class Loop:
    """What the story's tests do and look at; every wait polls and has a limit."""

    laptop: Laptop
    session: Session
    scans: Path
    seen: set[str] = field(default_factory=set)
    revisions: dict[str, int] = field(default_factory=dict)

    @property
    def workshop(self) -> Workshop:
        return self.session.workshop(PIPELINE)

    def airflow(self, person: str = "admin") -> Airflow:
        return self.session.airflow(person)

    @property
    def faults(self) -> Faults:
        settings = self.session.settings
        return Faults(self.laptop.aws_environment["AWS_ENDPOINT_URL"], settings.region)

    def push(self, last: int, *, shuffled: bool = False) -> None:
        """Upload the first `last` scans, each under its label or, shuffled, under a wrong one."""
        write_digits(self.scans, 0, last)
        folder = self.scans
        if shuffled:
            folder = self.scans.parent / "shuffled"
            files = sorted(self.scans.glob("*/*.png"))
            contents = [file.read_bytes() for file in files]
            random.Random(5).shuffle(contents)
            for file, content in zip(files, contents, strict=True):
                target = folder / file.relative_to(self.scans)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        upload(self.session, PIPELINE, folder)

    def wait_for(self, what: str, condition: Callable[[], Any], limit_seconds: float = LIMIT_SECONDS) -> Any:
        """Poll until the condition gives something; fail saying what did not come."""
        for _ in poll_until(limit_seconds, 1.0):
            if found := condition():
                return found
        pytest.fail(f"{what} did not come within {limit_seconds:.0f} s; runs: {self.states()}")

    def states(self) -> dict[str, Any]:
        airflow = self.airflow()
        return {
            run["dag_run_id"]: {task["task_id"]: task["state"] for task in airflow.tasks(DAG, run["dag_run_id"])}
            for run in airflow.runs(DAG, 3)
        }

    def task(self, run: str, name: str) -> dict[str, Any]:
        return next(task for task in self.airflow().tasks(DAG, run) if task["task_id"] == name)

    def working_run(self) -> str:
        """Wait for the run that has work to do: one that found nothing new is passed over."""

        def look() -> str | None:
            for run in self.airflow().runs(DAG, 20):
                run_id = run["dag_run_id"]
                if run_id in self.seen:
                    continue
                state = self.task(run_id, "freeze")["state"]
                if state == "success":
                    self.seen.add(run_id)
                    return run_id
                if state in ("skipped", "failed"):
                    self.seen.add(run_id)
            return None

        return str(self.wait_for("a run with work to do", look))

    def idle(self) -> None:
        """Wait until no run is under way: a late arrival would take up what the test changes."""
        ended = ("success", "failed")
        self.wait_for("every run's end", lambda: all(run["state"] in ended for run in self.airflow().runs(DAG, 50)))

    def start(self, **conf: Any) -> str:
        """Start a run by hand."""
        run = self.airflow().trigger(DAG, {"dataset_version": "", "force": False, "reason": "", **conf})
        self.seen.add(run)
        return run

    def gate(self, run: str) -> dict[str, Any]:
        """Wait until the run's approval waits."""

        def look() -> Any:
            states = {task["task_id"]: task["state"] for task in self.airflow().tasks(DAG, run)}
            assert "failed" not in states.values(), self.explain(run)
            return self.airflow().waiting(DAG, run)

        return self.wait_for(f"the gate of {run}", look)[0]

    def explain(self, run: str) -> str:
        """The last lines of the log of each failed task."""
        airflow = self.airflow()
        failed = [task for task in airflow.tasks(DAG, run) if task["state"] in ("failed", "up_for_retry")]
        logs = {
            task["task_id"]: airflow.task_log(DAG, run, task["task_id"], task["try_number"])[-25:] for task in failed
        }
        return "\n".join(f"{name}: {line}" for name, lines in logs.items() for line in lines)

    def answer(self, gate: dict[str, Any], *, approve: bool, person: str = "alice") -> None:
        """Answer until the gate has taken it: Airflow asks again when an answer overtakes its scheduler."""
        run, digest = gate["task_instance"]["dag_run_id"], waiting_digest(gate)

        def taken() -> bool:
            if self.task(run, "approve")["state"] in ("success", "skipped", "failed"):
                return True
            for waiting in self.airflow().waiting(DAG, run):
                self.airflow(person).answer(waiting, approve=approve, digest=digest, comment="said the test")
            return False

        self.wait_for("the gate to take the answer", taken, 60.0)

    def end(self, run: str) -> str:
        """Wait until the run has ended; return its state."""

        def look() -> str | None:
            found = next(entry for entry in self.airflow().runs(DAG, 50) if entry["dag_run_id"] == run)
            return found["state"] if found["state"] in ("success", "failed") else None

        return str(self.wait_for(f"the end of {run}", look))

    def jobs(self, step: str) -> list[str]:
        """Names of all jobs of a step that were ever created."""
        client = connect(self.session.settings.region).client("sagemaker")
        found = client.list_training_jobs(NameContains=f"{PIPELINE}-{step}-", MaxResults=100)
        return [job["TrainingJobName"] for job in found["TrainingJobSummaries"]]


@pytest.fixture(scope="session")
def loop(tmp_path_factory) -> Iterator[Loop]:
    """The stack, brought up as `ratchet up` does it."""
    base = tmp_path_factory.mktemp("stack")
    pipelines = base / "pipelines"
    pipelines.mkdir()
    (pipelines / "digits.yaml").write_text(yaml.safe_dump(quick_pipeline()))
    laptop = Laptop(base / "home", Ports.find_free(), print, pipelines=pipelines)
    saved = dict(os.environ)
    with ExitStack() as cleanup:
        cleanup.callback(restore_environment, saved)
        cleanup.callback(laptop.down)
        use_environment(laptop.aws_environment)
        connect.cache_clear()
        cached_deployment.cache_clear()
        laptop.up()
        yield Loop(laptop, start_session(as_json=False), base / "scans")


def restore_environment(saved: Mapping[str, str]) -> None:
    """Leave nothing of the stack to the tests that come after: it is gone by then."""
    os.environ.clear()
    os.environ.update(saved)
    connect.cache_clear()
    cached_deployment.cache_clear()


def quick_pipeline() -> dict[str, Any]:
    """The pipeline that ships, with fewer epochs and a shorter patience for sick services."""
    spec = yaml.safe_load((ROOT / "pipelines" / "digits.yaml").read_text("utf-8"))
    spec["training"]["hyperparameters"] |= {"epochs": 6, "threads": 1}
    spec["training"]["source_folder"] = str(ROOT)
    spec["release"]["health_timeout_seconds"] = 60
    return spec
