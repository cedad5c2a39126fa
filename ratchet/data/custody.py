"""Training reads exactly what was frozen: copies, or the objects themselves, looked at before and after."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

from ratchet.aws import Aws, Deployment, Table, replace, retry_conflicts
from ratchet.clock import Clock
from ratchet.contract import copy_name
from ratchet.data.copies import Copier
from ratchet.data.manifest import Manifest, ObjectEntry, pair_by_key
from ratchet.data.manifest_file import write_channel
from ratchet.data.store import DatasetStore
from ratchet.errors import DataError
from ratchet.naming import COPIED_SK, copies_manifest_key, copies_prefix, dataset_pk

_SHOWN = 10


class Custody:
    """Keeps dataset versions as they were while something trains on them; every verb may be repeated."""

    def __init__(
        self,
        aws: Aws,
        deployment: Deployment,
        clock: Clock,
        *,
        store: DatasetStore,
        new_token: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_token = new_token
        self._bucket = deployment.data_bucket
        self._copier = Copier(aws, deployment.data_bucket)
        self._table = Table(aws, deployment.ledger_table)

    def copy(self, manifest: Manifest) -> int:
        """Copy the objects of a version that no complete version holds yet; return how many were looked at."""
        count = self._copier.copy(manifest, self._copied(manifest.dataset))
        names = (copy_name(entry.key, entry.version_id) for entry in manifest.objects)
        prefix = f"s3://{self._bucket}/{copies_prefix(manifest.dataset)}"
        key = copies_manifest_key(manifest.dataset, manifest.version)
        self._store.write_first(key, lambda path: write_channel(prefix, names, path))
        retry_conflicts(lambda: self._note(manifest), self._clock, seed=manifest.version, ours=lambda write: True)
        return count

    def refuse_changes(self, manifest: Manifest) -> None:
        """Look whether every object is still what was frozen; what has come since does not matter.

        The same bytes uploaded again are no change.

        Raises
        ------
        DataError
            Names the keys that were overwritten or deleted.
        """
        changed: list[str] = []
        with self._store.current(manifest.dataset, manifest.objects) as now:
            for frozen, found in pair_by_key(manifest.objects, now):
                if frozen is not None and (found is None or found[2:] != frozen[2:]):
                    changed.append(frozen.key)
        if changed:
            more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
            raise DataError(
                f"{len(changed)} object(s) of {manifest.dataset} changed after version {manifest.version[:12]} was "
                f"frozen: {', '.join(map(ascii, changed[:_SHOWN]))}{more}. What is there now is a new version: run the "
                "pipeline again, or set `data.freeze: copy` to train on copies that nobody overwrites"
            )

    def _copied(self, dataset: str) -> Iterator[ObjectEntry]:
        newest = self._table.find(dataset_pk(dataset), COPIED_SK)
        return iter(self._store.read(dataset, str(newest["version"])).objects) if newest else iter(())

    def _note(self, manifest: Manifest) -> None:
        before = self._table.find(dataset_pk(manifest.dataset), COPIED_SK)
        if before is None or before["version"] != manifest.version:
            item = {"pk": dataset_pk(manifest.dataset), "sk": COPIED_SK, "version": manifest.version}
            action = f"note the copies of {manifest.dataset} {manifest.version[:12]}"
            self._table.write(replace(before, item), writer=self._new_token(), action=action)
