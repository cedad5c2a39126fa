"""From a task to processes: images become runtimes, container ports local ports, output log events."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from moto.logs.models import logs_backends

from localcloud.credentials import issue_credentials
from localcloud.engine import Host
from localcloud.engines.ecs_container import ContainerPlan, Surroundings, container_ports, plan_container
from localcloud.engines.ecs_port import NoFreePort, Ports
from localcloud.engines.ecs_task import ADDRESS, LocalTask, TaskContainer
from localcloud.journal import LogStream
from localcloud.process import Command, base_environment
from localcloud.runtime import ImageNotFound


class LaunchError(Exception):
    """A task cannot be started; the text is its stoppedReason."""


class Launcher:
    """Starts the containers of tasks. Used under ECS's lock."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._root = host.home / "ecs"
        self._ports = Ports()

    def prepare(self, task: LocalTask) -> None:
        """Plan every container of a task and take its ports.

        Raises
        ------
        LaunchError
            With the reason in ECS's words.
        """
        surroundings = self._surroundings(task)
        overrides = {each["name"]: each for each in task.overrides.get("containerOverrides") or []}
        shapes = {shape["name"]: shape for shape in task.definition.container_definitions}
        for container in task.containers:
            shape, override = shapes[container.name], overrides.get(container.name, {})
            container.plan = self._plan(shape, override, surroundings)
            container.network_bindings = [
                {"bindIP": ADDRESS, "containerPort": port, "hostPort": local, "protocol": "tcp"}
                for port, local in container.plan.ports.items()
            ]
            _check_log(container.plan, task.request.account)

    def start(self, task: LocalTask, container: TaskContainer, on_exit: Callable[[int], None]) -> None:
        """Start one prepared container."""
        plan = container.plan
        if plan is None:
            raise LaunchError(f"CannotStartContainerError: {container.name} was not prepared")
        gpus = {"NVIDIA_VISIBLE_DEVICES": ",".join(container.gpu_ids)} if container.gpu_ids else {}
        environment = {**plan.environment, **gpus}
        command = Command(
            plan.argv, environment, self.folder(task), plan.memory_mib, cpus=plan.cpus, ulimits=plan.ulimits
        )
        write = None
        if plan.log is not None:
            stream = "/".join(part for part in (plan.log.prefix, plan.name, task.id) if part)
            log = LogStream(plan.log.group, stream, region=plan.log.region, account=task.request.account)
            write = log.write
        try:
            container.child = self._host.supervisor.start(command, on_line=write, on_exit=on_exit)
        except (OSError, RuntimeError) as error:
            raise LaunchError(f"CannotStartContainerError: {error}") from error
        container.runtime_id = f"{task.id}-{container.child.pid}"
        container.last_status = "RUNNING"

    def folder(self, task: LocalTask) -> Path:
        """Return the task's scratch folder, made when it is not there."""
        folder = self._root / task.id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def release(self, task: LocalTask) -> None:
        """Give back what a task has taken."""
        for port in task.ports:
            self._ports.give_back(port)
        shutil.rmtree(self._root / task.id, ignore_errors=True)

    def _surroundings(self, task: LocalTask) -> Surroundings:
        ports: dict[int, int] = {}
        try:
            for shape in task.definition.container_definitions:
                for port in container_ports(shape):
                    ports[port] = self._ports.take()
                    task.ports.append(ports[port])
        except NoFreePort as error:
            raise LaunchError(f"ResourceInitializationError: {error}") from error
        memory = task.overrides.get("memory") or task.memory
        cpu = task.overrides.get("cpu") or task.cpu
        return Surroundings(self._environment(task), task.region_name, memory, cpu, ports)

    def _environment(self, task: LocalTask) -> dict[str, str]:
        scratch = str(self.folder(task))
        role = task.overrides.get("taskRoleArn") or getattr(task.definition, "task_role_arn", None)
        return {
            **base_environment(),
            "HOME": scratch,
            "TMPDIR": scratch,
            # What a container has at /opt/ml; AWS's training toolkit asks for it by this name.
            "SAGEMAKER_BASE_DIR": str(Path(scratch) / "opt" / "ml"),
            # On AWS a task has a network interface of its own; here that is the loopback's.
            "HOST": "127.0.0.1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_REGION": task.region_name,
            "AWS_DEFAULT_REGION": task.region_name,
            "AWS_ENDPOINT_URL": self._host.endpoint_url,
            "AWS_EXECUTION_ENV": f"AWS_ECS_{task.launch_type}",
            "AWS_EC2_METADATA_DISABLED": "true",
            **_credentials(task, role),
        }

    def _plan(self, shape: Mapping[str, Any], override: Mapping[str, Any], surroundings: Surroundings) -> ContainerPlan:
        if shape.get("secrets"):
            raise LaunchError(
                "ResourceInitializationError: unable to pull secrets or registry auth: localcloud resolves no "
                f"container secrets (container {shape['name']})"
            )
        try:
            runtime = self._host.runtimes.resolve(shape["image"])
        except ImageNotFound as error:
            raise LaunchError(f"CannotPullContainerError: pull image manifest: {error}") from error
        plan = plan_container(shape, override, runtime, surroundings)
        if not plan.argv:
            raise LaunchError(f"CannotStartContainerError: the container {plan.name} and its image name no command")
        return plan


def _check_log(plan: ContainerPlan, account: str) -> None:
    if plan.log is None or plan.log.create_group:
        return
    if plan.log.group not in logs_backends[account][plan.log.region].groups:
        raise LaunchError(
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: "
            "failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not "
            f"exist: {plan.log.group}"
        )


def _credentials(task: LocalTask, role: str | None) -> dict[str, str]:
    if not role:
        return {}  # as on AWS: calls fail for want of credentials
    return issue_credentials(task.request.account, region=task.region_name, session=task.id, role=role)
