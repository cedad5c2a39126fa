"""The serving processes of the interpreter that has MXNet, and what they are started with."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import threading
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
_LIMIT_SECONDS = 60


def find_interpreter() -> Path:
    return Path(os.environ.get("RATCHET_MXNET_PYTHON", str(ROOT / ".venv-mxnet" / "bin" / "python")))


def environment_of(archive: Path, version: str = "7", **more: str) -> dict[str, str]:
    return {
        "RATCHET_MODEL_URI": str(archive),
        "RATCHET_MODEL_SHA256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "RATCHET_MODEL_NAME": "digits",
        "RATCHET_MODEL_VERSION": version,
        **more,
    }


def child_environment(more: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RATCHET_", "AWS_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


class Answer:
    """One answer of a server, read in full."""

    def __init__(self, connection: HTTPConnection) -> None:
        response = connection.getresponse()
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


class Server:
    """A serving process in its own group, and the lines it logs."""

    def __init__(self, variables: dict[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [str(find_interpreter()), "-m", "inference.server"],
            cwd=ROOT,
            env=child_environment({**variables, "PORT": str(self.port)}),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.lines: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=_LIMIT_SECONDS)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = self.connect()
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=given)
            return Answer(connection)
        finally:
            connection.close()

    def status(self) -> int:
        try:
            return self.ask("GET", "/").status
        except OSError:
            return 0

    def wait_ready(self) -> "Server":
        wait_until(lambda: self.status() == 200 or self.process.poll() is not None, "a loaded model")
        assert self.process.poll() is None, self.lines
        return self

    def wait_exit(self) -> int:
        code = self.process.wait(_LIMIT_SECONDS)
        self._reader.join(_LIMIT_SECONDS)
        return code

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait_exit()


def build_archive(folder: Path, channels: int) -> Path:
    command = [str(find_interpreter()), str(HERE / "build_model.py"), str(folder), str(channels)]
    subprocess.run(command, cwd=ROOT, env=child_environment({}), check=True, timeout=120)
    return folder.parent / "model.tar.gz"
