"""The jobs of one kind by name: unique when made, found, asked to stop, forgotten after their end."""

from __future__ import annotations

from typing import TypeVar

from moto.sagemaker.exceptions import AWSValidationException, ResourceInUseException

from localcloud.engines.sagemaker_record import JobRecord

Record = TypeVar("Record", bound=JobRecord)


def add_record(jobs: dict[str, Record], record: Record) -> None:
    """Add a job; one of its name refuses. The caller holds the service's lock."""
    if record.name in jobs:
        words = record.kind.words
        raise ResourceInUseException(
            f"{words.capitalize()} names must be unique within an AWS account and region, and a {words} with this "
            f"name already exists ({record.arn})"
        )
    jobs[record.name] = record


def find_record(jobs: dict[str, Record], name: str) -> Record:
    """Return a job; `AWSValidationException` when there is none."""
    try:
        return jobs[name]
    except KeyError:
        raise AWSValidationException(f"Could not find requested job with name: {name}") from None


def stop_record(record: JobRecord) -> None:
    """Ask a job to stop; one that has ended refuses."""
    if not record.request_stop():
        raise AWSValidationException(
            f"The request was rejected because the {record.kind.words} is in status {record.status}."
        )


def drop_record(jobs: dict[str, Record], record: Record) -> None:
    """Forget a job; one that has not ended refuses. The caller holds the service's lock."""
    if not record.ended:
        raise ResourceInUseException(
            f"The {record.kind.words} {record.arn} is in status {record.status}: stop it first."
        )
    del jobs[record.name]
