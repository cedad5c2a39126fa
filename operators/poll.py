"""Waiting, in a worker or in the triggerer: both call the same `look`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from operators.base import RatchetOperator, airflow_errors
from ratchet.errors import RatchetError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ratchet.loop.look import Look, Watch

# AWS may be away for a while without anything being wrong with what is waited for.
_PATIENCE_LOOKS = 20
_DEFERRAL_MARGIN_SECONDS = 600


def open_watch(kind: str, pipeline: str, payload: Mapping[str, Any]) -> Watch:
    """Build the watch of a kind; heavy imports happen here, not at DAG parse."""
    from ratchet.loop.hold import hold_while_waiting
    from ratchet.loop.watch import WATCHES
    from ratchet.loop.workshop import open_workshop

    workshop = open_workshop(pipeline)
    return hold_while_waiting(WATCHES[kind](workshop, payload), workshop, payload)


class PollTrigger(BaseTrigger):
    """The one trigger: looks at something remote until it is done.

    Parameters
    ----------
    kind
        A key of `ratchet.loop.watch.WATCHES`.
    pipeline
        Name of the pipeline.
    payload
        Names that the watch needs.
    poll_seconds
        Seconds between two looks.
    """

    def __init__(self, kind: str, pipeline: str, payload: Mapping[str, Any], poll_seconds: float) -> None:
        super().__init__()
        self.kind = kind
        self.pipeline = pipeline
        self.payload = dict(payload)
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to build this trigger again, in another triggerer too."""
        arguments = {
            "kind": self.kind,
            "pipeline": self.pipeline,
            "payload": self.payload,
            "poll_seconds": self.poll_seconds,
        }
        return "operators.poll.PollTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until done; an error that a retry may mend is borne for a while.

        The worker has just looked, so the trigger waits first. That also gives the scheduler the time to note that the
        task was deferred: an event that overtakes it makes Airflow take the task for lost and try it again.
        """
        watch: Watch | None = None
        shown, failures = "", 0
        while True:
            await asyncio.sleep(self.poll_seconds)
            try:
                if watch is None:
                    watch = await asyncio.to_thread(self._open)
                seen: Look = await asyncio.to_thread(watch.look)
                failures = 0
            except RatchetError as error:
                failures += 1
                if failures > _PATIENCE_LOOKS:
                    yield TriggerEvent({"error": str(error), "actor": error.actor.value})
                    return
                self.log.warning("cannot look at %s now, trying again: %s", self.kind, error)
                continue
            shown = self._tell(seen, shown)
            if seen.done:
                yield TriggerEvent(dict(seen.outcome))
                return

    async def on_kill(self) -> None:
        """End the remote work when a person ends the task."""
        watch = await asyncio.to_thread(self._open)
        await asyncio.to_thread(watch.cancel)
        self.log.info("asked the remote %s to stop", self.kind)

    def _open(self) -> Watch:
        return open_watch(self.kind, self.pipeline, self.payload)

    def _tell(self, seen: Look, shown: str) -> str:
        for line in seen.lines:
            self.log.info("%s", line)
        if seen.message and seen.message != shown:
            self.log.info("%s", seen.message)
        return seen.message


class WaitingOperator(RatchetOperator):
    """A verb that waits: hands the waiting to the triggerer, or does it itself with `deferrable=False`."""

    watch_kind = ""

    def __init__(self, *, deferrable: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self._watch: Watch | None = None

    def wait(
        self, context: Context, payload: Mapping[str, Any], *, limit_seconds: float, least_poll_seconds: float = 0.0
    ) -> Any:
        """Wait for `payload`, at most `limit_seconds`, then go on in `resume`; at once if it is done already."""
        workshop = self.workshop()
        poll_seconds = max(workshop.settings.poll_seconds, least_poll_seconds)
        self._watch = open_watch(self.watch_kind, self.pipeline, payload)
        seen = self._watch.look()
        if self.deferrable and not seen.done:
            self.defer(
                trigger=PollTrigger(self.watch_kind, self.pipeline, payload, poll_seconds),
                method_name="resume",
                timeout=timedelta(seconds=limit_seconds + _DEFERRAL_MARGIN_SECONDS),
            )
        deadline = workshop.clock.now() + timedelta(seconds=limit_seconds)
        while not seen.done:
            for line in (*seen.lines, seen.message):
                self.log.info("%s", line)
            if workshop.clock.now() > deadline:
                self._watch.cancel()
                return self.resume(context, {"error": f"not done after {limit_seconds:.0f} s", "actor": "operator"})
            workshop.clock.sleep(poll_seconds)
            seen = self._watch.look()
        return self.resume(context, dict(seen.outcome))

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on after the wait."""
        raise NotImplementedError

    def on_kill(self) -> None:
        """End the remote work when the task is ended while a worker still holds it."""
        if self._watch is not None:
            with airflow_errors():
                self._watch.cancel()
