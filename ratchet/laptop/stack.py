"""Bring a laptop's stack up and down: localcloud, the CloudFormation stack on it, and Airflow."""

from __future__ import annotations

import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ratchet.errors import SpecError, UnavailableError
from ratchet.laptop.home import (
    AWS_KEY,
    ROOT,
    Home,
    Ports,
    airflow_environment,
    aws_environment,
    inherited_environment,
)
from ratchet.laptop.process import ProcessTable, Running, poll_until
from ratchet.laptop.provision import create_stack

PEOPLE: Mapping[str, str] = {"admin": "admin", "alice": "op", "bob": "op", "vera": "viewer"}
AIRFLOW_PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
_START_LIMIT_SECONDS = 180.0


@dataclass(frozen=True)
class Place:
    """Where something of the stack is."""

    name: str
    url: str
    note: str = ""


class Laptop:
    """The stack in one home folder.

    Parameters
    ----------
    folder
        Home of its state.
    ports
        Where it listens.
    tell
        Called with one line for each thing that happens.
    pipelines
        Folder of the pipelines' files.
    airflow_options
        Variables of Airflow's processes that differ from a laptop's: another database, more schedulers.
    """

    def __init__(
        self,
        folder: Path,
        ports: Ports,
        tell: Callable[[str], None],
        *,
        pipelines: Path = ROOT / "pipelines",
        airflow_options: Mapping[str, str] | None = None,
    ) -> None:
        self.home = Home(folder)
        self.ports = ports
        self.tell = tell
        self.table = ProcessTable(folder)
        self._pipelines = pipelines
        self.airflow_options = dict(airflow_options or {})

    @cached_property
    def aws_environment(self) -> dict[str, str]:
        """What points boto3 and Ratchet at this stack; the first look makes the stack's key."""
        return aws_environment(self.home, self.ports, self._pipelines)

    def up(self) -> list[Place]:
        """Start whatever does not run; return where things are.

        Raises
        ------
        RatchetError
            When a port is taken or a part does not start; the message names the log. What was started is ended.
        """
        running = {entry.name for entry in self.table.read() if entry.alive()}
        if running:
            self._refuse_other_ports()
        else:
            self._refuse_taken_ports()
        try:
            self._start_localcloud()
            self._migrate_airflow()
            self.create_stack()
            self.start_airflow()
        except BaseException:
            self.table.stop()
            raise
        self.home.remember_environment(self.aws_environment)
        return self.places()

    def down(self) -> list[str]:
        """End every process; return the names of those that ran."""
        self.home.forget_environment()
        return self.table.stop()

    def places(self) -> list[Place]:
        """Where things are."""
        return [
            Place("Airflow", f"http://localhost:{self.ports.airflow}", "sign in as alice or admin"),
            Place("AWS", self.aws_environment["AWS_ENDPOINT_URL"], "localcloud"),
            Place("Service", f"http://localhost:{self.ports.service}", "answers once a model is live"),
            Place("Logs", str(self.home.folder / "logs")),
            Place("Passwords", str(self.home.passwords_file)),
        ]

    def create_stack(self) -> None:
        """Create the stack from the one template, or find it created."""
        create_stack(self.aws_environment["AWS_REGION"], service_port=self.ports.service, tell=self.tell)

    def start_airflow(self) -> None:
        """Start Airflow's four processes and wait until each says it is healthy."""
        for part in AIRFLOW_PARTS:
            if self.table.find(f"airflow-{part}") is None:
                self.start_part(part)
        self.tell("starting Airflow")
        self._wait("Airflow", self._airflow_is_healthy, [f"airflow-{part}" for part in AIRFLOW_PARTS])

    def start_part(self, part: str, name: str = "") -> Running:
        """Start one of Airflow's processes; a second one of its kind needs another name."""
        argv = [sys.executable, "-m", "airflow", part]
        return self.table.start(name or f"airflow-{part}", argv, environment=self._airflow_environment(), cwd=ROOT)

    def _airflow_environment(self) -> dict[str, str]:
        keys = self.home.make_secrets(tuple(PEOPLE))
        ours = inherited_environment() | self.aws_environment | airflow_environment(self.home, self.ports, keys, PEOPLE)
        return ours | self.airflow_options

    def _start_localcloud(self) -> None:
        if self.table.find("localcloud") is not None:
            return
        self.tell("starting localcloud")
        folder = (self.home.folder / "localcloud").resolve()
        argv = [sys.executable, "-m", "localcloud", "--port", str(self.ports.localcloud), "--home", str(folder)]
        key = {f"LOCALCLOUD_{name}": self.aws_environment[f"AWS_{name}"] for name in AWS_KEY}
        self.table.start("localcloud", argv, environment=inherited_environment() | key, cwd=ROOT)
        health = f"{self.aws_environment['AWS_ENDPOINT_URL']}/_localcloud/health"
        self._wait("localcloud", lambda: _get(health) is not None, ["localcloud"])

    def _migrate_airflow(self) -> None:
        if self.table.find("airflow-scheduler") is not None:
            return
        argv = [sys.executable, "-m", "airflow", "db", "migrate"]
        self.tell("preparing Airflow's database")
        started = self.table.start("airflow-migrate", argv, environment=self._airflow_environment(), cwd=ROOT)
        for _ in poll_until(_START_LIMIT_SECONDS):
            if not started.alive():
                self.table.stop("airflow-migrate")
                return
        raise UnavailableError(f"Airflow's database was not ready in time; see {started.log}")

    def _airflow_is_healthy(self) -> bool:
        import json

        raw = _get(f"http://localhost:{self.ports.airflow}/api/v2/monitor/health")
        if raw is None:
            return False
        health = json.loads(raw)
        return all(health[part]["status"] == "healthy" for part in ("scheduler", "triggerer", "dag_processor"))

    def _wait(self, what: str, ready: Callable[[], bool], names: Sequence[str]) -> None:
        entries: list[Running] = [entry for entry in self.table.read() if entry.name in names]
        for passed in poll_until(_START_LIMIT_SECONDS):
            if ready():
                self.tell(f"{what} is ready after {passed:.0f} s")
                return
            for entry in entries:
                if not entry.alive():
                    raise UnavailableError(f"{entry.name} ended while starting; the cause is at the end of {entry.log}")
        logs = ", ".join(entry.log for entry in entries)
        raise UnavailableError(f"{what} was not ready within {_START_LIMIT_SECONDS:.0f} s; see {logs}")

    def _refuse_other_ports(self) -> None:
        known = self.home.read_environment()
        for name in ("AWS_ENDPOINT_URL", "RATCHET_AIRFLOW_URL"):
            if known.get(name, self.aws_environment[name]) != self.aws_environment[name]:
                raise SpecError(
                    f"a stack is up already, at {known[name]}: give the ports that it has, or end it with: ratchet down"
                )

    def _refuse_taken_ports(self) -> None:
        named = self.ports.named()
        if len(named) < 3:
            raise SpecError("--localcloud-port, --airflow-port and --service-port must be three different ports")
        for port, option in named.items():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise UnavailableError(
                        f"port {port} is in use by another program: end it, or choose another port with {option}"
                    ) from error


def _get(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - a loopback address of our own making
            return bytes(answer.read())
    except (urllib.error.URLError, OSError):
        return None
