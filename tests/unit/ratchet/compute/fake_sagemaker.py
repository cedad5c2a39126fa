"""SageMaker and CloudWatch Logs in memory, as far as the backend asks them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

ENDED = ("Completed", "Failed", "Stopped")


def refuse(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Call")


class FakeSageMaker:
    exceptions = SimpleNamespace(ClientError=ClientError)

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self.before_create: Any = lambda: None

    def create_training_job(self, **request: Any) -> None:
        self.before_create()
        name = request["TrainingJobName"]
        if name in self.jobs:
            raise refuse("ResourceInUse", "Training job names must be unique")
        self.requests.append(request)
        self.jobs[name] = {
            "TrainingJobName": name,
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Starting",
            "SecondaryStatusTransitions": [{"StatusMessage": "Launching instances"}],
        }

    def describe_training_job(self, *, TrainingJobName: str) -> dict[str, Any]:
        if TrainingJobName not in self.jobs:
            raise refuse("ValidationException", "Requested resource not found.")
        return self.jobs[TrainingJobName]

    def stop_training_job(self, *, TrainingJobName: str) -> None:
        job = self.describe_training_job(TrainingJobName=TrainingJobName)
        if job["TrainingJobStatus"] in ENDED:
            raise refuse("ValidationException", "The training job is in status Completed")
        job["TrainingJobStatus"] = "Stopping"

    def end(self, name: str, status: str, **more: Any) -> None:
        self.jobs[name] |= {"TrainingJobStatus": status, "SecondaryStatus": status, **more}


class FakeLogs:
    """Streams of lines. Pages hold two lines, and an empty page may come before more, as it may on AWS."""

    def __init__(self) -> None:
        self.streams: dict[str, list[str]] = {}
        self.hollow_pages = 0

    def describe_log_streams(self, *, logStreamNamePrefix: str, nextToken: str = "", **_: Any) -> dict[str, Any]:
        if not self.streams:
            raise refuse("ResourceNotFoundException", "The specified log group does not exist.")
        names = [name for name in sorted(self.streams) if name.startswith(logStreamNamePrefix)]
        start = int(nextToken or 0)
        more = {"nextToken": str(start + 1)} if start + 1 < len(names) else {}
        return {"logStreams": [{"logStreamName": name} for name in names[start : start + 1]], **more}

    def get_log_events(
        self, *, logStreamName: str, startFromHead: bool, nextToken: str = "", limit: int = 2, **_: Any
    ) -> dict[str, Any]:
        lines = self.streams[logStreamName]
        if not startFromHead:
            return {"events": [{"message": line} for line in lines[-limit:]], "nextForwardToken": "end"}
        position, _, hollow = nextToken.partition("+")
        start = int(position or 0)
        if start < len(lines) and len(hollow) < self.hollow_pages:
            return {"events": [], "nextForwardToken": f"{start}+{hollow}x"}
        found = lines[start : start + limit]
        return {"events": [{"message": line} for line in found], "nextForwardToken": f"{start + len(found)}+"}


class FakeAws:
    region = "eu-west-1"

    def __init__(self) -> None:
        self.sagemaker = FakeSageMaker()
        self.logs = FakeLogs()

    def client(self, service: str) -> Any:
        return getattr(self, service)
