"""Functions really run: warm environments, the ways to fail, logs, and AWS's words for each."""

import json
import re
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from lambda_cloud import IMAGE, Cloud, has_ended, until

from localcloud.runtime import ROOT

pytestmark = [
    pytest.mark.mxnet,
    pytest.mark.skipif(not (ROOT / ".venv-mxnet").is_dir(), reason="there is no .venv-mxnet"),
]

MAIN = "from app.words import GREETING\ndef handler(event, context): return GREETING"
STATUS = re.compile(r"Status: (\w+)\tError Type: ([\w.]+)")


def test_the_second_invocation_finds_the_environment_of_the_first_warm(cloud: Cloud) -> None:
    name = cloud.create()
    cold, warm = cloud.invoke(name), cloud.invoke(name)
    assert (cold.payload["count"], warm.payload["count"]) == (1, 2)
    assert cold.payload["pid"] == warm.payload["pid"]
    assert "Init Duration:" in cold.log
    assert "Init Duration:" not in warm.log
    assert (warm.error, warm.version) == (None, "$LATEST")
    assert 0 < warm.payload["left_ms"] <= 10_000


def test_the_log_holds_what_lambda_and_the_function_say_in_order(cloud: Cloud) -> None:
    name = cloud.create()
    answer = cloud.invoke(name, {"verb": "print", "text": "five labels"})
    assert answer.payload["request"] == answer.request_id
    lines = cloud.read_log(name)
    assert lines[:4] == [
        "loading the probe",
        f"START RequestId: {answer.request_id} Version: $LATEST",
        "five labels",
        f"END RequestId: {answer.request_id}",
    ]
    assert re.fullmatch(
        rf"REPORT RequestId: {answer.request_id}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\t"
        r"Memory Size: 256 MB\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms",
        lines[4],
    )
    assert answer.log.splitlines() == lines[1:]


def test_the_tail_is_the_last_4_kib_of_one_invocation(cloud: Cloud) -> None:
    name = cloud.create()
    cloud.invoke(name, {"verb": "print", "text": "before"})
    answer = cloud.invoke(name, {"verb": "print", "text": "\n".join(f"line {n:04}" for n in range(1000))})
    assert len(answer.log) == 4096
    assert answer.log.splitlines()[-3] == "line 0999"


def test_a_function_that_takes_too_long_is_ended_and_replaced(cloud: Cloud) -> None:
    name = cloud.create(Timeout=1)
    before = cloud.invoke(name).payload["pid"]
    answer = cloud.invoke(name, {"verb": "sleep", "seconds": 60})
    assert answer.error == "Unhandled"
    assert answer.payload == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {answer.request_id} Error: Task timed out after 1.00 seconds",
    }
    assert "Task timed out after 1.00 seconds" in answer.log
    until(lambda: has_ended(before))
    after = cloud.invoke(name)
    assert (after.error, after.payload["count"]) == (None, 1)


def test_a_function_that_exits_is_an_exit_error(cloud: Cloud) -> None:
    name = cloud.create()
    answer = cloud.invoke(name, {"verb": "exit", "code": 3})
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "Runtime.ExitError"
    assert answer.payload["errorMessage"].endswith("Error: Runtime exited with error: exit status 3")
    assert cloud.invoke(name).error is None


def test_a_function_that_takes_too_much_memory_is_killed(cloud: Cloud) -> None:
    name = cloud.create(MemorySize=128)
    cloud.invoke(name)
    answer = cloud.invoke(name, {"verb": "eat", "mib": 300})
    assert answer.error == "Unhandled"
    assert answer.payload["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert STATUS.search(answer.log).groups() == ("error", "Runtime.OutOfMemory")
    assert cloud.invoke(name).error is None


def test_an_exception_leaves_the_environment_warm(cloud: Cloud) -> None:
    name = cloud.create()
    before = cloud.invoke(name).payload["pid"]
    answer = cloud.invoke(name, {"verb": "raise"})
    assert answer.error == "Unhandled"
    assert (answer.payload["errorType"], answer.payload["errorMessage"]) == ("ValueError", "no such thing")
    assert "[ERROR] ValueError: no such thing" in answer.log
    assert cloud.invoke(name).payload["pid"] == before


def test_a_handler_that_cannot_be_loaded_says_why(cloud: Cloud) -> None:
    name = cloud.create(ImageConfig={"Command": ["broken.handler"]})
    answer = cloud.invoke(name)
    assert answer.error == "Unhandled"
    assert (answer.payload["errorType"], answer.payload["errorMessage"]) == ("RuntimeError", "cannot load the model")


def test_a_response_over_the_limit_is_an_error(cloud: Cloud) -> None:
    answer = cloud.invoke(cloud.create(), {"verb": "big", "bytes": 6_291_556})
    assert (answer.error, answer.payload["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")


def test_a_request_over_the_limit_is_refused(cloud: Cloud) -> None:
    name = cloud.create()
    with pytest.raises(ClientError) as caught:
        cloud.invoke(name, "x" * 6_291_456)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert caught.value.response["Error"]["Code"] == "RequestEntityTooLargeException"


def test_a_request_that_is_not_json_is_refused(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="InvalidRequestContentException"):
        cloud.functions.invoke(FunctionName=cloud.create(), Payload=b"{five labels")


def test_parallel_invocations_have_an_environment_each(cloud: Cloud, tmp_path: Path) -> None:
    name = cloud.create()
    # Each waits until four have come: they can only end if they run side by side.
    met = cloud.invoke_all(name, [{"verb": "meet", "folder": str(tmp_path), "number": 4}] * 4)
    pids = {answer.payload["pid"] for answer in met}
    assert len(pids) == 4
    assert {answer.payload["pid"] for answer in cloud.invoke_all(name, [{}] * 8)} <= pids


def test_what_finds_no_environment_free_waits_for_one(cloud: Cloud) -> None:
    name = cloud.create()
    answers = cloud.invoke_all(name, [{"verb": "sleep", "seconds": 0.05}] * 12)
    assert [answer.error for answer in answers] == [None] * 12
    assert len({answer.payload["pid"] for answer in answers}) <= 4


def test_reserved_concurrency_of_zero_refuses_everything(cloud: Cloud) -> None:
    name = cloud.create()
    cloud.functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as caught:
        cloud.invoke(name)
    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429


def test_the_environment_variables_are_those_of_aws(cloud: Cloud) -> None:
    name = cloud.create(Environment={"Variables": {"FLAVOUR": "plain"}})
    found = cloud.invoke(name, {"verb": "environment"}).payload
    assert found["AWS_LAMBDA_LOG_STREAM_NAME"].split("]")[0].endswith("[$LATEST")
    assert found["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    expected = {
        "_HANDLER": "probe.handler",
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "FLAVOUR": "plain",
    }
    assert {key: found.get(key) for key in expected} == expected


def test_reserved_environment_variables_are_refused(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="Reserved keys used in this request: AWS_REGION"):
        cloud.create(Environment={"Variables": {"AWS_REGION": "moon-1"}})


def test_an_event_is_accepted_at_once_and_tried_again(cloud: Cloud, tmp_path: Path) -> None:
    name = cloud.create()
    marker = tmp_path / "marker"
    event = json.dumps({"verb": "fail once", "path": str(marker)})
    answer = cloud.functions.invoke(FunctionName=name, InvocationType="Event", Payload=event)
    assert answer["StatusCode"] == 202
    until(lambda: marker.exists() and marker.read_text() == "done")


def test_an_event_that_keeps_failing_is_given_up_after_two_retries(cloud: Cloud) -> None:
    name = cloud.create()
    event = json.dumps({"verb": "raise"})
    cloud.functions.invoke(FunctionName=name, InvocationType="Event", Payload=event)

    def count() -> int:
        return sum(line.startswith("END ") for line in _read_log_if_any(cloud, name))

    until(lambda: count() == 3)
    cloud.invoke(name)
    assert count() == 4


def test_an_object_that_arrives_runs_the_function(cloud: Cloud) -> None:
    name = cloud.create()
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="arrivals")
    arn = cloud.settle(name)["FunctionArn"]
    s3.put_bucket_notification_configuration(
        Bucket="arrivals",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    s3.put_object(Bucket="arrivals", Key="cat.jpg", Body=b"x")
    until(lambda: [line for line in _read_log_if_any(cloud, name) if line.startswith("END ")])


def test_a_queues_messages_are_gone_when_the_function_has_succeeded(cloud: Cloud) -> None:
    name = cloud.create()
    queues = cloud.client("sqs")
    queue = queues.create_queue(QueueName="labels")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    cloud.functions.create_event_source_mapping(FunctionName=name, EventSourceArn=arn)
    queues.send_message(QueueUrl=queue, MessageBody="cat")

    def is_done() -> bool:
        found = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        left = int(found["ApproximateNumberOfMessages"]) + int(found["ApproximateNumberOfMessagesNotVisible"])
        return left == 0 and any(line.startswith("END ") for line in _read_log_if_any(cloud, name))

    until(is_done)


def test_a_dry_run_runs_nothing(cloud: Cloud) -> None:
    name = cloud.create()
    assert cloud.functions.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    assert cloud.invoke(name).payload["count"] == 1


def test_an_image_that_nothing_stands_in_for_is_refused(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match=r"Source image elsewhere/unknown:1 does not exist.*runtimes\.toml"):
        cloud.create(Code={"ImageUri": "elsewhere/unknown:1"})


def test_a_zip_function_runs_with_its_managed_runtime(cloud: Cloud) -> None:
    package = pack({"app/main.py": MAIN, "app/words.py": "GREETING = 'good day'"})
    name = cloud.create(PackageType="Zip", Code={"ZipFile": package}, Runtime="python3.11", Handler="app.main.handler")
    assert cloud.invoke(name).payload == "good day"


def test_a_package_in_s3_is_taken_in_the_version_that_is_named(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="packages")
    s3.put_bucket_versioning(Bucket="packages", VersioningConfiguration={"Status": "Enabled"})
    versions = [
        s3.put_object(Bucket="packages", Key="f.zip", Body=pack({"f.py": f"def handler(*_): return {number}"}))[
            "VersionId"
        ]
        for number in (1, 2)
    ]
    code = {"S3Bucket": "packages", "S3Key": "f.zip", "S3ObjectVersion": versions[0]}
    name = cloud.create(PackageType="Zip", Code=code, Runtime="python3.11", Handler="f.handler")
    assert cloud.invoke(name).payload == 1
    cloud.functions.update_function_code(FunctionName=name, S3Bucket="packages", S3Key="f.zip")
    cloud.settle(name)
    assert cloud.invoke(name).payload == 2
    with pytest.raises(ClientError, match=r"InvalidParameterValueException.*does not exist"):
        cloud.functions.update_function_code(FunctionName=name, S3Bucket="packages", S3Key="g.zip")


def test_a_package_that_points_out_of_its_folder_is_refused(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="points out of its folder"):
        cloud.create(
            PackageType="Zip",
            Code={"ZipFile": pack({"../evil.py": "x = 1"})},
            Runtime="python3.11",
            Handler="evil.handler",
        )


def test_a_function_that_is_still_made_cannot_be_invoked(cloud: Cloud) -> None:
    with cloud.clock.stop():
        made = cloud.functions.create_function(
            FunctionName="too-early", Role=cloud.role, PackageType="Image", Code={"ImageUri": IMAGE}
        )
        assert (made["State"], made["StateReasonCode"]) == ("Pending", "Creating")
        with pytest.raises(ClientError, match=r"ResourceConflictException.*Pending"):
            cloud.invoke("too-early")
    cloud.settle("too-early")
    assert cloud.invoke("too-early").error is None


def test_deleting_a_function_ends_its_environments(cloud: Cloud) -> None:
    name = cloud.create()
    pid = cloud.invoke(name).payload["pid"]
    cloud.functions.delete_function(FunctionName=name)
    until(lambda: has_ended(pid))
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        cloud.invoke(name)


def _read_log_if_any(cloud: Cloud, name: str) -> list[str]:
    groups = cloud.logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
    return cloud.read_log(name) if groups else []


def pack(files: dict[str, str]) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()
