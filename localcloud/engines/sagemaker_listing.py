"""ListTrainingJobs: filters, order and pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from moto.sagemaker.exceptions import AWSValidationException

from localcloud.engines.sagemaker_job import TrainingJob

_DEFAULT_PAGE = 10
_LARGEST_PAGE = 100
_ORDERS: dict[str, Any] = {
    "Name": lambda job: job.training_job_name,
    "CreationTime": lambda job: (job.creation_time, job.training_job_name),
    "Status": lambda job: (job.status.value, job.training_job_name),
}


def list_jobs(jobs: Iterable[TrainingJob], query: Mapping[str, Any]) -> dict[str, Any]:
    """Answer ListTrainingJobs.

    As on AWS, `StatusEquals` filters the page that the other parameters select, and without an order the newest job
    comes first.

    Parameters
    ----------
    jobs
        All jobs of the account and region.
    query
        The call's parameters.

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
    found = _sort([job for job in jobs if _matches(job, query)], query)
    first = _resume(found, query.get("NextToken"))
    page, rest = found[first : first + size], found[first + size :]
    wanted = query.get("StatusEquals")
    answer: dict[str, Any] = {
        "TrainingJobSummaries": [job.summarize() for job in page if wanted in (None, job.status.value)]
    }
    return answer | ({"NextToken": _encode(page[-1].training_job_name)} if rest else {})


def _matches(job: TrainingJob, query: Mapping[str, Any]) -> bool:
    if query.get("NameContains") and query["NameContains"].lower() not in job.training_job_name.lower():
        return False
    for name, value in (("CreationTime", job.creation_time), ("LastModifiedTime", job.last_modified_time)):
        after, before = _utc(query.get(f"{name}After")), _utc(query.get(f"{name}Before"))
        if (after is not None and value <= after) or (before is not None and value >= before):
            return False
    return True


def _utc(instant: datetime | None) -> datetime | None:
    return instant.replace(tzinfo=UTC) if instant is not None and instant.tzinfo is None else instant


def _sort(jobs: list[TrainingJob], query: Mapping[str, Any]) -> list[TrainingJob]:
    by, order = query.get("SortBy"), query.get("SortOrder")
    for value, where, allowed in ((by, "sortBy", [*_ORDERS]), (order, "sortOrder", ["Ascending", "Descending"])):
        if value is not None and value not in allowed:
            raise AWSValidationException(
                f"1 validation error detected: Value '{value}' at '{where}' failed to satisfy constraint: "
                f"Member must satisfy enum value set: [{', '.join(allowed)}]"
            )
    descending = order == "Descending" or (order is None and by is None)
    return sorted(jobs, key=_ORDERS[by or "CreationTime"], reverse=descending)


def _encode(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _resume(jobs: list[TrainingJob], token: str | None) -> int:
    if not token:
        return 0
    try:
        last = base64.urlsafe_b64decode(token.encode()).decode()
        return [job.training_job_name for job in jobs].index(last) + 1
    except (ValueError, binascii.Error) as error:
        raise AWSValidationException("Invalid pagination token.") from error
