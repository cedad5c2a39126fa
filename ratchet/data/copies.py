"""Copies of object versions that nobody overwrites: made within S3, each once, shared by all versions that hold it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ratchet.aws import Aws, Bucket, translate_errors
from ratchet.contract import copy_name
from ratchet.data.ahead import map_ahead
from ratchet.data.manifest import Manifest, ObjectEntry, pair_by_key
from ratchet.errors import ConflictError, DataError, NotFoundError
from ratchet.naming import copies_prefix

WORKERS = 32
WHOLE_BYTES = 5 * 1024**3  # what S3 copies in one call
PART_BYTES = 512 * 1024**2
_TRIES = 5
_TOLD_EVERY = 10_000
_SHOWN = 5
_log = logging.getLogger(__name__)


class Copier:
    """Copies a manifest's objects.

    Parameters
    ----------
    whole_bytes, part_bytes
        Up to what size an object is copied in one call, and the size of the parts of larger ones.
    """

    def __init__(self, aws: Aws, bucket: str, *, whole_bytes: int = WHOLE_BYTES, part_bytes: int = PART_BYTES) -> None:
        self._client: Any = aws.client("s3")
        self._bucket = Bucket(aws, bucket)
        self._whole = whole_bytes
        self._part = part_bytes

    def copy(self, manifest: Manifest, copied: Iterable[ObjectEntry] = ()) -> int:
        """Copy what has no copy yet; return how many objects were looked at.

        What an interrupted try has copied is found again, one call each.

        Parameters
        ----------
        copied
            Objects of a version whose copies are complete, in the order of their keys.

        Raises
        ------
        DataError
            When versions are gone that the manifest names.
        """
        lost: list[str] = []
        done = 0
        for entry, found in map_ahead(lambda one: self._copy(manifest, one), _new(manifest, copied), workers=WORKERS):
            done += 1
            if not found:
                lost.append(entry.key)
            if done % _TOLD_EVERY == 0:
                _log.info("copied %d objects of %s %s", done, manifest.dataset, manifest.version[:12])
        if lost:
            raise DataError(
                f"{len(lost)} object version(s) of {manifest.dataset} {manifest.version[:12]} were deleted for good: "
                f"{', '.join(lost[:_SHOWN])}. Freeze the dataset again"
            )
        return done

    def _copy(self, manifest: Manifest, entry: ObjectEntry) -> tuple[ObjectEntry, bool]:
        target = copies_prefix(manifest.dataset) + copy_name(entry.key, entry.version_id)
        source = {"Bucket": manifest.bucket, "Key": manifest.prefix + entry.key, "VersionId": entry.version_id}
        for _ in range(_TRIES):
            try:
                with translate_errors(f"copy {entry.key} of {manifest.dataset}"):
                    self._copy_once(source, target, entry.size)
            except ConflictError:
                # There already, or somebody is writing it: the same bytes, for only they have this name.
                if not self._bucket.exists(target):
                    continue
            except NotFoundError:
                return entry, False
            return entry, True
        raise ConflictError(f"could not copy {entry.key} of {manifest.dataset}: somebody else is at it; try again")

    def _copy_once(self, source: Mapping[str, str], target: str, size: int) -> None:
        where = {"Bucket": self._bucket.name, "Key": target}
        if size > self._whole:
            self._copy_in_parts(source, where, size)
            return
        # Neither the metadata nor the tags of whoever uploaded it come along.
        self._client.copy_object(
            **where, CopySource=source, IfNoneMatch="*", MetadataDirective="REPLACE", TaggingDirective="REPLACE"
        )

    def _copy_in_parts(self, source: Mapping[str, str], where: Mapping[str, str], size: int) -> None:
        if self._bucket.exists(where["Key"]):
            return
        upload = {**where, "UploadId": self._client.create_multipart_upload(**where)["UploadId"]}
        try:
            parts = []
            for number, start in enumerate(range(0, size, self._part), start=1):
                span = f"bytes={start}-{min(start + self._part, size) - 1}"
                answer = self._client.upload_part_copy(
                    **upload, PartNumber=number, CopySource=source, CopySourceRange=span
                )
                parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
            self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
        except BaseException:
            self._client.abort_multipart_upload(**upload)
            raise


def _new(manifest: Manifest, copied: Iterable[ObjectEntry]) -> Iterator[ObjectEntry]:
    for before, entry in pair_by_key(copied, manifest.objects):
        if entry is not None and (before is None or before.version_id != entry.version_id):
            yield entry
