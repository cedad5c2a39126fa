"""What the tests of the Lambda engine share: the probe that they run, clients, and a clock that can be stopped."""

import base64
import itertools
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import psutil
from botocore.config import Config

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/probe:1"
PROBE = """
import base64, os, time
print("loading the probe")
count = 0
def handler(event, context):
    global count
    count += 1
    verb = event.get("verb")
    if "requestContext" in event:
        return answer_http(event)
    if verb == "sleep":
        time.sleep(event["seconds"])
    elif verb == "meet":
        open(os.path.join(event["folder"], str(os.getpid())), "w").close()
        while len(os.listdir(event["folder"])) < event["number"]:
            time.sleep(0.01)
    elif verb == "exit":
        os._exit(event["code"])
    elif verb == "raise":
        raise ValueError("no such thing")
    elif verb == "fail once":
        if not os.path.exists(event["path"]):
            open(event["path"], "w").close()
            raise ValueError("not the first time")
        with open(event["path"], "w") as stream:
            stream.write("done")
    elif verb == "eat":
        bytearray(event["mib"] * 2**20)
    elif verb == "print":
        print(event["text"])
    elif verb == "environment":
        return dict(os.environ)
    elif verb == "big":
        return "x" * event["bytes"]
    elif verb == "return":
        return event["value"]
    return {"pid": os.getpid(), "count": count, "version": context.function_version,
            "arn": context.invoked_function_arn, "left_ms": context.get_remaining_time_in_millis(),
            "flavour": os.environ.get("FLAVOUR"), "request": context.aws_request_id}

def answer_http(event):
    path = event["rawPath"]
    if path == "/image":
        return {"statusCode": 201, "headers": {"Content-Type": "image/png"}, "isBase64Encoded": True,
                "cookies": ["a=1", "b=2"], "body": base64.b64encode(base64.b64decode(event["body"])[::-1]).decode()}
    if path == "/raise":
        raise ValueError("no such page")
    return event
"""


@dataclass
class Answer:
    """What a test looks at after Invoke."""

    payload: Any
    error: str | None
    version: str | None
    log: str
    request_id: str


def until(condition: Callable[[], Any], *, seconds: float = 30.0) -> Any:
    """Return the first true value."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)
    return found


class Clock:
    """The clock by which functions settle; it can be stopped, so that a test sees them before they do."""

    def __init__(self) -> None:
        self._stopped: float | None = None

    def __call__(self) -> float:
        return time.monotonic() if self._stopped is None else self._stopped

    @contextmanager
    def stop(self) -> Iterator[None]:
        self._stopped = time.monotonic()
        try:
            yield
        finally:
            self._stopped = None


class Cloud:
    """Clients, and what most tests do with them."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.clock = clock
        self._options = {
            "endpoint_url": url,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "config": Config(read_timeout=60, retries={"max_attempts": 0}, max_pool_connections=20),
        }
        self.functions = self.client("lambda")
        self.logs = self.client("logs")
        self.role = self.client("iam").create_role(RoleName="probe", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        self._names = (f"probe-{number}" for number in itertools.count())

    def client(self, service: str) -> Any:
        return boto3.client(service, **self._options)

    def create(self, **more: Any) -> str:
        """Make a function of the probe's image, and wait until it is active."""
        name = next(self._names)
        spec: dict[str, Any] = {"PackageType": "Image", "Code": {"ImageUri": IMAGE}, "Timeout": 10, "MemorySize": 256}
        self.functions.create_function(FunctionName=name, Role=self.role, **(spec | more))
        self.settle(name)
        return name

    def settle(self, name: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = self.functions.get_function_configuration(FunctionName=name)
            settled = found["State"] == "Active" and found["LastUpdateStatus"] == "Successful"
            return found if settled else None

        return until(look)

    def configure(self, name: str, **changes: Any) -> dict[str, Any]:
        self.functions.update_function_configuration(FunctionName=name, **changes)
        return self.settle(name)

    def publish(self, name: str, flavour: str) -> str:
        """Publish a version that answers with a flavour of its own."""
        self.configure(name, Environment={"Variables": {"FLAVOUR": flavour}})
        return self.functions.publish_version(FunctionName=name)["Version"]

    def invoke(self, name: str, event: Any = None, **more: Any) -> Answer:
        payload = json.dumps({} if event is None else event)
        found = self.functions.invoke(FunctionName=name, Payload=payload, LogType="Tail", **more)
        return Answer(
            json.loads(found["Payload"].read() or b"null"),
            found.get("FunctionError"),
            found.get("ExecutedVersion"),
            base64.b64decode(found.get("LogResult", "")).decode(),
            found["ResponseMetadata"]["RequestId"],
        )

    def invoke_all(self, name: str, events: list[Any]) -> list[Answer]:
        with ThreadPoolExecutor(len(events)) as pool:
            return list(pool.map(lambda event: self.invoke(name, event), events))

    def read_log(self, name: str) -> list[str]:
        found = self.logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")
        return [event["message"] for event in found["events"]]


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
