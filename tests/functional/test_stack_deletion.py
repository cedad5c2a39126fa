"""DeleteStack on localcloud: everything goes but what the template retains, and what cannot go is named."""

import json
import socket
from pathlib import Path

import boto3
import pytest

from localcloud.server import LocalCloud

TEMPLATE = Path(__file__).parents[2] / "infra" / "ratchet.yaml"
FULL_BUCKET = {
    "Resources": {
        "Store": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "store"}},
        "Letters": {"Type": "AWS::SQS::Queue"},
    },
    "Outputs": {"Name": {"Value": {"Ref": "Store"}, "Export": {"Name": "store-name"}}},
}


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    with LocalCloud(home=tmp_path_factory.mktemp("home")) as cloud:
        keys = {"region_name": "us-east-1", "endpoint_url": cloud.url} | {
            name.lower(): value for name, value in cloud.access_key.variables().items()
        }
        yield lambda service: boto3.client(service, **keys)


def test_the_product_s_stack_goes_and_leaves_only_what_it_retains(clients):
    ec2, cloudformation = clients("ec2"), clients("cloudformation")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [found["SubnetId"] for found in ec2.describe_subnets()["Subnets"] if found["VpcId"] == vpc]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    values = {"VpcId": vpc, "SubnetIds": ",".join(subnets[:2]), "ListenerPort": str(port)}
    cloudformation.create_stack(
        StackName="whole",
        TemplateBody=TEMPLATE.read_text("utf-8"),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
    )
    assert clients("lambda").list_functions()["Functions"]
    cloudformation.delete_stack(StackName="whole")
    (told,) = cloudformation.list_stacks()["StackSummaries"]
    assert told["StackStatus"] == "DELETE_COMPLETE"
    assert clients("lambda").list_functions()["Functions"] == []
    assert clients("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert clients("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert len(clients("s3").list_buckets()["Buckets"]) == 3
    assert len(clients("dynamodb").list_tables()["TableNames"]) == 2


def test_a_stack_whose_bucket_holds_something_stays_and_says_why_until_the_bucket_is_empty(clients):
    cloudformation, s3 = clients("cloudformation"), clients("s3")
    cloudformation.create_stack(StackName="full", TemplateBody=json.dumps(FULL_BUCKET))
    s3.put_object(Bucket="store", Key="kept", Body=b"")
    cloudformation.delete_stack(StackName="full")
    assert cloudformation.describe_stacks(StackName="full")["Stacks"][0]["StackStatus"] == "DELETE_FAILED"
    newest = cloudformation.describe_stack_events(StackName="full")["StackEvents"][0]
    assert newest["ResourceStatusReason"].startswith("The following resource(s) failed to delete: [Store (")
    assert [export["Name"] for export in cloudformation.list_exports()["Exports"]] == ["store-name"]
    assert "QueueUrls" not in clients("sqs").list_queues()
    s3.delete_object(Bucket="store", Key="kept")
    cloudformation.delete_stack(StackName="full")
    assert "full" not in {stack["StackName"] for stack in cloudformation.describe_stacks()["Stacks"]}
    assert cloudformation.list_exports()["Exports"] == []
