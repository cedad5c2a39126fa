"""`ratchet demo`: data lands, a model is trained, approved and live; then more data, and a better model replaces it."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from typing import Any

import typer

from ratchet.cli.airflow import Airflow
from ratchet.cli.data import upload
from ratchet.cli.follow import Follower
from ratchet.cli.gate import waiting_digest
from ratchet.cli.key import read_key
from ratchet.cli.model import describe_models
from ratchet.cli.predict import TARGETS, ask_all
from ratchet.cli.run import dag_of
from ratchet.cli.session import (
    EXIT_NEGATIVE,
    AsJson,
    Session,
    exit_codes,
    interactive,
    start_session,
)
from ratchet.cli.stack import AirflowPort, LocalcloudPort, ServicePort, choose_ports
from ratchet.cli.status import describe_pipeline
from ratchet.errors import ApprovalError
from ratchet.laptop.digits import COUNT, write_digits
from ratchet.laptop.home import Ports, use_environment
from ratchet.laptop.stack import Laptop
from ratchet.naming import short
from ratchet.rollout.question import about_image

PIPELINE = "digits"
APPROVER = "alice"
FIRST_COUNT = 300
SAMPLE = "*/digit-0007.png"
_ARRIVAL_LIMIT_SECONDS = 120.0
_RUN_LIMIT_SECONDS = 900.0
_PORTS = Ports()


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(demo)


def demo(
    *,
    localcloud_port: LocalcloudPort = _PORTS.localcloud,
    airflow_port: AirflowPort = _PORTS.airflow,
    service_port: ServicePort = _PORTS.service,
    as_json: AsJson = False,
) -> None:
    """Show the whole loop on this machine, twice, with real scans of handwritten digits.

    On a terminal you approve: in Airflow's page or with y. Elsewhere alice answers over Airflow's REST API.

    Example: ratchet demo
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        laptop = Laptop(
            session.settings.home, choose_ports(localcloud_port, airflow_port, service_port), session.output.say
        )
        if laptop.down():
            session.output.say("stopped the stack that ran here: the demo starts from an empty one")
        shutil.rmtree(laptop.home.folder, ignore_errors=True)
        use_environment(laptop.aws_environment)
        places = laptop.up()
        show = Show(start_session(as_json=as_json), laptop)
        complete = show.perform()
        show.summarise(complete)
        session.output.table("Where things are", ("what", "where", ""), [(p.name, p.url, p.note) for p in places])
        session.output.say(f"{APPROVER}'s password is in {laptop.home.passwords_file}. Stop everything with: make down")
        if not complete:
            raise typer.Exit(EXIT_NEGATIVE)


@dataclass
class Show:
    """The two rounds of the demo."""

    session: Session
    laptop: Laptop
    started: float = field(default_factory=time.monotonic)
    predictions: list[dict[str, Any]] = field(default_factory=list)
    _sighted: set[str] = field(default_factory=set)
    _answered: set[str] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.workshop = self.session.workshop(PIPELINE)
        self.approver: Airflow = self.session.airflow(APPROVER)
        self.follower = Follower(
            airflow=self.session.airflow(),
            workshop=self.workshop,
            output=self.session.output,
            dag=dag_of(PIPELINE),
            on_gate=self._answer,
        )

    def perform(self) -> bool:
        """Play both rounds; return whether all that the demo promises is true."""
        folder = self.laptop.home.folder / "demo"
        for number, last in enumerate((FIRST_COUNT, COUNT), start=1):
            arrived = write_digits(folder, 0, last)
            self.follower.tell(f"round {number}: uploading {arrived} scans")
            upload(self.session, PIPELINE, folder)
            if not self._play(number):
                return False
        return self._holds()

    def summarise(self, complete: bool) -> None:
        """Show the table at the end."""
        about = describe_pipeline(self.session, PIPELINE)
        versions = describe_models(self.workshop)
        rows = [self._row(version, about) for version in versions]
        columns = ("version", "dataset", "accuracy", "on the newest split", "approved by", "live on")
        self.session.output.table("Models", columns, rows)
        seconds = time.monotonic() - self.started
        self.session.output.say(f"{'all of it held' if complete else 'NOT all of it held'}, {seconds:.0f} s")
        self.session.output.result(
            {
                "complete": complete,
                "seconds": seconds,
                "status": about,
                "models": versions,
                "predictions": self.predictions,
            }
        )

    def _play(self, number: int) -> bool:
        """Follow runs until this round's version is champion; runs that find nothing new are told and passed over."""
        for _ in range(5):
            run = self.follower.await_run(self._known, _ARRIVAL_LIMIT_SECONDS)
            self._known.add(run)
            state = self.follower.follow(run, _RUN_LIMIT_SECONDS)
            champion = self.workshop.registry.champion(PIPELINE)
            if champion is not None and champion.provenance.run_id == run:
                self.follower.tell(f"version {champion.version} is the champion, digest {short(champion.digest)}")
                return self._predict(champion.digest)
            if state == "failed":
                break
        self.follower.tell(f"round {number} did not end with a new champion; see {self.session.settings.airflow_url}")
        return False

    def _predict(self, digest: str) -> bool:
        image = next((self.laptop.home.folder / "demo").glob(SAMPLE))
        answers = ask_all(self.session, about_image(image.read_bytes()), TARGETS)
        for target, answer in answers.items():
            best = answer["predictions"][0]
            self.follower.tell(
                f"{target}: a scan of a {image.parent.name} is a {best['label']} "
                f"({best['probability']:.1%}), says version {answer['model']['version']}"
            )
        self.predictions.append({"image": f"{image.parent.name}/{image.name}", "answers": answers})
        return all(answer["model"]["digest"] == digest for answer in answers.values())

    def _holds(self) -> bool:
        first, second = describe_models(self.workshop)[-2:]
        about = describe_pipeline(self.session, PIPELINE)
        better = second["accuracy"] > second["champion_accuracy"] and second["champion_version"] == first["version"]
        live = all(state["digest"] == second["digest"] for state in about["targets"].values())
        return better and live and about["champion"]["digest"] == second["digest"]

    def _row(self, version: dict[str, Any], about: dict[str, Any]) -> list[str]:
        live = [target for target, state in about["targets"].items() if state.get("digest") == version["digest"]]
        try:
            decision = self.workshop.approvals.require(PIPELINE, version["version"], version["digest"])
            who = decision.who
        except ApprovalError:
            who = ""
        return [
            str(version["version"]),
            short(version["dataset_version"]),
            *("" if version[key] is None else f"{version[key]:.4f}" for key in ("accuracy", "newest_split_accuracy")),
            who,
            ", ".join(live),
        ]

    def _answer(self, gate: dict[str, Any]) -> None:
        """Answer a waiting gate once: by a key on a terminal, in alice's name elsewhere.

        Airflow asks again when an answer came before its scheduler had noted that the task waits; so the first sight of
        a gate is not answered yet, and a gate that is asked again is answered again.
        """
        digest = waiting_digest(gate)
        question = f"{digest} {gate['task_instance']['try_number']}"
        if question in self._answered:
            return
        if question not in self._sighted:
            self._sighted.add(question)
            return
        if interactive():
            self.follower.tell(
                f"approve at {self.session.settings.airflow_url}/required_actions or press y (n: reject)"
            )
            key = read_key("yn", limit_seconds=2.0)
            if key is None:
                return
            approve = key == "y"
        else:
            approve = True
        self.approver.answer(gate, approve=approve, digest=digest, comment="answered by the demo")
        self._answered.add(question)
        self.follower.tell(f"{APPROVER} {'approved' if approve else 'rejected'} {short(digest)}")
