"""Which dataset versions there are, by time and by tag: answered from the ledger's items, never by listing S3.

Besides its own row, a version has one item in a partition that is ordered by time, and one for each tag that it ever
had: a tag that was taken away leaves its item behind, marked so.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ratchet.aws import Aws, Deployment, Put, Table, replace, retry_conflicts
from ratchet.clock import Clock
from ratchet.data.store import DatasetVersion, read_row
from ratchet.errors import NotFoundError, SpecError
from ratchet.naming import CATALOGUE_PK, catalogue_sk, dataset_pk, dataset_version_sk, tag_pk

_LONGEST_TAG = 64
_MOST_TAGS = 40  # each is one write of the transaction that changes them
_SHORTEST_DIGEST = 4


@dataclass(frozen=True)
class Catalogue:
    """Finds dataset versions and says things about them.

    Parameters
    ----------
    new_token
        Makes the tokens by which a write knows its own success.
    """

    aws: Aws
    deployment: Deployment
    clock: Clock
    new_token: Callable[[], str] = lambda: uuid.uuid4().hex

    @property
    def _table(self) -> Table:
        return Table(self.aws, self.deployment.ledger_table)

    def find(self, *, tag: str = "", since: str = "", dataset: str = "") -> Iterator[DatasetVersion]:
        """Versions in the order in which they were frozen.

        Parameters
        ----------
        tag
            Only those that have it now.
        since
            Only those frozen at this time or later, as `2030-01-31` or longer.
        dataset
            Only those of this dataset.
        """
        for item in self._table.query(tag_pk(tag) if tag else CATALOGUE_PK, after=since):
            if item.get("removed") or (dataset and item["dataset"] != dataset):
                continue
            yield self.get(str(item["dataset"]), str(item["version"]))

    def get(self, dataset: str, version: str) -> DatasetVersion:
        """One version by its whole digest; `NotFoundError` when there is none."""
        return read_row(self._row(dataset, version))

    def resolve(self, dataset: str, name: str) -> DatasetVersion:
        """A version by its number, or by the first four or more characters of its digest.

        Raises
        ------
        NotFoundError
            When none or several are meant; the message says which there are.
        """
        rows = [read_row(row) for row in self._table.query(dataset_pk(dataset), dataset_version_sk(""))]
        found = [row for row in rows if name == str(row.number)]
        if not found and len(name) >= _SHORTEST_DIGEST:
            found = [row for row in rows if row.version.startswith(name)]
        if len(found) != 1:
            newest = sorted(rows, key=lambda row: -row.number)[:5]
            known = ", ".join(f"{row.number} ({row.version[:12]})" for row in newest) or "none"
            many = "several versions" if found else "no version"
            raise NotFoundError(f"the dataset {dataset} has {many} {name!r}; the newest are: {known}")
        return found[0]

    def tag(self, dataset: str, version: str, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        """Give a version tags and take others away; what is so already stays so.

        Raises
        ------
        SpecError
            When a tag is empty, too long, or holds what cannot be printed, or there are too many.
        """
        for name in add:
            if not name.strip() or len(name) > _LONGEST_TAG or not name.isprintable():
                raise SpecError(f"{name!r} is no tag: up to {_LONGEST_TAG} printable characters")
        self._repeat(lambda: self._tag(dataset, version, set(add), set(remove)), version)

    def describe(self, dataset: str, version: str, text: str) -> None:
        """Say in words what a version is."""
        self._repeat(lambda: self._describe(dataset, version, text), version)

    def _describe(self, dataset: str, version: str, text: str) -> None:
        row = self._row(dataset, version)
        if row.get("description") != text:
            self._write(dataset, version, replace(row, {**row, "description": text}))

    def _tag(self, dataset: str, version: str, add: set[str], remove: set[str]) -> None:
        row = self._row(dataset, version)
        had = set(row.get("tags", ()))
        has = (had | add) - remove
        if len(has) > _MOST_TAGS or len(had ^ has) > _MOST_TAGS:
            raise SpecError(f"a version has at most {_MOST_TAGS} tags")
        if had == has:
            return
        marks = [self._mark(row, name, removed=name not in has) for name in sorted(had ^ has)]
        self._write(dataset, version, replace(row, {**row, "tags": sorted(has)}), *marks)

    def _mark(self, row: dict[str, Any], tag: str, *, removed: bool) -> Put:
        dataset, version = str(row["dataset"]), str(row["version"])
        pk, sk = tag_pk(tag), catalogue_sk(str(row["created_at"]), dataset, version)
        item = {"pk": pk, "sk": sk, "dataset": dataset, "version": version, "removed": removed}
        return replace(self._table.find(pk, sk), item)

    def _row(self, dataset: str, version: str) -> dict[str, Any]:
        row = self._table.find(dataset_pk(dataset), dataset_version_sk(version))
        if row is None:
            raise NotFoundError(f"the catalogue knows no version {version} of the dataset {dataset}")
        return row

    def _write(self, dataset: str, version: str, *writes: Put) -> None:
        action = f"describe version {version[:12]} of the dataset {dataset}"
        self._table.write(*writes, writer=self.new_token(), action=action)

    def _repeat(self, attempt: Callable[[], None], seed: str) -> None:
        retry_conflicts(attempt, self.clock, seed=seed + self.new_token(), ours=lambda write: True)
