"""How often a job is bought: a repeat finds the one that runs or succeeded, and one that ended badly is followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ratchet.compute.order import JobOrder, JobState, JobStatus
from ratchet.errors import CapacityError, JobError

NO_CAPACITY = "CapacityError"  # how a failure reason begins when there was no machine
SHOWN_LOG_LINES = 10


def start_or_find(
    order: JobOrder, begin: Callable[[str], JobStatus], tail: Callable[[str], Sequence[str]]
) -> JobStatus:
    """Begin the job of the first epoch that has not ended badly; see `Backend.start`.

    Parameters
    ----------
    begin
        Starts the job of a name, or finds it.
    tail
        The last lines of a job's log.
    """
    status: JobStatus | None = None
    for epoch in range(order.attempts):
        status = begin(order.name(epoch))
        if status.state not in (JobState.FAILED, JobState.STOPPED):
            return status
    raise _explain(order, status, tail)


def _explain(order: JobOrder, last: JobStatus | None, tail: Callable[[str], Sequence[str]]) -> JobError | CapacityError:
    """Say why there is no further attempt: the last job's reason, and the end of its log."""
    if last is None:
        return JobError(f"{order.pipeline}: {order.step} may be tried {order.attempts} times, so it never starts")
    tried = f"{order.step} failed {order.attempts} time(s), last as job {last.name}: {last.message}"
    if last.no_capacity:
        return CapacityError(f"{tried}. Try again later, or choose another training.instance_type")
    lines = "\n".join(tail(last.name))
    return JobError(f"{tried}\n{lines}\nMend the cause, or raise training.attempts")
