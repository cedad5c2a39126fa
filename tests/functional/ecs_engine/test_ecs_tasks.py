"""Tasks get what ECS gives them, and say truly how they end."""

import contextlib
import sys
import urllib.error
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from ecs_cloud import Cloud, wait_until

SAY = "import os, sys; print('hello', os.environ.get('NAME')); sys.exit(int(os.environ.get('CODE', 0)))"


def test_a_one_off_task_runs_once_logs_and_tells_its_exit_code(cloud: Cloud):
    definition = cloud.register(NAME="world", container={"command": ["python", "-c", SAY]})
    overrides = {"containerOverrides": [{"name": "server", "environment": [{"name": "CODE", "value": "5"}]}]}
    started = cloud.run(definition, overrides=overrides, clientToken="once", startedBy="me")
    again = cloud.run(definition, overrides=overrides, clientToken="once", startedBy="me")
    assert [task["taskArn"] for task in again] == [task["taskArn"] for task in started]
    with pytest.raises(ClientError, match="ConflictException"):
        cloud.run(definition, clientToken="once")
    task = cloud.wait_ended(started[0]["taskArn"])
    assert task["containers"][0]["exitCode"] == 5
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["group"] == "family:models"
    assert cloud.ecs.list_tasks(cluster="serving", startedBy="me", desiredStatus="STOPPED")["taskArns"] == [
        task["taskArn"]
    ]
    stream = f"serve/server/{task['taskArn'].rsplit('/', 1)[1]}"
    assert cloud.lines() == {stream: ["hello world"]}


def test_a_task_gets_the_environment_of_its_definition_and_of_ecs(cloud: Cloud):
    cloud.create(cloud.register(VERSION="1", MODEL="s3://models/a", PORT="8080"))
    cloud.settle()
    variables = cloud.get()["variables"]
    binding = cloud.tasks()[0]["containers"][0]["networkBindings"][0]
    assert binding["containerPort"] == 8080
    assert variables["PORT"] == str(binding["hostPort"])
    assert variables["MODEL"] == "s3://models/a"
    assert variables["AWS_ENDPOINT_URL"] == cloud.url
    assert variables["AWS_REGION"] == "us-east-1"
    assert "AWS_ACCESS_KEY_ID" not in variables  # it has no role
    assert Path(variables["PATH"].split(":")[0]) == Path(sys.executable).parent
    assert "PYTEST_CURRENT_TEST" not in variables


def test_a_stubborn_task_is_killed_after_its_stop_timeout(cloud: Cloud):
    definition = cloud.register(VERSION="1", STUBBORN="yes", container={"stopTimeout": 2})
    cloud.create(definition)
    cloud.settle()
    arn = cloud.tasks()[0]["taskArn"]
    stopping = cloud.ecs.stop_task(cluster="serving", task=arn, reason="maintenance")["task"]
    assert stopping["desiredStatus"] == "STOPPED"
    task = cloud.wait_ended(arn)
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "maintenance")
    assert task["containers"][0]["exitCode"] == 137
    cloud.settle()


def test_a_task_that_is_asked_to_end_ends_by_itself(cloud: Cloud):
    task = cloud.run(cloud.register(VERSION="1"))[0]["taskArn"]
    wait_until(lambda: any("serving version 1" in lines for lines in cloud.lines().values()), "the task serves")
    cloud.ecs.stop_task(cluster="serving", task=task)
    assert cloud.wait_ended(task)["containers"][0]["exitCode"] == 0
    assert ["serving version 1", "ended as asked"] in cloud.lines().values()


def test_a_task_that_takes_too_much_memory_is_killed_and_replaced(cloud: Cloud):
    cloud.create(cloud.register(VERSION="1", container={"memory": 200}))
    cloud.settle()
    arn = cloud.tasks()[0]["taskArn"]
    with contextlib.suppress(urllib.error.URLError, OSError):
        cloud.get("/grow")
    container = cloud.wait_ended(arn)["containers"][0]
    assert container["exitCode"] == 137
    assert container["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    wait_until(cloud.answers, "another task answers")


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"image": "nobody/knows:1"}, "CannotPullContainerError"),
        ({"command": ["no-such-program"]}, "Essential container in task exited"),
        ({"secrets": [{"name": "KEY", "valueFrom": "arn"}]}, "ResourceInitializationError"),
        (
            {"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/none"}}},
            "The specified log group does not exist",
        ),
    ],
)
def test_a_task_that_cannot_start_says_so_as_ecs_does(cloud: Cloud, container: dict, words: str):
    started = cloud.run(cloud.register(VERSION="1", container=container))[0]
    assert words in cloud.wait_ended(started["taskArn"])["stoppedReason"]


def test_a_container_health_check_decides_whether_a_task_counts(cloud: Cloud):
    probe = "import sys, urllib.request as r; r.urlopen('http://localhost:8080/health')"
    check = {"command": ["CMD", "python", "-c", probe], "interval": 5, "retries": 1, "timeout": 5}
    cloud.create(cloud.register(VERSION="1", container={"healthCheck": check}), loadBalancers=[])
    cloud.settle()
    assert cloud.tasks()[0]["healthStatus"] == "HEALTHY"
    cloud.update(taskDefinition=cloud.register(VERSION="2", SICK="yes", container={"healthCheck": check}))
    arn = wait_until(lambda: [t for t in cloud.tasks() if t["healthStatus"] == "UNKNOWN"], "it starts")[0]["taskArn"]
    assert cloud.wait_ended(arn)["stoppedReason"] == "Task failed container health checks"
    assert cloud.service()["runningCount"] >= 1


def test_what_nobody_knows_is_missing(cloud: Cloud):
    answer = cloud.ecs.describe_tasks(cluster="serving", tasks=["0" * 32])
    assert answer["tasks"] == []
    assert answer["failures"][0]["reason"] == "MISSING"
    with pytest.raises(ClientError, match="The referenced task was not found"):
        cloud.ecs.stop_task(cluster="serving", task="0" * 32)
    definition = cloud.register(VERSION="1")
    cloud.ecs.deregister_task_definition(taskDefinition=definition)
    with pytest.raises(ClientError, match="TaskDefinition is inactive"):
        cloud.run(definition)
    with pytest.raises(ClientError, match="Network Configuration must be provided"):
        cloud.ecs.run_task(cluster="serving", taskDefinition=cloud.register(VERSION="1"))
