"""The laptop stack's folder: ports, secrets made once, and the environment that its processes and the CLI share."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_ENVIRONMENT_FILE = "environment.json"
AWS_KEY = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
_CREDENTIALS = frozenset(f"AWS_{name}" for name in AWS_KEY)
_OTHER_CREDENTIALS = ("AWS_SESSION_TOKEN", "AWS_PROFILE")


@dataclass(frozen=True)
class Ports:
    """Where the stack listens, on 127.0.0.1 only."""

    localcloud: int = 4566
    airflow: int = 8080
    service: int = 8090
    worker_log: int = 8793
    trigger_log: int = 8794

    @classmethod
    def find_free(cls) -> Ports:
        """Ports that nobody listens on, all different."""
        with ExitStack() as held:
            sockets = [held.enter_context(socket.socket()) for _ in fields(cls)]
            for one in sockets:
                one.bind(("127.0.0.1", 0))
            return cls(*(one.getsockname()[1] for one in sockets))

    def named(self) -> dict[int, str]:
        """Each port with the option that moves it elsewhere."""
        return {
            self.localcloud: "--localcloud-port",
            self.airflow: "--airflow-port",
            self.service: "--service-port",
        }


@dataclass(frozen=True)
class Home:
    """Folder with the stack's state.

    Attributes
    ----------
    folder
        Usually `.ratchet`.
    """

    folder: Path

    @property
    def environment_file(self) -> Path:
        """What a process needs to talk to this stack; there while the stack is up."""
        return self.folder / _ENVIRONMENT_FILE

    @property
    def passwords_file(self) -> Path:
        """Passwords of Airflow's people, readable by the owner alone."""
        return self.folder / "airflow" / "passwords.json"

    def make_secrets(self, people: Sequence[str]) -> dict[str, str]:
        """Return the secrets of this home; each is made once and then kept, readable by the owner alone."""
        passwords = self._kept(self.passwords_file, people)
        keys = self._kept(self.folder / "airflow" / "keys.json", ("jwt", "api", "fernet_source"))
        return {f"password:{name}": value for name, value in passwords.items()} | keys

    def aws_key(self) -> dict[str, str]:
        """Return the owner's key for this stack's localcloud; made once and then kept, readable by the owner alone."""
        return self._kept(self.folder / "aws-key.json", AWS_KEY)

    def password(self, person: str) -> str:
        """Return the Airflow password of a person of this stack."""
        return str(json.loads(self.passwords_file.read_text("utf-8"))[person])

    def remember_environment(self, environment: Mapping[str, str]) -> None:
        """Let the CLI find this stack."""
        _write_private(self.environment_file, json.dumps(dict(environment), indent=2))

    def read_environment(self) -> dict[str, str]:
        """What the stack that is up told; empty when none is."""
        try:
            return dict(json.loads(self.environment_file.read_text("utf-8")))
        except FileNotFoundError:
            return {}

    def forget_environment(self) -> None:
        """The stack is down: the CLI talks to AWS again."""
        self.environment_file.unlink(missing_ok=True)

    def _kept(self, file: Path, names: Sequence[str]) -> dict[str, str]:
        known: dict[str, str] = json.loads(file.read_text("utf-8")) if file.exists() else {}
        missing = [name for name in names if name not in known]
        if missing:
            known |= {name: secrets.token_urlsafe(24) for name in missing}
            _write_private(file, json.dumps(known))
        return known


def adopt_environment(folder: Path) -> None:
    """Use the laptop stack that is up in `folder`, where the environment does not say otherwise."""
    found = Home(folder).read_environment()
    endpoint = found.get("AWS_ENDPOINT_URL")
    if os.environ.get("AWS_ENDPOINT_URL", endpoint) == endpoint:
        use_environment({name: value for name, value in found.items() if name in _CREDENTIALS})
    for name, value in found.items():
        os.environ.setdefault(name, value)


def use_environment(environment: Mapping[str, str]) -> None:
    """Talk to this stack with its own key: another key that this process was given is another cloud's."""
    for name in _OTHER_CREDENTIALS if set(environment) >= _CREDENTIALS else ():
        os.environ.pop(name, None)
    os.environ.update(environment)


def aws_environment(home: Home, ports: Ports, pipelines: Path) -> dict[str, str]:
    """What points boto3 and Ratchet at this stack, with its owner's key."""
    endpoint = f"http://localhost:{ports.localcloud}"
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        **{f"AWS_{name}": value for name, value in home.aws_key().items()},
        "AWS_EC2_METADATA_DISABLED": "true",
        "RATCHET_HOME": str(home.folder.resolve()),
        "RATCHET_PIPELINES": str(pipelines.resolve()),
        "RATCHET_POLL_SECONDS": "1",
        "RATCHET_AIRFLOW_URL": f"http://localhost:{ports.airflow}",
        "RATCHET_CONSOLE_URL": f"{endpoint}/_localcloud/console",
    }


def airflow_environment(home: Home, ports: Ports, keys: Mapping[str, str], people: Mapping[str, str]) -> dict[str, str]:
    """What Airflow's processes need besides: SQLite, four workers, its people and their roles."""
    base = (home.folder / "airflow").resolve()
    url = f"http://localhost:{ports.airflow}"
    options = {
        "CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "3",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in people.items()),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home.passwords_file.resolve()),
        "API__HOST": "127.0.0.1",
        "API__PORT": str(ports.airflow),
        "API__BASE_URL": url,
        "API__WORKERS": "1",
        "API__SECRET_KEY": keys["api"],
        "API_AUTH__JWT_SECRET": keys["jwt"],
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{base / 'airflow.db'}",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "LOGGING__BASE_LOG_FOLDER": str(base / "logs"),
        "LOGGING__WORKER_LOG_SERVER_PORT": str(ports.worker_log),
        "LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports.trigger_log),
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        "TRIGGERER__DEFAULT_CAPACITY": "200",
    }
    environment = {f"AIRFLOW__{name}": value for name, value in options.items()}
    return environment | {"AIRFLOW_HOME": str(base), "PYTHONPATH": str(ROOT)}


def inherited_environment() -> dict[str, str]:
    """The few variables of the caller that a background process may see: no credentials, no proxies."""
    names = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    # Programs of this environment first: Airflow starts its own command by name.
    kept["PATH"] = str(Path(sys.executable).parent) + os.pathsep + kept.get("PATH", os.defpath)
    return kept


def _write_private(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".tmp")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    draft.replace(file)
