"""A job's log in CloudWatch Logs: every instance's stream, read on from where the last look ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ratchet.aws import Aws, translate_errors
from ratchet.compute.order import LogPage
from ratchet.errors import NotFoundError

# One look is bounded; the next one goes on at the cursor.
_PAGES_A_LOOK = 50


class JobLog:
    """Log streams whose names begin with `<job>/`.

    Parameters
    ----------
    aws
        The door to AWS.
    group
        The log group.
    """

    def __init__(self, aws: Aws, group: str) -> None:
        self._logs: Any = aws.client("logs")
        self._group = group

    def read(self, job: str, cursor: str = "") -> LogPage:
        """Return the lines that are new since `cursor`; none while there is no group or no stream yet.

        Lines of a job with several instances begin with the instance's name.
        """
        tokens: dict[str, str] = json.loads(cursor) if cursor else {}
        streams = self._list_streams(job)
        lines: list[str] = []
        for stream in streams:
            new, tokens[stream] = self._read_stream(stream, tokens.get(stream, ""))
            lines += _labelled(stream, new) if len(streams) > 1 else new
        return LogPage(tuple(lines), json.dumps(tokens) if tokens else "")

    def tail(self, job: str, count: int) -> tuple[str, ...]:
        """Return the last lines of every stream."""
        lines: list[str] = []
        for stream in self._list_streams(job):
            lines += _messages(self._get(stream, {"startFromHead": False, "limit": count}))
        return tuple(lines)

    def _list_streams(self, job: str) -> list[str]:
        request: dict[str, Any] = {"logGroupName": self._group, "logStreamNamePrefix": f"{job}/"}
        names: list[str] = []
        try:
            while True:
                with translate_errors(f"find the log of job {job}"):
                    answer = self._logs.describe_log_streams(**request)
                names += [stream["logStreamName"] for stream in answer["logStreams"]]
                if not answer.get("nextToken"):
                    return sorted(names)
                request["nextToken"] = answer["nextToken"]
        except NotFoundError:
            return []

    def _read_stream(self, stream: str, token: str) -> tuple[list[str], str]:
        lines: list[str] = []
        for _ in range(_PAGES_A_LOOK):
            answer = self._get(stream, {"startFromHead": True, **({"nextToken": token} if token else {})})
            lines += _messages(answer)
            # CloudWatch says "that is all" by giving the same token again; a page without lines says nothing.
            if answer["nextForwardToken"] == token:
                break
            token = str(answer["nextForwardToken"])
        return lines, token

    def _get(self, stream: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        with translate_errors(f"read the log {stream}"):
            answer: Mapping[str, Any] = self._logs.get_log_events(
                logGroupName=self._group, logStreamName=stream, **request
            )
        return answer


def _messages(answer: Mapping[str, Any]) -> list[str]:
    return [event["message"].rstrip("\n") for event in answer["events"]]


def _labelled(stream: str, lines: list[str]) -> list[str]:
    instance = stream.partition("/")[2]
    return [f"[{instance}] {line}" for line in lines]
