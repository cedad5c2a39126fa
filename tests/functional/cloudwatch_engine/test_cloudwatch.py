"""CloudWatch through boto3: statistics, alarms that move and act, composite alarms, metrics in log lines."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ratchet.laptop.process import poll_until

LIMIT_SECONDS = 30.0


def last_minute() -> datetime:
    """The middle of the last minute that is over for alarms."""
    return datetime.fromtimestamp((time.time() - 2) // 60 * 60 - 30, UTC)


@pytest.fixture
def cloudwatch(client):
    return client("cloudwatch")


def put(cloudwatch: Any, name: str, *values: float, at: datetime | None = None, **more: Any) -> None:
    datum = {"MetricName": name, "Values": list(values), "Timestamp": at or last_minute(), **more}
    cloudwatch.put_metric_data(Namespace="Tests", MetricData=[datum])


def put_alarm(cloudwatch: Any, name: str, **more: Any) -> None:
    request = {
        "AlarmName": name,
        "Namespace": "Tests",
        "MetricName": name,
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    cloudwatch.put_metric_alarm(**{key: value for key, value in (request | more).items() if value is not None})


def describe(cloudwatch: Any, name: str) -> dict[str, Any]:
    types = ["MetricAlarm", "CompositeAlarm"]
    found = cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=types)
    return (found["MetricAlarms"] + found["CompositeAlarms"])[0]


def wait_state(cloudwatch: Any, name: str, state: str) -> dict[str, Any]:
    for _ in poll_until(LIMIT_SECONDS):
        alarm = describe(cloudwatch, name)
        if alarm["StateValue"] == state:
            return alarm
    raise AssertionError(f"{name} is {alarm['StateValue']}, not {state}")


def test_a_breach_alarms_and_the_topic_says_so(client, cloudwatch):
    topic = client("sns").create_topic(Name="alarms")["TopicArn"]
    queue = client("sqs").create_queue(QueueName="alarms")["QueueUrl"]
    queue_arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    put(cloudwatch, "errors", 4.0, 5.0)
    put_alarm(cloudwatch, "errors", AlarmActions=[topic])
    assert describe(cloudwatch, "errors")["StateValue"] in {"INSUFFICIENT_DATA", "ALARM"}
    alarm = wait_state(cloudwatch, "errors", "ALARM")
    assert alarm["StateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoint [9.0 (")
    data = json.loads(alarm["StateReasonData"])
    assert (data["statistic"], data["period"], data["recentDatapoints"]) == ("Sum", 60, [9.0])
    body = client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"][0]["Body"]
    envelope = json.loads(body)
    message = json.loads(envelope["Message"])
    assert envelope["Subject"] == 'ALARM: "errors" in US East (N. Virginia)'
    assert (message["OldStateValue"], message["NewStateValue"]) == ("INSUFFICIENT_DATA", "ALARM")
    assert message["Trigger"]["MetricName"] == "errors"
    history = cloudwatch.describe_alarm_history(AlarmName="errors")["AlarmHistoryItems"]
    kinds = [item["HistoryItemType"] for item in history]
    assert kinds == ["Action", "StateUpdate", "ConfigurationUpdate"]
    assert history[0]["HistorySummary"] == f"Successfully executed action {topic}"


def test_an_alarm_returns_when_the_breach_is_over(cloudwatch):
    put(cloudwatch, "again", 9.0)
    put_alarm(cloudwatch, "again")
    wait_state(cloudwatch, "again", "ALARM")
    put_alarm(cloudwatch, "again", Threshold=100)
    assert wait_state(cloudwatch, "again", "OK")["StateReason"].startswith("Threshold Crossed")


def test_an_alarm_without_any_data_lacks_data_and_says_so(cloudwatch):
    put_alarm(cloudwatch, "silent", TreatMissingData="missing")
    cloudwatch.set_alarm_state(AlarmName="silent", StateValue="OK", StateReason="by hand")
    put_alarm(cloudwatch, "silent", TreatMissingData="missing")
    alarm = wait_state(cloudwatch, "silent", "INSUFFICIENT_DATA")
    assert alarm["StateReason"].startswith(("Insufficient Data: 1 datapoint was unknown.", "Unchecked"))


def test_alarms_look_at_percentiles(cloudwatch):
    put(cloudwatch, "latency", *[float(value) for value in range(1, 101)])
    put_alarm(cloudwatch, "latency", Statistic=None, ExtendedStatistic="p99", Threshold=99)
    wait_state(cloudwatch, "latency", "ALARM")
    put_alarm(cloudwatch, "latency", Statistic=None, ExtendedStatistic="p50", Threshold=99)
    wait_state(cloudwatch, "latency", "OK")


def test_alarms_look_at_math(cloudwatch):
    put(cloudwatch, "faults", 3.0)
    put(cloudwatch, "requests", 10.0)

    def stat(name: str) -> dict[str, Any]:
        metric = {"Namespace": "Tests", "MetricName": name}
        return {"Id": name, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False}

    share = {"Id": "share", "Expression": "100 * faults / requests"}
    cloudwatch.put_metric_alarm(
        AlarmName="share",
        Metrics=[stat("faults"), stat("requests"), share],
        EvaluationPeriods=1,
        Threshold=20,
        ComparisonOperator="GreaterThanThreshold",
    )
    assert "[30.0 (" in wait_state(cloudwatch, "share", "ALARM")["StateReason"]


def test_a_composite_alarm_follows_its_parts(cloudwatch):
    for name in ("left", "right"):
        put_alarm(cloudwatch, name, TreatMissingData="ignore")
    cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule="ALARM(left) AND ALARM(right)")
    wait_state(cloudwatch, "both", "OK")
    for name in ("left", "right"):
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="by hand")
    wait_state(cloudwatch, "both", "ALARM")
    assert "both" not in [alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]]


def test_alarms_with_periods_of_ten_seconds_move_within_a_few(cloudwatch):
    name = "quick"
    put_alarm(cloudwatch, name, Period=10)
    wait_state(cloudwatch, name, "OK")
    cloudwatch.put_metric_data(
        Namespace="Tests", MetricData=[{"MetricName": name, "Value": 9.0, "StorageResolution": 1}]
    )
    wait_state(cloudwatch, name, "ALARM")


def test_actions_that_cannot_be_carried_out_are_in_the_history(cloudwatch):
    action = "arn:aws:ssm:us-east-1:123456789012:opsitem:1"
    put_alarm(cloudwatch, "ops", AlarmActions=[action], TreatMissingData="ignore")
    cloudwatch.set_alarm_state(AlarmName="ops", StateValue="ALARM", StateReason="by hand")
    for _ in poll_until(LIMIT_SECONDS):
        items = cloudwatch.describe_alarm_history(AlarmName="ops", HistoryItemType="Action")["AlarmHistoryItems"]
        if items:
            break
    assert items[0]["HistorySummary"] == f"Failed to execute action {action}"


@pytest.mark.parametrize(
    "changes",
    [
        {"Period": 45},
        {"DatapointsToAlarm": 2},
        {"EvaluationPeriods": 20000},
        {"Statistic": None, "ExtendedStatistic": "p200"},
        {"Statistic": None},
        {"ComparisonOperator": "GreaterThanUpperThreshold", "Threshold": None, "ThresholdMetricId": "a"},
    ],
)
def test_alarms_that_cannot_be_evaluated_are_refused(cloudwatch, changes):
    with pytest.raises(ClientError) as refused:
        put_alarm(cloudwatch, "refused", **changes)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert cloudwatch.describe_alarms(AlarmNames=["refused"])["MetricAlarms"] == []


def test_statistics_and_percentiles_are_answered_by_unit(cloudwatch):
    at = last_minute()
    put(cloudwatch, "size", 1.0, 2.0, 3.0, 4.0, at=at, Unit="Bytes")
    put(cloudwatch, "size", 10.0, at=at, Unit="Count")
    asked = {
        "Namespace": "Tests",
        "MetricName": "size",
        "StartTime": at - timedelta(minutes=5),
        "EndTime": at + timedelta(minutes=5),
        "Period": 60,
    }
    points = cloudwatch.get_metric_statistics(**asked, Statistics=["Average", "Maximum"])["Datapoints"]
    assert sorted((point["Unit"], point["Average"]) for point in points) == [("Bytes", 2.5), ("Count", 10.0)]
    found = cloudwatch.get_metric_statistics(**asked, Unit="Bytes", ExtendedStatistics=["p50", "p99"])["Datapoints"]
    assert found[0]["ExtendedStatistics"] == {"p50": 2.5, "p99": pytest.approx(3.97)}
    assert found[0]["Timestamp"] == at.replace(second=0, microsecond=0)


def test_data_of_several_queries_come_in_periods(cloudwatch):
    minute = last_minute()
    for back, value in enumerate([1.0, 2.0, 4.0]):
        put(cloudwatch, "steps", value, at=minute - timedelta(minutes=back))
    stat = {"Metric": {"Namespace": "Tests", "MetricName": "steps"}, "Period": 60, "Stat": "Sum"}
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[
            {"Id": "m", "MetricStat": stat, "ReturnData": False},
            {"Id": "double", "Expression": "m * 2", "Label": "twice"},
        ],
        StartTime=minute - timedelta(minutes=10),
        EndTime=minute + timedelta(minutes=1),
        ScanBy="TimestampAscending",
    )["MetricDataResults"]
    assert [(result["Id"], result["Label"], result["Values"]) for result in answer] == [
        ("double", "twice", [8.0, 4.0, 2.0])
    ]


def test_metrics_are_listed_once_each(cloudwatch):
    dimensions = [{"Name": "Model", "Value": "digits"}]
    put(cloudwatch, "listed", 1.0, Dimensions=dimensions)
    put(cloudwatch, "listed", 2.0, Dimensions=dimensions)
    found = cloudwatch.list_metrics(Namespace="Tests", MetricName="listed", Dimensions=[{"Name": "Model"}])["Metrics"]
    assert found == [{"Namespace": "Tests", "MetricName": "listed", "Dimensions": dimensions}]


def test_samples_from_another_age_are_refused(cloudwatch):
    with pytest.raises(ClientError, match="two weeks"):
        put(cloudwatch, "old", 1.0, at=datetime.now(UTC) - timedelta(days=15))


def test_metrics_in_log_lines_count_and_broken_ones_do_not_hurt(client, cloudwatch):
    logs = client("logs")
    logs.create_log_group(logGroupName="/tests/emf")
    logs.create_log_stream(logGroupName="/tests/emf", logStreamName="s")
    now = int(time.time() * 1000)
    directive = {
        "Namespace": "Embedded",
        "Dimensions": [["Model"]],
        "Metrics": [{"Name": "Confidence", "Unit": "None"}],
    }
    good = {"_aws": {"Timestamp": now, "CloudWatchMetrics": [directive]}, "Model": "digits", "Confidence": 0.75}
    broken = {**good, "Confidence": "high"}
    lines = [{"timestamp": now, "message": json.dumps(line)} for line in (broken, good)]
    logs.put_log_events(logGroupName="/tests/emf", logStreamName="s", logEvents=lines)
    points = cloudwatch.get_metric_statistics(
        Namespace="Embedded",
        MetricName="Confidence",
        Dimensions=[{"Name": "Model", "Value": "digits"}],
        StartTime=datetime.now(UTC) - timedelta(minutes=5),
        EndTime=datetime.now(UTC) + timedelta(minutes=5),
        Period=60,
        Statistics=["Average", "SampleCount"],
    )["Datapoints"]
    assert [(point["Average"], point["SampleCount"]) for point in points] == [(0.75, 1.0)]


def test_queues_tell_how_much_lies_in_them(client, cloudwatch):
    queue = client("sqs").create_queue(QueueName="watched")["QueueUrl"]
    client("sqs").send_message(QueueUrl=queue, MessageBody="x")
    for _ in poll_until(LIMIT_SECONDS):
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/SQS",
            MetricName="ApproximateNumberOfMessagesVisible",
            Dimensions=[{"Name": "QueueName", "Value": "watched"}],
            StartTime=datetime.now(UTC) - timedelta(minutes=5),
            EndTime=datetime.now(UTC) + timedelta(minutes=5),
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        if points and points[-1]["Maximum"] == 1.0:
            return
    raise AssertionError("the queue's level was never seen")
