"""Releases on localcloud: real processes behind ECS and Lambda, going up and coming back."""

from __future__ import annotations

import threading
import time
import urllib.request

import pytest
from rollout_stack import MODEL, SPEC, Door, Stack

from ratchet.aws import Aws
from ratchet.aws.signed import send_signed
from ratchet.errors import ConflictError
from ratchet.laptop.fault import LOSE_EVERY_ANSWER_ONCE, Faults
from ratchet.registry import Stage
from ratchet.rollout import Phase
from ratchet.rollout.plan import Verb

OWNER = ("test", "test")
# What a release changes, each of them at least once.
LOST = {
    "dynamodb:PutItem",
    "dynamodb:TransactWriteItems",
    "ecs:RegisterTaskDefinition",
    "ecs:UpdateService",
    "lambda:Invoke",
    "lambda:PublishVersion",
    "lambda:UpdateAlias",
    "lambda:UpdateFunctionConfiguration",
    "s3:PutObject",
}


@pytest.fixture
def champion(stack: Stack):
    """The version that serves everywhere; the first one goes live where nothing was."""
    found = stack.registry.champion(MODEL)
    if found is None:
        found = stack.crown(stack.approved())
    assert stack.digests() == {found.digest}
    return found


def test_a_first_release_that_fails_leaves_nothing_serving(stack):
    if stack.registry.champion(MODEL):
        pytest.skip("only an empty stack can show this; run this file from its beginning")
    broken = stack.approved(ecs="wrong")
    stack.begin(broken)
    progress = stack.drive(broken)
    assert progress.phase is Phase.DEGRADED
    assert "said '?'" in progress.message
    assert stack.digests() == {None}
    service = stack.live()["ecs"]["details"]
    assert (service["desired_count"], service["running"]) == (0, 0)


def test_a_release_reaches_both_targets_and_status_tells_so(stack, champion):
    live = stack.live()
    assert {state["version"] for state in live.values()} == {str(champion.version)}
    assert {state["digest"] for state in live.values()} == {champion.digest}
    assert (live["ecs"]["details"]["running"], live["ecs"]["details"]["healthy"]) == (1, 1)
    assert live["ecs"]["details"]["url"] == stack.deployment.service_url
    assert live["lambda"]["details"]["weights"] == {}
    assert stack.registry.champion(MODEL).version == champion.version


@pytest.fixture
def orchestrator(stack, champion, monkeypatch):
    """The product's own door, with its retries, in a session of the role that Airflow has; IAM is enforced."""
    owner = stack.aws
    iam, role = owner.client("iam"), "orchestrator"
    (policy,) = [p for p in iam.list_policies(Scope="Local")["Policies"] if "Orchestrator" in p["PolicyName"]]
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    iam.attach_role_policy(RoleName=role, PolicyArn=policy["Arn"])
    session = owner.client("sts").assume_role(RoleArn=arn, RoleSessionName="airflow")["Credentials"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", stack.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", session["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", session["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", session["SessionToken"])
    send_signed("DELETE", f"{stack.url}/_localcloud/calls", region=owner.region, key=OWNER)
    stack.go_through(Aws(owner.region))
    yield arn
    stack.go_through(owner)


def count_revisions(stack: Stack, owner) -> dict[str, int]:
    deployment = stack.deployment
    versions = owner.client("lambda").list_versions_by_function(FunctionName=deployment.function_name)["Versions"]
    family = deployment.service_task_family
    definitions = owner.client("ecs").list_task_definitions(familyPrefix=family)["taskDefinitionArns"]
    return {"function": len(versions), "task definition": len(definitions)}


def test_a_release_whose_every_answer_is_lost_once_does_nothing_twice_and_needs_no_more_than_its_role(
    stack, champion, orchestrator
):
    owner = Door(stack.url)
    faults = Faults(stack.url, stack.aws.region, OWNER)
    before = count_revisions(stack, owner)
    faults.add(LOSE_EVERY_ANSWER_ONCE)
    try:
        crowned = stack.crown(stack.approved())
        (fault,) = faults.list()
    finally:
        faults.clear()
    assert set(fault["hit"]) >= LOST
    assert set(fault["hit"].values()) == {1}
    assert stack.registry.champion(MODEL).version == crowned.version
    assert stack.registry.get(MODEL, champion.version).stage is Stage.RETIRED
    assert stack.registry.verify_history(MODEL).intact
    assert stack.digests() == {crowned.digest}
    assert count_revisions(stack, owner) == {name: count + 1 for name, count in before.items()}
    _, found = send_signed("GET", f"{stack.url}/_localcloud/calls", region=stack.aws.region, key=OWNER)
    calls = [entry for entry in found["calls"] if ":role/" in entry["principal"]]
    assert [entry for entry in calls if not entry["granted"]] == []
    used = {entry["action"] for entry in calls if entry["principal"] == orchestrator}
    assert {"dynamodb:PutItem", "ecs:UpdateService", "iam:PassRole", "lambda:InvokeFunction", "s3:PutObject"} <= used
    unused = granted_actions(owner) - used
    assert unused, "a release uses all that the whole loop is granted: then this list means nothing"
    print("granted to the orchestrator and not used by a release:", ", ".join(sorted(unused)))


def granted_actions(owner) -> set[str]:
    """Every action that the orchestrator's policy allows."""
    iam = owner.client("iam")
    (policy,) = iam.list_attached_role_policies(RoleName="orchestrator")["AttachedPolicies"]
    version = iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)["PolicyVersion"]["Document"]
    actions = [statement["Action"] for statement in document["Statement"]]
    return {action for entry in actions for action in ([entry] if isinstance(entry, str) else entry)}


@pytest.mark.parametrize(
    ("target", "fault", "told"),
    [
        ("lambda", "wrong", "said '?'"),
        ("lambda", "error", "cannot predict"),
        ("lambda", "raise", "cannot predict"),
        ("lambda", "crash", "try lambda"),
        ("ecs", "wrong", "said '?'"),
        ("ecs", "error", "HTTP 500"),
        ("ecs", "crash", "shift 100 % of ecs"),
    ],
)
def test_a_fault_in_one_target_sends_both_back(stack, champion, target, fault, told):
    before = stack.live()
    broken = stack.approved(**{target: fault})
    stack.begin(broken)
    progress = stack.drive(broken)
    assert (progress.phase, progress.succeeded) == (Phase.DEGRADED, False)
    assert told in progress.message
    assert f"serves version {champion.version}" in progress.message
    assert stack.registry.get(MODEL, broken.version).stage is Stage.ROLLED_BACK
    after = stack.live()
    assert {state["digest"] for state in after.values()} == {champion.digest}
    assert after["ecs"]["details"] == before["ecs"]["details"]
    assert after["lambda"]["details"] == before["lambda"]["details"]


def test_an_alarm_of_the_stack_sends_both_back(stack, champion):
    cloudwatch = stack.aws.client("cloudwatch")
    name = stack.deployment.alarm_names.split(",")[2]
    candidate = stack.approved()
    stack.begin(candidate, SPEC.model_copy(update={"bake_seconds": 60}))
    while "bake" not in (progress := stack.releases.open(MODEL, candidate.version).advance()).step:
        assert not progress.done, progress
        time.sleep(0.2)
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="by hand")
    try:
        # The next evaluation takes the state back; the release has looked long before.
        progress = stack.drive(candidate)
    finally:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="by hand")
    assert f"bake lambda at 30 %: the alarm {name} rings" in progress.message
    assert stack.digests() == {champion.digest}


def test_a_service_that_never_gets_healthy_runs_out_of_time(stack, champion):
    broken = stack.approved(ecs="unhealthy")
    stack.begin(broken, SPEC.model_copy(update={"health_timeout_seconds": 30}))
    progress = stack.drive(broken)
    assert "ecs" in progress.message
    assert stack.digests() == {champion.digest}


def test_the_alias_shares_its_traffic_first_and_users_see_no_error(stack, champion):
    candidate = stack.approved()
    stack.begin(candidate)
    failures, ended, shares = [], threading.Event(), set()

    def use() -> None:
        url = f"{stack.deployment.service_url}/predict"
        while not ended.is_set():
            try:
                with urllib.request.urlopen(url, data=b"7", timeout=10) as answer:
                    answer.read()
            except OSError as error:
                failures.append(error)

    users = [threading.Thread(target=use) for _ in range(2)]
    for user in users:
        user.start()
    try:
        while not stack.releases.open(MODEL, candidate.version).advance().done:
            shares.add(tuple(stack.live()["lambda"]["details"]["weights"].values()))
            time.sleep(0.2)
    finally:
        ended.set()
        for user in users:
            user.join()
    assert failures == []
    assert shares == {(), (0.3,)}
    assert stack.digests() == {candidate.digest}
    stack.releases.promote(MODEL, candidate.version, actor="run")


@pytest.mark.parametrize("verb", [Verb.PREPARE, Verb.SHIFT, Verb.CHECK])
def test_another_process_goes_on_where_one_was_killed(stack, champion, verb):
    candidate = stack.approved()
    stack.begin(candidate)
    revisions = len(published(stack))
    while stack.releases.open(MODEL, candidate.version).rollout.due.verb is not verb:
        stack.releases.open(MODEL, candidate.version).advance()
    # The effect happened, the record was not written: the process ended between the two.
    release = stack.releases.open(MODEL, candidate.version)
    release._attempt()
    assert stack.drive(candidate).succeeded
    assert len(published(stack)) == revisions + 1
    assert stack.digests() == {candidate.digest}
    stack.releases.promote(MODEL, candidate.version, actor="run")


def test_the_same_model_released_again_makes_no_new_revision(stack, champion):
    stack.crown(stack.approved())
    assert stack.registry.get(MODEL, champion.version).stage is Stage.RETIRED
    before = published(stack), definitions(stack)
    stack.crown(champion)
    assert stack.digests() == {champion.digest}
    assert (published(stack), definitions(stack)) == before


def test_a_second_release_waits_for_the_first(stack, champion):
    first, second = stack.approved(), stack.approved()
    stack.begin(first)
    with pytest.raises(ConflictError, match="wait for its end"):
        stack.begin(second)
    assert stack.releases.open(MODEL, first.version).abort("stopped by a person").done
    assert stack.digests() == {champion.digest}
    stack.crown(second)
    assert stack.digests() == {second.digest}


def test_other_variables_of_the_serving_processes_stay(stack, champion):
    definition = stack.live()["ecs"]["details"]["task_definition"]
    found = stack.aws.client("ecs").describe_task_definition(taskDefinition=definition)["taskDefinition"]
    service = {pair["name"] for pair in found["containerDefinitions"][0]["environment"]}
    version = stack.live()["lambda"]["details"]["function_version"]
    function = stack.aws.client("lambda").get_function_configuration(
        FunctionName=stack.deployment.function_name, Qualifier=version
    )["Environment"]["Variables"]
    assert {"PORT", "RATCHET_FETCH_ALLOWED_HOSTS"} < service
    assert set(function) - {"RATCHET_FETCH_ALLOWED_HOSTS"} == {
        name for name in service if name.startswith("RATCHET_MODEL_")
    }


def published(stack) -> list[str]:
    pages = stack.aws.client("lambda").get_paginator("list_versions_by_function")
    return [
        entry["Version"]
        for page in pages.paginate(FunctionName=stack.deployment.function_name)
        for entry in page["Versions"]
    ]


def definitions(stack) -> list[str]:
    family = stack.deployment.service_task_family
    found = stack.aws.client("ecs").list_task_definitions(familyPrefix=family)["taskDefinitionArns"]
    return sorted(found)
