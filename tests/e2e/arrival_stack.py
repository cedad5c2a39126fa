"""The stack for arrivals: localcloud, and an Airflow with two schedulers on PostgreSQL around a short loop."""

from __future__ import annotations

import json
import os
import re
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
from ratchet.laptop.home import ROOT, Ports
from ratchet.laptop.process import poll_until
from ratchet.laptop.stack import Laptop
from ratchet.loop.workshop import Workshop
from tests.e2e.conftest import restore_environment
from tests.e2e.postgres import run_postgres

# Name of each pipeline and its dataset, with how long it waits.
WAITS = {
    "twice": {"quiet_seconds": 2, "max_wait_seconds": 120},
    "many": {"quiet_seconds": 4, "max_wait_seconds": 120},
    "endless": {"quiet_seconds": 6, "max_wait_seconds": 8},
    "lost": {"quiet_seconds": 1, "max_wait_seconds": 120},
    "kills": {"quiet_seconds": 1, "max_wait_seconds": 120},
}
LIMIT_SECONDS = 240.0
TRIGGERER = "airflow-triggerer"
_STARTING = re.compile(rb"trigger ID \d+ starting")


class Arrivals:
    """What the tests of arrivals do and look at; every wait polls and has a limit."""

    def __init__(self, laptop: Laptop, session: Session) -> None:
        self.laptop = laptop
        self.session = session
        self.aws = connect(session.settings.region)
        self.deployment = self.workshop("twice").deployment
        self.s3, self.sqs = self.aws.client("s3"), self.aws.client("sqs")

    def workshop(self, pipeline: str) -> Workshop:
        return self.session.workshop(pipeline)

    def airflow(self, person: str = "admin") -> Airflow:
        return self.session.airflow(person)

    def upload(self, pipeline: str, name: str, body: bytes = b"x") -> str:
        """Put an object into a pipeline's dataset; return its key."""
        key = f"datasets/{pipeline}/{name}"
        self.s3.put_object(Bucket=self.deployment.data_bucket, Key=key, Body=body)
        return key

    def post(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.deployment.arrivals_queue_url, MessageBody=body)

    def tell(self, pipeline: str, name: str, sequencer: str) -> str:
        """The body of S3's event about an object."""
        told = {"key": f"datasets/{pipeline}/{name}", "versionId": sequencer, "sequencer": sequencer}
        return json.dumps({"Records": [{"s3": {"bucket": {"name": self.deployment.data_bucket}, "object": told}}]})

    def trainings(self, pipeline: str) -> list[tuple[str, str]]:
        """Dataset version and run of everything that was ever trained."""
        found = self.s3.list_objects_v2(Bucket=self.deployment.jobs_bucket, Prefix=f"trained/{pipeline}/")
        keys = [entry["Key"].split("/", 3) for entry in found.get("Contents", [])]
        return [(key[2], key[3]) for key in keys]

    def hold(self, pipeline: str, *, on: bool) -> None:
        """Make the pipeline's training take as long as the test likes."""
        where = {"Bucket": self.deployment.jobs_bucket, "Key": f"hold/{pipeline}"}
        self.s3.put_object(**where, Body=b"") if on else self.s3.delete_object(**where)

    def version_now(self, pipeline: str) -> str:
        """The dataset version that S3 lists now."""
        return self.workshop(pipeline).datasets.freeze(pipeline).version

    def runs(self, pipeline: str) -> list[dict[str, Any]]:
        return self.airflow().runs(f"retrain_{pipeline}", 50)

    def freeze_states(self, pipeline: str) -> dict[str, str | None]:
        """State of the freeze of each run."""
        airflow, dag = self.airflow(), f"retrain_{pipeline}"
        tasks = {run["dag_run_id"]: airflow.tasks(dag, run["dag_run_id"]) for run in self.runs(pipeline)}
        return {
            run: next(task["state"] for task in found if task["task_id"] == "freeze") for run, found in tasks.items()
        }

    def wait_for(self, what: str, condition: Callable[[], Any], limit_seconds: float = LIMIT_SECONDS) -> Any:
        for _ in poll_until(limit_seconds, 0.5):
            if found := condition():
                return found
        pytest.fail(f"{what} did not come within {limit_seconds:.0f} s; {self.explain()}")

    def wait_until_trained(self, pipeline: str, version: str) -> None:
        """Wait until a version was trained, and until nothing is left that could train it again."""
        self.wait_for(
            f"the training of {pipeline} {version[:12]}",
            lambda: version in dict(self.trainings(pipeline)) and self.ended(pipeline),
        )

    def ended(self, pipeline: str) -> bool:
        return all(run["state"] in ("success", "failed") for run in self.runs(pipeline))

    def explain(self) -> str:
        return json.dumps({name: [self.trainings(name), self.freeze_states(name)] for name in WAITS if name != "kills"})

    def sweep(self) -> str:
        """Start a sweep now."""
        return self.airflow().trigger("sweep_arrivals", {})

    def woken_by(self, pipeline: str) -> set[str]:
        """Every key that a stored event of the pipeline's asset tells of."""
        keys: set[str] = set()
        path = f"/assets/events?name_pattern=ratchet-arrival-{pipeline}&limit=100&order_by=timestamp&offset="
        for offset in range(0, 10_000, 100):
            page = self.airflow()._call("GET", f"{path}{offset}")["asset_events"]
            keys.update(key for event in page for key in event["extra"].get("payload", {}).get("keys", []))
            if len(page) < 100:
                break
        return keys

    def kill_triggerer(self) -> None:
        """SIGKILL to the triggerer and all its children, at once."""
        running = self.laptop.table.find(TRIGGERER)
        assert running is not None
        family = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=30)

    def start_triggerer(self) -> None:
        """Start it and wait until it has taken up its triggers: most kills shall strike a reader at work."""
        log = Path(self.laptop.home.folder) / "logs" / f"{TRIGGERER}.log"
        length = log.stat().st_size
        self.laptop.start_part("triggerer")
        self.wait_for("the triggerer", lambda: _STARTING.search(log.read_bytes()[length:]))


@contextmanager
def run_stack(base: Path, binaries: Path) -> Iterator[Arrivals]:
    """Bring it up, and down with everything that it started."""
    saved = dict(os.environ)
    with ExitStack() as cleanup:
        database = cleanup.enter_context(run_postgres(binaries))
        options = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__CORE__DAGS_FOLDER": str(_lay_out_dags(base)),
            "AIRFLOW__CORE__PARALLELISM": "2",
            "RATCHET_SWEEP_SECONDS": "86400",  # the tests sweep when they want to
        }
        laptop = Laptop(
            base / "home", Ports.find_free(), print, pipelines=_write_pipelines(base), airflow_options=options
        )
        cleanup.callback(restore_environment, saved)
        cleanup.callback(laptop.down)
        os.environ.update(laptop.aws_environment)
        connect.cache_clear()
        cached_deployment.cache_clear()
        laptop.up()
        laptop.start_part("scheduler", "airflow-scheduler-2")
        arrivals = Arrivals(laptop, start_session(as_json=False))
        # A killed reader's messages come again after this; 360 s on AWS, where nobody waits for it.
        arrivals.sqs.set_queue_attributes(
            QueueUrl=arrivals.deployment.arrivals_queue_url, Attributes={"VisibilityTimeout": "6"}
        )
        yield arrivals


def _lay_out_dags(base: Path) -> Path:
    folder = base / "dags"
    folder.mkdir()
    shutil.copy(ROOT / "dags" / "housekeeping.py", folder)
    shutil.copy(Path(__file__).parent / "arrival_dags" / "short_loop.py", folder)
    return folder


def _write_pipelines(base: Path) -> Path:
    folder, source = base / "pipelines", base / "source"
    folder.mkdir()
    (source / "training").mkdir(parents=True)
    (source / "training" / "train.py").write_text("# nothing is trained here\n")
    spec = yaml.safe_load((ROOT / "pipelines" / "digits.yaml").read_text("utf-8"))
    for name, waits in WAITS.items():
        mine = {**spec, "name": name, "schedule": None, "data": {"dataset": name, **waits}}
        mine["training"] = {**spec["training"], "source_folder": str(source)}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(mine))
    return folder
