"""What the commands talk to in tests: a loopback server with canned answers, and moto behind boto3."""

from __future__ import annotations

import contextlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from domain_world import DEPLOYMENT, World, fresh_world
from typer.testing import CliRunner, Result

from ratchet.aws import connect
from ratchet.aws.stack import cached_deployment
from ratchet.cli.main import app

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "the-token"


@dataclass(frozen=True)
class Seen:
    """One request that the server got."""

    method: str
    path: str
    query: str
    body: Any
    authorization: str


@dataclass
class FakeServer:
    """Answers what it was told to, and 404 to the rest; wants the token that it gave away."""

    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answers["POST", "/auth/token"] = (201, {"access_token": TOKEN})
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                status, body = server.look_up(self)
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = do_PATCH = _answer

            def log_message(self, *_: Any) -> None:
                """Keep the test's output clean."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def look_up(self, request: BaseHTTPRequestHandler) -> tuple[int, Any]:
        raw = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        path, _, query = request.path.partition("?")
        body = json.loads(raw) if raw[:1] == b"{" else raw
        authorization = request.headers.get("Authorization") or ""
        self.seen.append(Seen(request.command, path, query, body, authorization))
        if path.startswith("/api/") and authorization != f"Bearer {TOKEN}":
            return 401, {"detail": "no token"}
        return self.answers.get((request.command, path.removeprefix("/api/v2")), (404, {"detail": "no such thing"}))

    def tell(self, method: str, path: str, body: Any, status: int = 200) -> None:
        self.answers[method, path] = (status, body)

    def last(self, method: str) -> Seen:
        return next(seen for seen in reversed(self.seen) if seen.method == method)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


@dataclass
class Desk:
    """Where a person types commands."""

    world: World
    server: FakeServer
    folder: Path

    def type(self, *words: str) -> Result:
        return CliRunner().invoke(app, list(words), prog_name="ratchet")

    def ask(self, *words: str, code: int = 0) -> Any:
        """Run a command with `--json`; standard output must be one JSON object and nothing else."""
        done = self.type(*words, "--json")
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.stdout, parse_constant=lambda name: 1 / 0)


@contextlib.contextmanager
def open_desk(folder: Path, monkeypatch: Any, server: FakeServer) -> Iterator[Desk]:
    """Moto with a stack whose outputs name what the world holds, and a pipeline that goes to Lambda."""
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "RATCHET_PIPELINES": str(folder / "pipelines"),
        "RATCHET_HOME": str(folder / "home"),
        "RATCHET_AIRFLOW_URL": server.url,
        "RATCHET_AIRFLOW_PASSWORD": "secret",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "RATCHET_STACK", "RATCHET_POLL_SECONDS", "RATCHET_AIRFLOW_USER"):
        monkeypatch.delenv(name, raising=False)
    text = (ROOT / "pipelines" / "digits.yaml").read_text("utf-8")
    (folder / "pipelines").mkdir()
    (folder / "pipelines" / "digits.yaml").write_text(text.replace("[ecs, lambda]", "[lambda]"), "utf-8")
    cached_deployment.cache_clear()
    try:
        with fresh_world(folder) as world:
            _create_stack(server.url)
            _create_function()
            yield Desk(world, server, folder)
    finally:
        cached_deployment.cache_clear()


def _create_stack(service_url: str) -> None:
    values = asdict(DEPLOYMENT) | {"service_url": service_url}
    names = {name: "".join(part.capitalize() for part in name.split("_")) for name in values}
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {names[name]: {"Value": value} for name, value in values.items()},
    }
    connect("us-east-1").client("cloudformation").create_stack(StackName="ratchet", TemplateBody=json.dumps(template))


def _create_function() -> None:
    aws = connect("us-east-1")
    role = aws.client("iam").create_role(RoleName="role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("handler.py", "")
    client = aws.client("lambda")
    name = DEPLOYMENT.function_name
    client.create_function(
        FunctionName=name, Role=role, Runtime="python3.11", Handler="handler.run", Code={"ZipFile": packed.getvalue()}
    )
    version = client.publish_version(FunctionName=name)["Version"]
    client.create_alias(FunctionName=name, Name=DEPLOYMENT.function_alias, FunctionVersion=version)
