"""Reads and changes job records, against others who do the same."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from ratchet.aws import Aws
from ratchet.aws.cell import Cell
from ratchet.compute.rented.record import JobRecord
from ratchet.errors import ConflictError
from ratchet.naming import machine_record_key

_TRIES = 20
Change = Callable[[JobRecord], JobRecord | None]


class RecordStore:
    """The records of a jobs bucket.

    Parameters
    ----------
    aws
        The door to AWS.
    bucket
        The jobs bucket.
    """

    def __init__(self, aws: Aws, bucket: str, *, new_token: Callable[[], str] = lambda: uuid.uuid4().hex) -> None:
        self._aws = aws
        self._bucket = bucket
        self._new_token = new_token

    def find(self, job: str) -> JobRecord | None:
        """A job's record; None when there is none."""
        found = self._cell(job).read()
        return None if found is None else JobRecord.from_bytes(found[0])

    def create(self, record: JobRecord) -> JobRecord:
        """Write a record that is not there yet; return what is there then, ours or another's."""
        wanted = record.changed(writer=self._new_token())
        if self._cell(record.job).swap(wanted.to_bytes(), None):
            return wanted
        found = self.find(record.job)
        if found is None:
            raise ConflictError(f"the record of job {record.job} was written and is gone: somebody deletes records")
        return found

    def change(self, job: str, change: Change) -> JobRecord:
        """Change a record whatever others write meanwhile; return what is there then.

        Parameters
        ----------
        change
            Gets the record as it is and returns what it should be, or None to leave it. It is called again when
            somebody else was faster.
        """
        cell = self._cell(job)
        for _ in range(_TRIES):
            found = cell.read()
            if found is None:
                raise ConflictError(f"the record {cell.uri} is gone: somebody deletes records")
            current = JobRecord.from_bytes(found[0])
            wanted = change(current)
            if wanted is None:
                return current
            written = wanted.changed(writer=self._new_token())
            if cell.swap(written.to_bytes(), found[1]):
                return written
        raise ConflictError(f"the record {cell.uri} is written all the time; try again")

    def _cell(self, job: str) -> Cell:
        return Cell(self._aws, self._bucket, machine_record_key(job))
