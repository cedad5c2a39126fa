"""Services run, update without a failed request, restart, roll back and end."""

import contextlib
import urllib.error

import psutil
import pytest
from botocore.exceptions import ClientError
from ecs_cloud import Cloud, Load, wait_until


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


def test_requests_under_way_end_before_their_task_does(cloud: Cloud):
    cloud.create(cloud.register(VERSION="1"))
    cloud.settle()
    with Load(cloud, threads=1) as load, contextlib.ExitStack() as stack:
        from concurrent.futures import ThreadPoolExecutor

        pool = stack.enter_context(ThreadPoolExecutor(4))
        slow = [pool.submit(cloud.get, "/slow/2") for _ in range(4)]
        cloud.update(taskDefinition=cloud.register(VERSION="2"))
        wait_until(lambda: load.seen["2"] > 0, "the second version answers")
        assert [each.result()["version"] for each in slow] == ["1"] * 4
        cloud.settle()
    assert load.failures == []


def test_a_crashed_task_is_replaced_and_says_why_it_stopped(cloud: Cloud):
    cloud.create(cloud.register(VERSION="1"))
    cloud.settle()
    first = cloud.tasks()[0]["taskArn"]
    with contextlib.suppress(urllib.error.URLError, OSError):
        cloud.get("/crash")
    stopped = cloud.wait_ended(first)
    assert stopped["stopCode"] == "EssentialContainerExited"
    assert stopped["stoppedReason"] == "Essential container in task exited"
    assert stopped["containers"][0]["exitCode"] == 7
    cloud.settle()
    wait_until(cloud.answers, "another task answers")
    assert cloud.tasks()[0]["taskArn"] != first


@pytest.mark.parametrize(
    ("broken", "code", "words"),
    [
        ({"BROKEN": "yes"}, "EssentialContainerExited", "Essential container in task exited"),
        ({"container": {"image": "nobody/knows:1"}}, "TaskFailedToStart", "CannotPullContainerError"),
    ],
)
def test_a_broken_version_trips_the_circuit_breaker_and_the_old_one_serves_on(
    cloud: Cloud, broken: dict, code: str, words: str
):
    first = cloud.register(VERSION="1")
    cloud.create(first)
    cloud.settle()
    good = cloud.primary()["id"]
    with Load(cloud, threads=1) as load:
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
    stopped = [task for task in cloud.tasks("STOPPED") if task["startedBy"] == bad]
    assert [task["stopCode"] for task in stopped] == [code] * 3
    assert all(words in task["stoppedReason"] for task in stopped)


def test_a_version_that_fails_its_health_checks_is_rolled_back(cloud: Cloud):
    threshold = {"type": "COUNT", "value": 1}
    breaker = {"enable": True, "rollback": True, "thresholdConfiguration": threshold}
    cloud.create(cloud.register(VERSION="1"), deploymentConfiguration={"deploymentCircuitBreaker": breaker})
    cloud.settle()
    with Load(cloud, threads=1) as load:
        bad = cloud.update(taskDefinition=cloud.register(VERSION="2", SICK="yes"))["deployments"][0]["id"]
        wait_until(lambda: bad not in {each["id"] for each in cloud.service()["deployments"]}, "it is rolled back")
    assert load.failures == []
    assert set(load.seen) == {"1"}
    stopped = [task for task in cloud.tasks("STOPPED") if task["startedBy"] == bad]
    assert [task["stopCode"] for task in stopped] == ["ServiceSchedulerInitiated"]
    assert stopped[0]["stoppedReason"] == f"Task failed ELB health checks in (target-group {cloud.group})"
    assert any("Health checks failed with these codes: [500]" in message for message in cloud.messages())


def test_without_rollback_a_failed_deployment_stays_failed_until_the_next_update(cloud: Cloud):
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    cloud.create(cloud.register(VERSION="1"), deploymentConfiguration=breaker)
    cloud.settle()
    cloud.update(taskDefinition=cloud.register(VERSION="2", BROKEN="yes"))
    wait_until(lambda: cloud.primary()["rolloutState"] == "FAILED", "the deployment fails")
    assert cloud.get()["version"] == "1"
    cloud.update(taskDefinition=cloud.register(VERSION="3"))
    cloud.settle()
    assert cloud.get()["version"] == "3"


def test_desired_count_zero_leaves_nothing_running(cloud: Cloud):
    cloud.create(cloud.register(VERSION="1"), desired=2)
    cloud.settle()
    pids = {cloud.get()["pid"] for _ in range(10)}
    assert len(pids) == 2
    cloud.update(desiredCount=0)
    wait_until(lambda: cloud.service()["runningCount"] == 0 and len(cloud.ended()) == 2, "no task is left")
    assert not any(psutil.pid_exists(pid) for pid in pids)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        cloud.get()


def test_a_service_is_made_once_and_deleted_for_good(cloud: Cloud):
    definition = cloud.register(VERSION="1")
    made = cloud.create(definition, clientToken="one")
    assert cloud.create(definition, clientToken="one")["serviceArn"] == made["serviceArn"]
    with pytest.raises(ClientError, match=r"InvalidParameterException.*Creation of service was not idempotent\."):
        cloud.create(definition)
    cloud.settle()
    with pytest.raises(ClientError, match="cannot be stopped while it is scaled above 0"):
        cloud.ecs.delete_service(cluster="serving", service="models")
    with pytest.raises(ClientError, match="ClusterContainsServicesException"):
        cloud.ecs.delete_cluster(cluster="serving")
    cloud.ecs.delete_service(cluster="serving", service="models", force=True)
    wait_until(lambda: cloud.service()["status"] == "INACTIVE", "the service is gone")
    assert cloud.ecs.list_services(cluster="serving")["serviceArns"] == []
    with pytest.raises(ClientError, match="ServiceNotActiveException"):
        cloud.update(desiredCount=1)
    cloud.create(definition, desired=0)
    cloud.settle()


def test_scaling_starts_and_stops_tasks_without_a_new_deployment(cloud: Cloud):
    cloud.create(cloud.register(VERSION="1"))
    cloud.settle()
    deployment = cloud.primary()["id"]
    cloud.update(desiredCount=3)
    wait_until(lambda: len({cloud.get()["pid"] for _ in range(9)}) == 3, "three tasks answer")
    cloud.update(desiredCount=1)
    wait_until(lambda: cloud.service()["runningCount"] == 1, "two tasks end")
    assert cloud.primary()["id"] == deployment
    health = cloud.elbv2.describe_target_health(TargetGroupArn=cloud.group)["TargetHealthDescriptions"]
    assert "healthy" in [each["TargetHealth"]["State"] for each in health]


def test_a_target_group_without_a_listener_is_refused(cloud: Cloud):
    lonely = cloud.create_group("lonely")
    balancers = [{"targetGroupArn": lonely, "containerName": "server", "containerPort": 8080}]
    with pytest.raises(ClientError, match="does not have an associated load balancer"):
        cloud.create(cloud.register(VERSION="1"), loadBalancers=balancers)
    balancers = [{"targetGroupArn": cloud.group, "containerName": "server", "containerPort": 9090}]
    with pytest.raises(ClientError, match="did not have a container port 9090 defined"):
        cloud.create(cloud.register(VERSION="1"), loadBalancers=balancers)
