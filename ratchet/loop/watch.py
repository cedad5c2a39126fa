"""What a run waits for, as one `look` that may be repeated: a still prefix, a remote job, a rollout."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ratchet.aws.bucket import Bucket
from ratchet.compute.advice import advise
from ratchet.compute.cost import Cost, cost_of, tell_usd
from ratchet.compute.course import Course
from ratchet.compute.curve import draw_page
from ratchet.compute.order import JobState, JobStatus
from ratchet.data import still_for
from ratchet.errors import RatchetError
from ratchet.loop.look import Look, Watch
from ratchet.loop.study_watch import StudyWatch
from ratchet.loop.workshop import Workshop
from ratchet.naming import curve_key

_log = logging.getLogger(__name__)
_SILENT = (
    "it has printed no metric: there is no learning curve and no remaining time to tell. Print "
    "ratchet.contract.metric_line(...) after each epoch"
)
_TAIL = 60  # lines at the end of a log that may say why a job failed
_TELL_SECONDS = 60.0  # how often a long epoch is told again, with what it has cost by then


class QuietWatch:
    """Waits until the dataset's prefix has been still long enough; holds no remote work."""

    def __init__(self, workshop: Workshop, payload: Mapping[str, Any]) -> None:
        self.workshop = workshop
        self.since = datetime.fromtimestamp(float(payload["since_epoch_seconds"]), UTC)

    def look(self) -> Look:
        """Look at the newest change under the prefix."""
        data = self.workshop.pipeline.data
        seen = self.workshop.datasets.observe(data.dataset)
        settled = still_for(
            seen,
            first_seen=self.since,
            now=self.workshop.clock.now(),
            quiet_seconds=data.quiet_seconds,
            max_wait_seconds=data.max_wait_seconds,
        )
        outcome = {"reason": settled.reason, "fingerprint": seen.fingerprint}
        return Look(done=settled.settled, message=settled.reason, outcome=outcome)

    def cancel(self) -> None:
        """Nothing runs elsewhere."""


class JobWatch:
    """Follows a remote job, its log and, when it trains, how that goes and what it costs."""

    def __init__(self, workshop: Workshop, payload: Mapping[str, Any]) -> None:
        self.workshop = workshop
        self.name = str(payload["job"])
        self.backend = workshop.backend_of(str(payload.get("compute") or workshop.pipeline.training.compute))
        self.more_offers = int(payload.get("more_offers", 0))
        self.cursor = ""
        self.course = Course(int(payload.get("epochs", 0)))
        self.trains = "epochs" in payload
        self._last_lines: deque[str] = deque(maxlen=_TAIL)
        self._undrawn = False
        self._told_at: datetime | None = None
        self._progress = ""

    def look(self) -> Look:
        """Read the state first and the log after it, so that the last lines are never missed."""
        status: JobStatus = self.backend.poll(self.name)
        page = self.backend.read_log(self.name, self.cursor)
        self.cursor = page.cursor
        self._last_lines.extend(page.lines)
        now = self.workshop.clock.now()
        news = self.course.note(page.lines, now)
        self._undrawn = self._undrawn or news
        if self._undrawn:
            self._draw(status)
        parts = [part for part in (status.message, self._tell(status, now, news=news)) if part]
        message = f"{self.name}: {status.phase}" + (f" - {'; '.join(parts)}" if parts else "")
        told = status.message if status.state is JobState.SUCCEEDED else advise(status.message, self._last_lines)
        outcome: dict[str, Any] = {"job": self.name, "state": status.state.value, "message": told}
        if status.no_capacity and status.state.ended:
            outcome |= {"no_capacity": True, "more_offers": self.more_offers}
        return Look(done=status.state.ended, message=message, lines=tuple(page.lines), outcome=outcome)

    def _tell(self, status: JobStatus, now: datetime, *, news: bool) -> str:
        """Progress and cost in words; the same words until there is news, or a while has passed."""
        late = self._told_at is None or (now - self._told_at).total_seconds() >= _TELL_SECONDS
        if news or late or status.state.ended:
            cost = cost_of(status, self.workshop.settings.region, now)
            spent = [f"{tell_usd(cost.usd)} so far"] if cost and cost.usd and not status.state.ended else []
            course = "" if status.state.ended else self.course.tell(status.started_at, now)
            if self.trains and status.state is JobState.SUCCEEDED:
                course = self._sum_up(cost)
            self._told_at, self._progress = now, ", ".join([course, *spent] if course else spent)
        return self._progress

    def _sum_up(self, cost: Cost | None) -> str:
        """What it came to, once it has ended well."""
        words = [] if self.course.epochs else [_SILENT]
        if cost and cost.saved_usd:
            words.append(f"it cost {tell_usd(cost.usd)}, and Spot saved {tell_usd(cost.saved_usd)}")
        elif cost:
            words.append(f"it cost {tell_usd(cost.usd)}")
        return "; ".join(words)

    def _draw(self, status: JobStatus) -> None:
        """Write the learning curve anew: a person may look at it while the job runs.

        A picture that cannot be written now is written at the next look; the job goes on without it.
        """
        page = draw_page(self.name, self.course.epochs, f"{status.phase}, {len(self.course.epochs)} epochs so far.")
        bucket = Bucket(self.workshop.aws, self.workshop.deployment.jobs_bucket)
        try:
            bucket.put(curve_key(self.name), page.encode(), content_type="text/html; charset=utf-8")
        except RatchetError as error:
            _log.warning("the learning curve is not up to date: %s", error)
        else:
            self._undrawn = False

    def cancel(self) -> None:
        """Stop the job."""
        self.backend.stop(self.name)


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


WATCHES: Mapping[str, Callable[[Workshop, Mapping[str, Any]], Watch]] = {
    "quiet": QuietWatch,
    "job": JobWatch,
    "study": StudyWatch,
    "release": ReleaseWatch,
}
