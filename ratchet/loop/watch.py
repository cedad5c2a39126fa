"""What a run waits for, as one `look` that may be repeated: a still prefix, a remote job, a rollout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from ratchet.compute.order import JobStatus
from ratchet.data import still_for
from ratchet.loop.workshop import Workshop


@dataclass(frozen=True)
class Look:
    """What one look saw.

    Attributes
    ----------
    done
        Whether waiting is over, well or badly; `outcome` then says how, in names and digests only.
    message
        One line for the person who watches; repeated lines are shown once.
    lines
        New lines of a remote log.
    """

    done: bool
    message: str = ""
    lines: tuple[str, ...] = ()
    outcome: Mapping[str, Any] = field(default_factory=dict)


class Watch(Protocol):
    """Something that is looked at until it is done."""

    def look(self) -> Look:
        """Look once; safe to repeat, also in another process."""
        ...

    def cancel(self) -> None:
        """End the remote work: a person gave up waiting."""
        ...


class QuietWatch:
    """Waits until the dataset's prefix has been still long enough; holds no remote work."""

    def __init__(self, workshop: Workshop, payload: Mapping[str, Any]) -> None:
        self.workshop = workshop
        self.since = datetime.fromtimestamp(float(payload["since_epoch_seconds"]), UTC)

    def look(self) -> Look:
        """Look at the newest change under the prefix."""
        data = self.workshop.pipeline.data
        settled = still_for(
            self.workshop.datasets.observe(data.dataset),
            first_seen=self.since,
            now=self.workshop.clock.now(),
            quiet_seconds=data.quiet_seconds,
            max_wait_seconds=data.max_wait_seconds,
        )
        return Look(done=settled.settled, message=settled.reason, outcome={"reason": settled.reason})

    def cancel(self) -> None:
        """Nothing runs elsewhere."""


class JobWatch:
    """Follows a remote job and its log."""

    def __init__(self, workshop: Workshop, payload: Mapping[str, Any]) -> None:
        self.workshop = workshop
        self.name = str(payload["job"])
        self.cursor = ""

    def look(self) -> Look:
        """Read the state first and the log after it, so that the last lines are never missed."""
        status: JobStatus = self.workshop.backend.poll(self.name)
        page = self.workshop.backend.read_log(self.name, self.cursor)
        self.cursor = page.cursor
        message = f"{self.name}: {status.phase}" + (f" - {status.message}" if status.message else "")
        outcome = {"job": self.name, "state": status.state.value, "message": status.message}
        return Look(done=status.state.ended, message=message, lines=tuple(page.lines), outcome=outcome)

    def cancel(self) -> None:
        """Stop the job."""
        self.workshop.backend.stop(self.name)


class ReleaseWatch:
    """Drives a rollout on, one safe step a look."""

    def __init__(self, workshop: Workshop, payload: Mapping[str, Any]) -> None:
        self.workshop = workshop
        self.version = int(payload["version"])

    def look(self) -> Look:
        """Carry out the next step that is due."""
        progress = self.workshop.releases.open(self.workshop.pipeline.model_name, self.version).advance()
        message = f"{progress.phase}: {progress.step} - {progress.message}"
        outcome = {"phase": str(progress.phase), "message": progress.message, "version": self.version}
        return Look(done=progress.done, message=message, outcome=outcome)

    def cancel(self) -> None:
        """A rollout is never left half-way: the controller's own record sends it back."""
        self.workshop.releases.open(self.workshop.pipeline.model_name, self.version).abort("stopped by a person")


WATCHES: Mapping[str, type[QuietWatch] | type[JobWatch] | type[ReleaseWatch]] = {
    "quiet": QuietWatch,
    "job": JobWatch,
    "release": ReleaseWatch,
}
