"""The calls that list jobs: filters, order and pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Protocol

from moto.sagemaker.exceptions import AWSValidationException

from localcloud.engines.sagemaker_record import Status

_DEFAULT_PAGE = 10
_LARGEST_PAGE = 100


class Listed(Protocol):
    """A job that can be listed."""

    @property
    def name(self) -> str:
        """Unique among its kind."""

    @property
    def status(self) -> Status:
        """Where it is."""

    @property
    def creation_time(self) -> datetime:
        """When it was made."""

    @property
    def last_modified_time(self) -> datetime:
        """When it last changed."""

    def summarize(self) -> dict[str, Any]:
        """Return its line."""


Order = Callable[[Any], Any]
ORDERS: Mapping[str, Order] = MappingProxyType(
    {
        "Name": lambda job: job.name,
        "CreationTime": lambda job: (job.creation_time, job.name),
        "Status": lambda job: (job.status.value, job.name),
    }
)


@dataclass(frozen=True)
class Listing:
    """What one List call does when it is asked for nothing else.

    Attributes
    ----------
    summaries
        Member of the answer that holds the lines.
    sort_by
        Order when none is asked for.
    descending
        Whether that order runs backwards.
    orders
        The orders that may be asked for.
    """

    summaries: str
    sort_by: str = "CreationTime"
    descending: bool = False
    orders: Mapping[str, Order] = field(default_factory=lambda: ORDERS)


# As on AWS, without an order the newest training or transform job comes first.
TRAINING = Listing("TrainingJobSummaries", descending=True)
PROCESSING = Listing("ProcessingJobSummaries")
TRANSFORM = Listing("TransformJobSummaries", descending=True)
TUNING = Listing("HyperParameterTuningJobSummaries", sort_by="Name")


def list_jobs(jobs: Iterable[Listed], query: Mapping[str, Any], listing: Listing = TRAINING) -> dict[str, Any]:
    """Answer a List call.

    As on AWS, `StatusEquals` filters the page that the other parameters select.

    Parameters
    ----------
    jobs
        All jobs of the account and region.
    query
        The call's parameters.
    listing
        Which call it is.

    Raises
    ------
    AWSValidationException
        For an unknown order, a page size out of range, or a token that this service did not give.
    """
    size = query.get("MaxResults") or _DEFAULT_PAGE
    if not 1 <= size <= _LARGEST_PAGE:
        raise AWSValidationException(
            f"1 validation error detected: Value '{size}' at 'maxResults' failed to satisfy constraint: "
            f"Member must have value less than or equal to {_LARGEST_PAGE}"
        )
    found = _sort([job for job in jobs if _matches(job, query)], query, listing)
    first = _resume(found, query.get("NextToken"))
    page, rest = found[first : first + size], found[first + size :]
    wanted = query.get("StatusEquals")
    answer: dict[str, Any] = {
        listing.summaries: [job.summarize() for job in page if wanted in (None, job.status.value)]
    }
    return answer | ({"NextToken": _encode(page[-1].name)} if rest else {})


def _matches(job: Listed, query: Mapping[str, Any]) -> bool:
    if query.get("NameContains") and query["NameContains"].lower() not in job.name.lower():
        return False
    for name, value in (("CreationTime", job.creation_time), ("LastModifiedTime", job.last_modified_time)):
        after, before = _utc(query.get(f"{name}After")), _utc(query.get(f"{name}Before"))
        if (after is not None and value <= after) or (before is not None and value >= before):
            return False
    return True


def _utc(instant: datetime | None) -> datetime | None:
    return instant.replace(tzinfo=UTC) if instant is not None and instant.tzinfo is None else instant


def _sort(jobs: Sequence[Listed], query: Mapping[str, Any], listing: Listing) -> list[Listed]:
    by, order = query.get("SortBy"), query.get("SortOrder")
    for value, where, allowed in ((by, "sortBy", [*listing.orders]), (order, "sortOrder", ["Ascending", "Descending"])):
        if value is not None and value not in allowed:
            raise AWSValidationException(
                f"1 validation error detected: Value '{value}' at '{where}' failed to satisfy constraint: "
                f"Member must satisfy enum value set: [{', '.join(allowed)}]"
            )
    descending = order == "Descending" or (order is None and by is None and listing.descending)
    return sorted(jobs, key=listing.orders[by or listing.sort_by], reverse=descending)


def _encode(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _resume(jobs: list[Listed], token: str | None) -> int:
    if not token:
        return 0
    try:
        last = base64.urlsafe_b64decode(token.encode()).decode()
        return [job.name for job in jobs].index(last) + 1
    except (ValueError, binascii.Error) as error:
        raise AWSValidationException("Invalid pagination token.") from error
