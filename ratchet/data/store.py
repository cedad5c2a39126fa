"""Dataset versions: frozen from what S3 lists, kept as manifests in S3 and as rows in the ledger."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ratchet.aws import Aws, Bucket, Deployment, Item, Table, create, replace, retry_conflicts
from ratchet.clock import Clock, isoformat
from ratchet.data import listing
from ratchet.data.checksum import Checksums
from ratchet.data.manifest import Manifest, ObjectEntry
from ratchet.data.manifest_file import read_manifest, spool_entries, write_channel, write_manifest
from ratchet.data.quiet import Observation
from ratchet.errors import ConflictError, DataError, NotFoundError, RatchetError
from ratchet.naming import (
    CATALOGUE_PK,
    HEAD_SK,
    catalogue_sk,
    channel_manifest_key,
    dataset_pk,
    dataset_prefix,
    dataset_version_sk,
    manifest_key,
    old_manifest_key,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatasetVersion:
    """A row of the ledger: one dataset version, without its objects.

    `number` counts a dataset's versions from 1 in the order in which they were frozen.
    """

    dataset: str
    version: str
    number: int
    count: int
    total_bytes: int
    histogram: Mapping[str, int]
    manifest_uri: str
    reason: str
    created_at: str
    tags: tuple[str, ...] = ()
    description: str = ""


class DatasetStore:
    """Lists, freezes and reads datasets; every verb may be repeated."""

    def __init__(
        self,
        aws: Aws,
        deployment: Deployment,
        clock: Clock,
        new_token: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._aws = aws
        self._clock = clock
        self._new_token = new_token
        self._bucket = Bucket(aws, deployment.data_bucket)
        self._table = Table(aws, deployment.ledger_table)

    def list_objects(self, dataset: str) -> list[ObjectEntry]:
        """The dataset's objects now, sorted by key; `DataError` when the bucket keeps no versions."""
        with self.current(dataset) as entries:
            return list(entries)

    @contextlib.contextmanager
    def current(self, dataset: str, known: Iterable[ObjectEntry] | None = None) -> Iterator[Iterator[ObjectEntry]]:
        """The dataset's objects now, in the order of their keys, however many.

        Parameters
        ----------
        known
            Entries whose versions need not be asked about again; those of the newest version by default.
        """
        checksums = Checksums(self._aws, self._bucket.name, dataset_prefix(dataset))
        with listing.list_current(self._aws, self._bucket.name, dataset) as listed:
            yield checksums.resolve(listed, self._known(dataset) if known is None else known)

    def observe(self, dataset: str) -> Observation:
        """Look at when the dataset's prefix last changed."""
        return listing.observe(self._aws, self._bucket.name, dataset)

    def ask_time(self, dataset: str) -> datetime:
        """The time by S3's clock, by which changes are dated; this process's where S3 does not say."""
        return listing.ask_time(self._aws, self._bucket.name, dataset) or self._clock.now()

    def newest_change(self, dataset: str) -> datetime | None:
        """When an object was last written or deleted, in S3's time; None when there never was one."""
        return self.observe(dataset).newest_change

    def freeze(self, dataset: str, reason: str = "") -> Manifest:
        """Make what S3 lists now a version, or find the version that it already is.

        Raises
        ------
        DataError
            When there is nothing; the message says where to upload.
        """
        prefix = dataset_prefix(dataset)
        with tempfile.TemporaryDirectory(prefix="ratchet-freeze-") as folder:
            with self.current(dataset) as entries:
                objects, counted = spool_entries(entries, Path(folder) / "spool")
            if not counted.count:
                raise DataError(
                    f"the dataset {dataset} is empty: upload images to {self._bucket.uri(prefix)}<label>/<file>, "
                    f"for example with `aws s3 sync ./{dataset} {self._bucket.uri(prefix)}`"
                )
            manifest = Manifest(
                dataset,
                counted.version,
                self._bucket.name,
                prefix,
                objects,
                isoformat(self._clock.now()),
                total_bytes=counted.total_bytes,
                classes=counted.classes,
            )
            self._keep(manifest)
        kept = self.read(dataset, counted.version)
        retry_conflicts(lambda: self._note(kept, reason), self._clock, seed=self._new_token(), ours=lambda write: True)
        return kept

    def read(self, dataset: str, version: str) -> Manifest:
        """Read a version's manifest; `NotFoundError` names the newest versions when there is none such."""
        manifest = self._find(manifest_key(dataset, version)) or self._find(old_manifest_key(dataset, version))
        if manifest is None:
            known = ", ".join(row.version[:12] for row in self.list_versions(dataset)[:5]) or "none"
            raise NotFoundError(f"the dataset {dataset} has no version {version}; the newest are: {known}")
        if (manifest.dataset, manifest.version) != (dataset, version):
            raise DataError(
                f"the manifest of {dataset} {version[:12]} is that of {manifest.dataset} {manifest.version}"
            )
        return manifest

    def before(self, dataset: str, version: str) -> Manifest | None:
        """The version that was frozen before another one; None for the first, and for one that nobody noted."""
        rows = self.list_versions(dataset)
        number = next((row.number for row in rows if row.version == version), 0)
        earlier = next((row for row in rows if row.number < number), None)
        return self.read(dataset, earlier.version) if earlier else None

    def list_versions(self, dataset: str) -> list[DatasetVersion]:
        """All versions of a dataset, the newest first."""
        rows = map(read_row, self._table.query(dataset_pk(dataset), dataset_version_sk("")))
        return sorted(rows, key=lambda row: row.number, reverse=True)

    def _known(self, dataset: str) -> Iterator[ObjectEntry]:
        head = self._table.find(dataset_pk(dataset), HEAD_SK)
        if head is None:
            return
        try:
            yield from self.read(dataset, str(head["version"])).objects
        except RatchetError as error:
            # Only a memory: without it, every object is asked about.
            _log.warning("the newest manifest of %s cannot be read: %s", dataset, error)

    def _find(self, key: str) -> Manifest | None:
        try:
            return read_manifest(lambda: self._bucket.lines(key), self._bucket.uri(key))
        except NotFoundError:
            return None

    def _keep(self, manifest: Manifest) -> None:
        """Write both files; the first writer's manifest stands, for its version ids are as good as ours."""
        dataset, version = manifest.dataset, manifest.version
        keys, prefix = (entry.key for entry in manifest.objects), self._bucket.uri(manifest.prefix)
        self.write_first(channel_manifest_key(dataset, version), lambda path: write_channel(prefix, keys, path))
        self.write_first(manifest_key(dataset, version), lambda path: write_manifest(manifest, path))

    def write_first(self, key: str, write: Callable[[Path], None]) -> None:
        """Write a file of the data bucket unless it is there; whoever else wrote it, wrote the same."""
        if self._bucket.exists(key):
            return
        with tempfile.TemporaryDirectory(prefix="ratchet-freeze-") as folder:
            path = Path(folder) / "file"
            write(path)
            with contextlib.suppress(ConflictError):  # frozen at the same moment by somebody else: theirs stands
                self._bucket.put_once(key, path, content_type="application/json")

    def _note(self, manifest: Manifest, reason: str) -> None:
        pk = dataset_pk(manifest.dataset)
        if self._table.find(pk, dataset_version_sk(manifest.version)) is not None:
            return
        head = self._table.find(pk, HEAD_SK)
        number = int(head["number"]) + 1 if head else 1
        self._table.write(
            create(_row(manifest, number, self._bucket.uri(manifest_key(manifest.dataset, manifest.version)), reason)),
            create(_place_in_time(manifest)),
            replace(head, {"pk": pk, "sk": HEAD_SK, "number": number, "version": manifest.version}),
            writer=self._new_token(),
            action=f"note version {manifest.version[:12]} of the dataset {manifest.dataset}",
        )


def _row(manifest: Manifest, number: int, uri: str, reason: str) -> Item:
    return {
        "pk": dataset_pk(manifest.dataset),
        "sk": dataset_version_sk(manifest.version),
        "dataset": manifest.dataset,
        "version": manifest.version,
        "number": number,
        "count": len(manifest.objects),
        "total_bytes": manifest.total_bytes,
        "histogram": manifest.histogram(),
        "manifest_uri": uri,
        "reason": reason,
        "created_at": manifest.created_at,
    }


def _place_in_time(manifest: Manifest) -> Item:
    sk = catalogue_sk(manifest.created_at, manifest.dataset, manifest.version)
    return {"pk": CATALOGUE_PK, "sk": sk, "dataset": manifest.dataset, "version": manifest.version}


def read_row(row: Item) -> DatasetVersion:
    """A version from its row in the ledger."""
    fields = {name: row[name] for name in DatasetVersion.__dataclass_fields__ if name in row}
    return DatasetVersion(**{**fields, "tags": tuple(row.get("tags", ()))})
