"""CloudWatch that evaluates alarms; docs/localcloud/cloudwatch.md says what differs from AWS."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends
from moto.logs.models import LogsBackend

from localcloud.backend import every_backend
from localcloud.emf import BrokenBlock, read_line
from localcloud.engine import Engine, Host
from localcloud.engines.cloudwatch_action import Actions
from localcloud.engines.cloudwatch_backend import Backend
from localcloud.engines.cloudwatch_loop import AlarmLoop
from localcloud.engines.cloudwatch_responses import replace_answers
from localcloud.metric import Metrics, Region
from localcloud.patch import change_classes

_log = logging.getLogger(__name__)


class CloudWatchEngine:
    """Hooks into moto's CloudWatch and its logs."""

    name = "cloudwatch"

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def install(self, host: Host) -> None:
        """Replace moto's backend and answers, read metrics from log lines, and begin to evaluate alarms."""
        actions = Actions()
        cloudwatch_backends.clear()
        cloudwatch_backends.backend = type(
            "CloudWatchBackend",
            (Backend,),
            {"metrics": host.metrics, "actions": actions, "__module__": CloudWatchBackend.__module__},
        )
        loop = AlarmLoop(host.metrics, _backends)
        restore_logs = change_classes([(LogsBackend, "put_log_events", _reading_metrics(host.metrics))])
        self._undo = [_restore_backend, replace_answers(), restore_logs, actions.close, loop.close]
        loop.start()

    def resume(self) -> None:
        """Let alarms look at this localcloud's metrics; those of an earlier one are gone."""
        for backend in _backends():
            backend.resume()

    def close(self) -> None:
        """End the evaluation and undo what `install` changed."""
        while self._undo:
            self._undo.pop()()


def engine() -> Engine:
    """Return the engine, for `load_engines`."""
    return CloudWatchEngine()


def _backends() -> Iterator[Backend]:
    return every_backend(cloudwatch_backends, Backend)


def _restore_backend() -> None:
    cloudwatch_backends.backend = CloudWatchBackend
    cloudwatch_backends.clear()


def _reading_metrics(metrics: Metrics) -> Callable[..., Any]:
    """Wrap PutLogEvents: whoever writes a line, an engine or a client, its embedded metrics count."""
    put = LogsBackend.put_log_events

    def put_log_events(self: Any, log_group_name: str, log_stream_name: str, log_events: Any) -> Any:
        answer = put(self, log_group_name, log_stream_name, log_events)
        _take_lines(metrics, Region(self.account_id, self.region_name), log_group_name, log_events)
        return answer

    return put_log_events


def _take_lines(metrics: Metrics, region: Region, group: str, events: Sequence[Mapping[str, Any]]) -> None:
    for event in events:
        try:
            samples = read_line(event["message"], metrics.clock())
        except BrokenBlock as error:
            _log.warning("a line in %s has embedded metrics that cannot be used: %s", group, error)
            continue
        if samples:
            metrics.record(region, *samples)
