"""Services run, update without a failed request, restart, roll back and end: ECS and ELBv2 over HTTP."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from localcloud.engine import Host
from localcloud.engines.ecs import EcsEngine
from localcloud.engines.elbv2 import Elbv2Engine
from localcloud.process import Supervisor
from localcloud.runtime import Runtime, Runtimes

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/tiny:1"
LIMIT_SECONDS = 60.0
SERVER = """
import json, os, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        if self.path == "/crash":
            os._exit(7)
        if self.path == "/grow":
            self.server.ballast = bytearray(300 * 2**20)
        if self.path == "/slow":
            time.sleep(1.0)
        sick = self.path == "/health" and os.environ.get("SICK")
        told = {"version": os.environ["VERSION"], "pid": os.getpid(), "headers": dict(self.headers)}
        body = json.dumps(told).encode()
        self.send_response(500 if sick else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

if os.environ.get("BROKEN"):
    print("cannot start: no model", flush=True)
    sys.exit(3)
server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("serving version", os.environ["VERSION"], flush=True)
server.serve_forever()
"""


@dataclass
class Cloud:
    """The clients, and a load balancer in front of the service `models`."""

    ecs: Any
    elbv2: Any
    logs: Any
    target_group: str
    listener: str
    port: int
    supervisor: Supervisor
    network: dict = field(default_factory=dict)

    def register(self, **environment: str) -> str:
        definition = self.ecs.register_task_definition(
            family="models",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="200",
            containerDefinitions=[
                {
                    "name": "server",
                    "image": environment.pop("IMAGE", IMAGE),
                    "command": ["python", "-c", SERVER],
                    "portMappings": [{"containerPort": 8080}],
                    "environment": [{"name": key, "value": value} for key, value in environment.items()],
                    "stopTimeout": 5,
                    "logConfiguration": {
                        "logDriver": "awslogs",
                        "options": {
                            "awslogs-group": "/ecs/models",
                            "awslogs-stream-prefix": "serve",
                            "awslogs-region": "us-east-1",
                        },
                    },
                }
            ],
        )
        return definition["taskDefinition"]["taskDefinitionArn"]

    def create(self, definition: str, desired: int = 1, **more: Any) -> dict:
        request = {
            "cluster": "serving",
            "serviceName": "models",
            "taskDefinition": definition,
            "desiredCount": desired,
            "launchType": "FARGATE",
            "networkConfiguration": self.network,
            "loadBalancers": [{"targetGroupArn": self.target_group, "containerName": "server", "containerPort": 8080}],
            "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        }
        return self.ecs.create_service(**(request | more))["service"]

    def update(self, **changes: Any) -> dict:
        return self.ecs.update_service(cluster="serving", service="models", **changes)["service"]

    def service(self) -> dict:
        return self.ecs.describe_services(cluster="serving", services=["models"])["services"][0]

    def primary(self) -> dict:
        return self.service()["deployments"][0]

    def messages(self) -> list[str]:
        return [event["message"] for event in self.service()["events"]]

    def tasks(self, status: str = "RUNNING") -> list[dict]:
        arns = self.ecs.list_tasks(cluster="serving", desiredStatus=status)["taskArns"]
        return self.ecs.describe_tasks(cluster="serving", tasks=arns)["tasks"] if arns else []

    def settle(self) -> None:
        wait_until(lambda: self.is_settled(), "the service settles")

    def is_settled(self) -> bool:
        service = self.service()
        return (
            len(service["deployments"]) == 1
            and service["deployments"][0]["rolloutState"] == "COMPLETED"
            and service["runningCount"] == service["desiredCount"]
        )

    def get(self, path: str = "/", data: bytes | None = None) -> Any:
        with urllib.request.urlopen(f"http://localhost:{self.port}{path}", data=data, timeout=10) as answer:
            return json.loads(answer.read())


def wait_until(condition: Callable[[], Any], what: str, limit_seconds: float = LIMIT_SECONDS) -> Any:
    deadline = time.monotonic() + limit_seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not seen within {limit_seconds} s: {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    from moto.core.base_backend import BackendDict
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()
        BackendDict.reset()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    supervisor = Supervisor()
    engines = [EcsEngine(), Elbv2Engine()]
    runtimes = Runtimes([Runtime("*/tiny:*", Path(sys.executable), (), ())])
    with moto_server() as url:
        host = Host(supervisor, runtimes, tmp_path, "http://localhost:4566", "us-east-1")
        for engine in engines:
            engine.install(host)
        try:
            yield build(url, supervisor)
        finally:
            for engine in engines:
                engine.close()
            supervisor.close()


def build(url: str, supervisor: Supervisor) -> Cloud:
    def client(name: str) -> Any:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client(name, endpoint_url=url, region_name="us-east-1", **keys)

    ec2, elbv2, ecs, logs = client("ec2"), client("elbv2"), client("ecs"), client("logs")
    subnets = ec2.describe_subnets()["Subnets"][:2]
    ids = [subnet["SubnetId"] for subnet in subnets]
    balancer = elbv2.create_load_balancer(Name="front", Subnets=ids, SecurityGroups=[])["LoadBalancers"][0]
    assert balancer["DNSName"] == "localhost"
    group = elbv2.create_target_group(
        Name="models",
        Protocol="HTTP",
        Port=8080,
        VpcId=subnets[0]["VpcId"],
        TargetType="ip",
        HealthCheckPath="/health",
        HealthCheckIntervalSeconds=5,
        HealthCheckTimeoutSeconds=2,
        UnhealthyThresholdCount=2,
    )["TargetGroups"][0]["TargetGroupArn"]
    port = free_port()
    listener = elbv2.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=port,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )["Listeners"][0]["ListenerArn"]
    logs.create_log_group(logGroupName="/ecs/models")
    ecs.create_cluster(clusterName="serving")
    network = {"awsvpcConfiguration": {"subnets": ids, "securityGroups": [], "assignPublicIp": "ENABLED"}}
    return Cloud(ecs, elbv2, logs, group, listener, port, supervisor, network)


class Load:
    """Requests without a pause, from several threads, until it is left."""

    def __init__(self, cloud: Cloud, threads: int = 4) -> None:
        self.seen: Counter[str] = Counter()
        self.failures: list[str] = []
        self._cloud = cloud
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._drive) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _drive(self) -> None:
        while not self._over.is_set():
            try:
                version = self._cloud.get()["version"]
            except (urllib.error.URLError, OSError, ValueError) as error:
                self.failures.append(repr(error))
            else:
                self.seen[version] += 1


def test_a_rolling_update_under_load_fails_no_request_and_changes_the_version(cloud: Cloud):
    cloud.create(cloud.register(VERSION="1"), desired=2)
    cloud.settle()
    second = cloud.register(VERSION="2")
    with Load(cloud) as load:
        wait_until(lambda: load.seen["1"] > 50, "the first version answers")
        update = cloud.update(taskDefinition=second)
        assert [each["status"] for each in update["deployments"]] == ["PRIMARY", "ACTIVE"]
        assert update["deployments"][0]["rolloutState"] == "IN_PROGRESS"
        cloud.settle()
        answered = load.seen["2"]
        wait_until(lambda: load.seen["2"] > answered + 50, "the second version answers")
        before = load.seen["1"]
        wait_until(lambda: load.seen["2"] > answered + 100, "the second version goes on answering")
        assert load.seen["1"] == before
    assert load.failures == []
    assert cloud.service()["taskDefinition"] == second
    assert any("has reached a steady state." in message for message in cloud.messages())


def test_a_crashed_task_is_replaced_and_says_why_it_stopped(cloud: Cloud):
    cloud.create(cloud.register(VERSION="1"))
    cloud.settle()
    first = cloud.tasks()[0]["taskArn"]
    with contextlib.suppress(urllib.error.URLError, OSError):
        cloud.get("/crash")
    wait_until(lambda: [task["taskArn"] for task in cloud.tasks("STOPPED")] == [first], "the first task stops")
    stopped = wait_until(lambda: [t for t in cloud.tasks("STOPPED") if t["lastStatus"] == "STOPPED"], "it has ended")[0]
    assert stopped["stopCode"] == "EssentialContainerExited"
    assert stopped["stoppedReason"] == "Essential container in task exited"
    assert stopped["containers"][0]["exitCode"] == 7
    cloud.settle()
    assert wait_until(lambda: cloud.tasks()[0]["lastStatus"] == "RUNNING", "another task runs")
    wait_until(lambda: answers(cloud), "the other task answers")


def answers(cloud: Cloud) -> bool:
    with contextlib.suppress(urllib.error.URLError, OSError):
        return cloud.get()["version"] is not None
    return False


@pytest.mark.parametrize("broken", [{"BROKEN": "yes"}, {"IMAGE": "nobody/knows:1"}])
def test_a_broken_version_trips_the_circuit_breaker_and_the_old_one_serves_on(cloud: Cloud, broken: dict):
    first = cloud.register(VERSION="1")
    cloud.create(first)
    cloud.settle()
    good = cloud.primary()["id"]
    with Load(cloud) as load:
        wait_until(lambda: load.seen["1"] > 20, "the first version answers")
        bad = cloud.update(taskDefinition=cloud.register(VERSION="2", **broken))["deployments"][0]["id"]
        failed = wait_until(
            lambda: [d for d in cloud.service()["deployments"] if d["rolloutState"] == "FAILED"], "the deployment fails"
        )[0]
        assert failed["id"] == bad
        assert failed["failedTasks"] == 3
        assert failed["rolloutStateReason"] == "ECS deployment circuit breaker: tasks failed to start."
        cloud.settle()
    assert load.failures == []
    assert set(load.seen) == {"1"}
    assert cloud.primary()["id"] == good
    assert cloud.service()["taskDefinition"] == first
    assert f"(service models) rolling back to deployment {good}." in cloud.messages()
    code, words = (
        ("EssentialContainerExited", "Essential container")
        if "BROKEN" in broken
        else (
            "TaskFailedToStart",
            "CannotPullContainerError",
        )
    )
    stopped = [task for task in cloud.tasks("STOPPED") if task["startedBy"] == bad]
    assert [task["stopCode"] for task in stopped] == [code] * 3
    assert all(words in task["stoppedReason"] for task in stopped)


def test_desired_count_zero_leaves_nothing_running(cloud: Cloud):
    cloud.create(cloud.register(VERSION="1"), desired=2)
    cloud.settle()
    pids = {cloud.get()["pid"] for _ in range(10)}
    assert len(pids) == 2
    cloud.update(desiredCount=0)
    wait_until(lambda: cloud.service()["runningCount"] == 0 and not cloud.tasks(), "no task is left")
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids), "no process is left")
    with pytest.raises(urllib.error.HTTPError, match="503"):
        cloud.get()
    cloud.ecs.delete_service(cluster="serving", service="models")
    wait_until(lambda: cloud.service()["status"] == "INACTIVE", "the service is gone")
    assert cloud.ecs.list_services(cluster="serving")["serviceArns"] == []
    cloud.create(cloud.register(VERSION="2"), desired=0)
    cloud.settle()
