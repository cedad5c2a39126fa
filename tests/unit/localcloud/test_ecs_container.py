"""A container definition becomes a command, an environment and limits."""

import sys
from pathlib import Path

import pytest

from localcloud.engines.ecs_container import (
    ContainerCheck,
    LogTarget,
    Surroundings,
    plan_container,
    read_cpus,
    read_memory,
)
from localcloud.runtime import Runtime

RUNTIME = Runtime("*", Path(sys.executable), (Path("/opt/code"),), ("python", "-m", "server"))
AROUND = Surroundings(
    {"PATH": "/bin", "AWS_REGION": "us-east-1"}, "us-east-1", "512", "256", {8080: 20001, 9090: 20002}
)
DEFINITION = {"name": "server", "image": "tiny", "portMappings": [{"containerPort": 8080}, {"containerPort": 9090}]}


def plan(**changes):
    override = changes.pop("override", {})
    return plan_container(DEFINITION | changes, override, RUNTIME, AROUND)


def test_a_container_without_a_command_runs_its_images_own():
    assert plan().argv == (sys.executable, "-m", "server")


def test_an_override_beats_the_definition_and_entry_points_come_first():
    made = plan(entryPoint=["python"], command=["a.py"], override={"command": ["b.py"], "memory": 64})
    assert made.argv == (sys.executable, "b.py")
    assert made.memory_mib == 64


def test_the_environment_is_laid_in_layers_and_the_port_is_the_tasks_own():
    environment = [{"name": "AWS_REGION", "value": "eu-west-1"}, {"name": "PORT", "value": "8080"}]
    made = plan(environment=environment, override={"environment": [{"name": "EXTRA", "value": "1"}]})
    assert made.environment["AWS_REGION"] == "eu-west-1"
    assert made.environment["EXTRA"] == "1"
    assert made.environment["PORT"] == "20001"
    assert made.environment["PYTHONPATH"] == "/opt/code"
    assert made.environment["PATH"] == f"{Path(sys.executable).parent}:/bin"
    assert made.ports == {8080: 20001, 9090: 20002}


def test_a_container_without_ports_gets_none():
    assert "PORT" not in plan(portMappings=[]).environment


def test_health_checks_ask_the_local_port():
    command = ["CMD-SHELL", "curl -f http://localhost:8080/ping || exit 1"]
    made = plan(healthCheck={"command": command, "interval": 10})
    assert made.check == ContainerCheck(
        ("/bin/sh", "-c", "curl -f http://localhost:20001/ping || exit 1"), 10.0, 5.0, 3, 0.0
    )
    told = plan(healthCheck={"command": ["CMD", "python", "check.py", "127.0.0.1:9090", "10.0.0.1:80800"]}).check
    assert told.command == (sys.executable, "check.py", "127.0.0.1:20002", "10.0.0.1:80800")
    assert plan(healthCheck={"command": ["NONE"]}).check is None


def test_logs_go_where_awslogs_says():
    options = {"awslogs-group": "/g", "awslogs-stream-prefix": "p", "awslogs-create-group": "true"}
    made = plan(logConfiguration={"logDriver": "awslogs", "options": options})
    assert made.log == LogTarget("/g", "p", "us-east-1", True)
    assert plan(logConfiguration={"logDriver": "json-file"}).log is None


@pytest.mark.parametrize(("said", "mib"), [(None, None), ("512", 512), (300, 300), ("1 GB", 1024), ("0.5GB", 512)])
def test_memory_is_read_as_ecs_writes_it(said, mib):
    assert read_memory(said) == mib


@pytest.mark.parametrize(("said", "cpus"), [(None, None), ("", None), ("256", 0.25), (2048, 2.0), (".5 vCPU", 0.5)])
def test_cpu_is_read_as_ecs_writes_it(said: str | int | None, cpus: float | None) -> None:
    assert read_cpus(said) == cpus
