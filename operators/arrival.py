"""Data arrives: S3's events become asset events of the pipelines that they concern."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

if TYPE_CHECKING:
    from operators.queue import ArrivalQueue, Burst
    from ratchet.spec import Pipeline


class ArrivalTrigger(BaseEventTrigger):
    """Fires once for a burst of events about one pipeline's dataset.

    All pipelines share one reader of the one queue. An event only wakes the loop: what S3 lists is the truth, so
    doubles, reordering and a burst that is told as one do no harm.

    Parameters
    ----------
    pipeline
        Name of the pipeline that is woken.
    stack
        Name of the CloudFormation stack that holds the queue.
    """

    def __init__(self, pipeline: str, stack: str) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.stack = stack

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to build this trigger again."""
        return "operators.arrival.ArrivalTrigger", {"pipeline": self.pipeline, "stack": self.stack}

    def shared_stream_key(self) -> Hashable:
        """One reader for each queue."""
        return ("ratchet-arrivals", self.stack)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> ArrivalQueue:
        """Build the reader of the queue."""
        from operators.queue import ArrivalQueue, open_post

        return ArrivalQueue(lambda: open_post(str(kwargs["stack"])))

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Take what concerns this pipeline; the reader learns who took what."""
        async for raw in shared_stream:
            burst: Burst = raw
            wake = burst.take(self.pipeline)
            if wake is not None:
                self.log.info("%d event(s) for pipeline %s, %s first", wake.events, self.pipeline, wake.keys[0])
                yield TriggerEvent({"pipeline": self.pipeline, "events": wake.events, "keys": list(wake.keys)})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Never called: the shared stream feeds this trigger."""
        raise NotImplementedError("ArrivalTrigger reads a shared stream; Airflow 3.3 or newer is needed")
        yield  # makes this an asynchronous generator, as the base class wants it


def arrival_asset(pipeline: str, stack: str) -> Asset:
    """The asset whose events start a pipeline: S3's, through the queue, and the sweep's."""
    watcher = AssetWatcher(name=f"arrival-{pipeline}", trigger=ArrivalTrigger(pipeline, stack))
    return Asset(f"ratchet-arrival-{pipeline}", watchers=[watcher])


def arrival_schedule(pipeline: Pipeline, stack: str) -> AssetOrTimeSchedule | list[Asset]:
    """When a pipeline runs by itself: when its data arrives, and at the times that its file names."""
    assets = [arrival_asset(pipeline.name, stack)]
    if not pipeline.schedule:
        return assets
    return AssetOrTimeSchedule(assets=assets, timetable=CronTriggerTimetable(pipeline.schedule, timezone="UTC"))
