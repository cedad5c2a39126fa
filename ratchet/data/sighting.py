"""What each pipeline has seen of its dataset, so that one listing tells what an event lost."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass

from ratchet.aws import Aws, Deployment, Table, replace, retry_conflicts
from ratchet.clock import Clock, isoformat
from ratchet.data.quiet import Observation
from ratchet.naming import pipeline_pk, short, sighting_sk

_BYTES = 16


class Fingerprint:
    """Adds up objects in whatever order they are listed; the same objects give the same text, none give none.

    It is cheaper than a dataset version, which may need checksums that a listing does not have.
    """

    def __init__(self) -> None:
        self._sum = 0
        self._count = 0

    def add(self, key: str, size: int, etag: str) -> None:
        """Add one current object."""
        digest = hashlib.sha256(f"{key}\0{size}\0{etag}".encode()).digest()
        self._sum = (self._sum + int.from_bytes(digest[:_BYTES], "big")) % (1 << 8 * _BYTES)
        self._count += 1

    def __str__(self) -> str:
        return f"{self._count}-{self._sum:032x}" if self._count else ""


@dataclass(frozen=True)
class Sighting:
    """What a run of a pipeline saw before it froze the dataset, and the version that came of it."""

    fingerprint: str
    dataset_version: str
    run_id: str
    at: str


@dataclass(frozen=True)
class Overdue:
    """Whether a pipeline must be woken, and why or why not."""

    due: bool
    reason: str


class Sightings:
    """Keeps the newest sighting of each pipeline in the ledger."""

    def __init__(
        self,
        aws: Aws,
        deployment: Deployment,
        clock: Clock,
        new_token: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._table = Table(aws, deployment.ledger_table)
        self._clock = clock
        self._new_token = new_token

    def find(self, pipeline: str, dataset: str) -> Sighting | None:
        """The newest sighting; None when no run has frozen this dataset yet."""
        item = self._table.find(pipeline_pk(pipeline), sighting_sk(dataset))
        return Sighting(**{name: item[name] for name in Sighting.__dataclass_fields__}) if item else None

    def note(self, pipeline: str, dataset: str, *, fingerprint: str, dataset_version: str, run_id: str) -> None:
        """Keep what a run saw; the last writer stands, and an older sighting costs one more look at most."""
        sighting = Sighting(fingerprint, dataset_version, run_id, isoformat(self._clock.now()))
        retry_conflicts(
            lambda: self._write(pipeline, dataset, sighting), self._clock, seed=run_id, ours=lambda write: True
        )

    def _write(self, pipeline: str, dataset: str, sighting: Sighting) -> None:
        pk, sk = pipeline_pk(pipeline), sighting_sk(dataset)
        self._table.write(
            replace(self._table.find(pk, sk), {"pk": pk, "sk": sk, **asdict(sighting)}),
            writer=self._new_token(),
            action=f"note what run {sighting.run_id} saw of the dataset {dataset}",
        )


def judge_sighting(seen: Observation, known: Sighting | None) -> Overdue:
    """Decide whether what S3 lists now is something that no run of the pipeline has frozen."""
    if not seen.fingerprint:
        return Overdue(False, "the dataset is empty")
    if known is None:
        return Overdue(True, "no run has frozen this dataset yet")
    if seen.fingerprint == known.fingerprint:
        return Overdue(False, f"nothing new since run {known.run_id} froze version {short(known.dataset_version)}")
    return Overdue(True, f"S3 lists other objects than run {known.run_id} saw at {known.at}")
