"""What Lambda counts when functions really run, and the metrics that they print."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

from localcloud.runtime import ROOT

pytestmark = [
    pytest.mark.mxnet,
    pytest.mark.skipif(not (ROOT / ".venv-mxnet").is_dir(), reason="there is no .venv-mxnet"),
]
CODE = """
import json, time

def handler(event, context):
    if event.get("fail"):
        raise ValueError("as asked")
    block = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [
        {"Namespace": "Shop", "Dimensions": [["Model"]], "Metrics": [{"Name": "Orders", "Unit": "Count"}]}]}
    print(json.dumps({"_aws": block, "Model": "digits", "Orders": 3}))
    return "done"
"""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def total(cloudwatch, namespace, name, *, statistic="Sum", **dimensions):
    points = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=datetime.now(UTC) - timedelta(minutes=5),
        EndTime=datetime.now(UTC) + timedelta(minutes=5),
        Period=300,
        Statistics=[statistic],
    )["Datapoints"]
    return sum(point[statistic] for point in points)


def test_invocations_errors_and_printed_metrics_are_counted(client):
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("shop.py", CODE)
    functions, cloudwatch = client("lambda"), client("cloudwatch")
    role = client("iam").create_role(RoleName="functions", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    code = {"ZipFile": package.getvalue()}
    functions.create_function(FunctionName="shop", Runtime="python3.11", Handler="shop.handler", Role=role, Code=code)
    functions.get_waiter("function_active_v2").wait(FunctionName="shop", WaiterConfig={"Delay": 1})
    version = functions.publish_version(FunctionName="shop")["Version"]
    functions.create_alias(FunctionName="shop", Name="live", FunctionVersion=version)
    for event in ({}, {}, {"fail": True}):
        functions.invoke(FunctionName="shop", Qualifier="live", Payload=json.dumps(event))
    assert total(cloudwatch, "AWS/Lambda", "Invocations", FunctionName="shop") == 3
    assert total(cloudwatch, "AWS/Lambda", "Errors", FunctionName="shop") == 1
    by_version = {"FunctionName": "shop", "Resource": "shop:live", "ExecutedVersion": version}
    assert total(cloudwatch, "AWS/Lambda", "Errors", **by_version) == 1
    assert total(cloudwatch, "AWS/Lambda", "Duration", FunctionName="shop") > 0
    assert total(cloudwatch, "AWS/Lambda", "ConcurrentExecutions", statistic="Maximum", FunctionName="shop") == 1
    assert total(cloudwatch, "Shop", "Orders", Model="digits") == 6
    functions.put_function_concurrency(FunctionName="shop", ReservedConcurrentExecutions=0)
    with pytest.raises(functions.exceptions.TooManyRequestsException):
        functions.invoke(FunctionName="shop", Qualifier="live")
    assert total(cloudwatch, "AWS/Lambda", "Throttles", FunctionName="shop") >= 1
    assert total(cloudwatch, "AWS/Lambda", "Invocations", FunctionName="shop") == 3
