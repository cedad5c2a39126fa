"""Versions never change, aliases split invocations by weight, and stale revisions are refused."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from lambda_cloud import IMAGE, Cloud

from localcloud.runtime import ROOT

pytestmark = [
    pytest.mark.mxnet,
    pytest.mark.skipif(not (ROOT / ".venv-mxnet").is_dir(), reason="there is no .venv-mxnet"),
]


def test_a_version_keeps_the_environment_it_was_published_with(cloud: Cloud) -> None:
    name = cloud.create()
    vanilla = cloud.publish(name, "vanilla")
    cocoa = cloud.publish(name, "cocoa")
    cloud.configure(name, Environment={"Variables": {"FLAVOUR": "mint"}}, Timeout=7)
    assert (vanilla, cocoa) == ("1", "2")
    found = {q: cloud.invoke(name, Qualifier=q) for q in ("1", "2", "$LATEST")}
    assert {q: answer.payload["flavour"] for q, answer in found.items()} == {
        "1": "vanilla",
        "2": "cocoa",
        "$LATEST": "mint",
    }
    assert {q: (answer.version, answer.payload["version"]) for q, answer in found.items()} == {
        q: (q, q) for q in ("1", "2", "$LATEST")
    }
    first = cloud.functions.get_function_configuration(FunctionName=name, Qualifier="1")
    assert (first["Timeout"], first["Environment"]["Variables"]) == (10, {"FLAVOUR": "vanilla"})


def test_a_version_keeps_its_image(cloud: Cloud) -> None:
    name = cloud.create()
    cloud.publish(name, "plain")
    other = IMAGE.replace(":1", ":2")
    cloud.functions.update_function_code(FunctionName=name, ImageUri=other)
    cloud.settle(name)
    images = {
        q: cloud.functions.get_function(FunctionName=name, Qualifier=q)["Code"]["ImageUri"] for q in ("1", "$LATEST")
    }
    assert images == {"1": IMAGE, "$LATEST": other}


def test_publishing_twice_without_a_change_gives_the_same_version(cloud: Cloud) -> None:
    name = cloud.create()
    first = cloud.functions.publish_version(FunctionName=name)
    again = cloud.functions.publish_version(FunctionName=name, Description="again")
    assert (first["Version"], first["State"]) == ("1", "Pending")
    assert (again["Version"], again["State"], again["RevisionId"]) == ("1", "Active", first["RevisionId"])
    assert cloud.publish(name, "new") == "2"
    versions = cloud.functions.list_versions_by_function(FunctionName=name)["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST", "1", "2"]


def test_a_deleted_versions_number_is_not_used_again(cloud: Cloud) -> None:
    name = cloud.create()
    cloud.publish(name, "one")
    cloud.functions.delete_function(FunctionName=name, Qualifier="1")
    assert cloud.publish(name, "two") == "2"


def test_an_update_is_seen_in_progress_and_invocations_run_what_was_there_before(cloud: Cloud) -> None:
    name = cloud.create(Environment={"Variables": {"FLAVOUR": "old"}})
    with cloud.clock.stop():
        changed = cloud.functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": {"FLAVOUR": "new"}}
        )
        assert changed["LastUpdateStatus"] == "InProgress"
        with pytest.raises(ClientError, match=r"ResourceConflictException.*update is in progress"):
            cloud.functions.publish_version(FunctionName=name)
        assert cloud.invoke(name).payload["flavour"] == "old"
    settled = cloud.settle(name)
    assert cloud.invoke(name).payload["flavour"] == "new"
    # As on AWS the revision moves once more when the update has settled.
    assert settled["RevisionId"] != changed["RevisionId"]


def test_stale_revisions_are_refused(cloud: Cloud) -> None:
    name = cloud.create()
    stale = cloud.settle(name)["RevisionId"]
    current = cloud.configure(name, MemorySize=512)["RevisionId"]
    for call, more in (
        (cloud.functions.update_function_configuration, {"Timeout": 3}),
        (cloud.functions.update_function_code, {"ImageUri": IMAGE}),
        (cloud.functions.publish_version, {}),
    ):
        with pytest.raises(ClientError) as caught:
            call(FunctionName=name, RevisionId=stale, **more)
        assert caught.value.response["Error"]["Code"] == "PreconditionFailedException"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert cloud.functions.publish_version(FunctionName=name, RevisionId=current)["Version"] == "1"


def test_of_several_updates_with_one_revision_one_wins(cloud: Cloud) -> None:
    name = cloud.create()
    cloud.publish(name, "a")
    alias = cloud.functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")

    def update(number: int) -> str:
        try:
            cloud.functions.update_alias(
                FunctionName=name, Name="live", Description=str(number), RevisionId=alias["RevisionId"]
            )
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "won"

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(update, range(8))) == {"won": 1, "PreconditionFailedException": 7}


def test_publishing_other_code_than_expected_is_refused(cloud: Cloud) -> None:
    name = cloud.create()
    digest = cloud.settle(name)["CodeSha256"]
    with pytest.raises(ClientError, match=r"InvalidParameterValueException.*different from current CodeSHA256"):
        cloud.functions.publish_version(FunctionName=name, CodeSha256="0" * 64)
    assert cloud.functions.publish_version(FunctionName=name, CodeSha256=digest)["CodeSha256"] == digest


def test_an_alias_routes_by_weight(cloud: Cloud) -> None:
    name = cloud.create()
    cloud.publish(name, "old")
    cloud.publish(name, "new")
    cloud.functions.create_alias(
        FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}}
    )
    answers = [cloud.invoke(name, Qualifier="live") for _ in range(200)]
    counts = Counter(answer.version for answer in answers)
    assert set(counts) == {"1", "2"}
    assert 25 <= counts["2"] <= 80
    assert {(answer.version, answer.payload["flavour"]) for answer in answers} == {("1", "old"), ("2", "new")}
    assert answers[0].payload["arn"].endswith(f":function:{name}:live")


def test_an_alias_without_weights_routes_everything_to_its_version(cloud: Cloud) -> None:
    name = cloud.create()
    cloud.publish(name, "old")
    cloud.publish(name, "new")
    cloud.functions.create_alias(
        FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}}
    )
    with pytest.raises(ClientError, match="already included in routing configuration"):
        cloud.functions.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    moved = cloud.functions.update_alias(
        FunctionName=name, Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    assert "RoutingConfig" not in moved
    assert {cloud.invoke(f"{name}:live").version for _ in range(20)} == {"2"}
    assert cloud.functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"] == "2"


@pytest.mark.parametrize(
    ("version", "weights", "code"),
    [
        ("1", {"2": 1.5}, "ValidationException"),
        ("1", {"2": 0.1, "3": 0.1}, "InvalidParameterValueException"),
        ("1", {"1": 0.1}, "InvalidParameterValueException"),
        ("$LATEST", {"2": 0.1}, "InvalidParameterValueException"),
        ("1", {"9": 0.1}, "ResourceNotFoundException"),
        ("9", {}, "ResourceNotFoundException"),
        ("live", {}, "ValidationException"),
    ],
)
def test_routing_that_aws_refuses_is_refused(cloud: Cloud, version: str, weights: dict[str, float], code: str) -> None:
    name = cloud.create()
    for flavour in "abc":
        cloud.publish(name, flavour)
    with pytest.raises(ClientError) as caught:
        cloud.functions.create_alias(
            FunctionName=name,
            Name="canary",
            FunctionVersion=version,
            RoutingConfig={"AdditionalVersionWeights": weights},
        )
    assert caught.value.response["Error"]["Code"] == code


def test_a_version_that_an_alias_uses_cannot_be_deleted(cloud: Cloud) -> None:
    name = cloud.create()
    cloud.publish(name, "a")
    cloud.functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    with pytest.raises(ClientError, match="ResourceConflictException"):
        cloud.functions.delete_function(FunctionName=name, Qualifier="1")
    cloud.functions.delete_alias(FunctionName=name, Name="live")
    cloud.functions.delete_function(FunctionName=name, Qualifier="1")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        cloud.invoke(name, Qualifier="1")


def test_a_function_cannot_be_made_twice(cloud: Cloud) -> None:
    name = cloud.create()
    with pytest.raises(ClientError, match="ResourceConflictException"):
        cloud.functions.create_function(
            FunctionName=name, Role=cloud.role, PackageType="Image", Code={"ImageUri": IMAGE}
        )


TEMPLATE = {
    "Parameters": {"Memory": {"Type": "Number", "Default": "512"}, "Flavour": {"Type": "String", "Default": "stack"}},
    "Resources": {
        "Serve": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": "from-a-template",
                "PackageType": "Image",
                "Code": {"ImageUri": IMAGE},
                "ImageConfig": {"Command": ["probe.handler"]},
                "Role": "arn:aws:iam::123456789012:role/probe",
                "MemorySize": {"Ref": "Memory"},
                "Timeout": 9,
                "Environment": {"Variables": {"FLAVOUR": {"Ref": "Flavour"}, "ON": True}},
                "Tags": [{"Key": "pipeline", "Value": "probe"}],
            },
        },
        "First": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "Serve"}}},
    },
    "Outputs": {
        "Version": {"Value": {"Fn::GetAtt": ["First", "Version"]}},
        "VersionArn": {"Value": {"Ref": "First"}},
        "Arn": {"Value": {"Fn::GetAtt": ["Serve", "Arn"]}},
    },
}


def test_a_template_makes_a_function_and_a_version_and_updates_them(cloud: Cloud) -> None:
    stacks = cloud.client("cloudformation")
    stacks.create_stack(StackName="probe", TemplateBody=json.dumps(TEMPLATE))
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks.describe_stacks()["Stacks"][0]["Outputs"]}
    assert outputs["Version"] == "1"
    assert outputs["VersionArn"] == outputs["Arn"] + ":1"
    found = cloud.functions.get_function_configuration(FunctionName="from-a-template")
    assert (found["PackageType"], found["MemorySize"], found["Timeout"], found["State"]) == ("Image", 512, 9, "Active")
    assert cloud.invoke("from-a-template", Qualifier="1").payload["flavour"] == "stack"

    stacks.update_stack(
        StackName="probe",
        TemplateBody=json.dumps(TEMPLATE),
        Parameters=[{"ParameterKey": "Flavour", "ParameterValue": "changed"}],
    )
    assert cloud.invoke("from-a-template").payload["flavour"] == "changed"
    assert cloud.invoke("from-a-template", Qualifier="1").payload["flavour"] == "stack"

    stacks.delete_stack(StackName="probe")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        cloud.invoke("from-a-template")
