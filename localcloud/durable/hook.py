"""The places in moto where the recorder listens: who asks for a backend, and who looks at an item or an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localcloud.durable.shelf import ItemShelf
from localcloud.durable.touch import Recorder
from localcloud.patch import Change, change_classes


def listen(recorder: Recorder) -> Callable[[], None]:
    """Begin to listen; return what ends it."""
    from moto.core.base_backend import AccountSpecificBackend

    find = AccountSpecificBackend.__getitem__

    def getitem(self: Any, region: str) -> Any:
        backend = find(self, region)
        recorder.note_backend(backend)
        return backend

    changes: list[Change] = [(AccountSpecificBackend, "__getitem__", getitem), *_items(recorder), *_objects(recorder)]
    return change_classes(changes)


def _items(recorder: Recorder) -> list[Change]:
    from moto.dynamodb.models.table import Table

    get, put, delete = Table.get_item, Table.put_item, Table.delete_item
    name = ItemShelf.name

    def get_item(self: Any, hash_key: Any, range_key: Any = None, *args: Any, **kwargs: Any) -> Any:
        recorder.note_unit(self, name(hash_key, range_key))
        return get(self, hash_key, range_key, *args, **kwargs)

    def put_item(self: Any, *args: Any, **kwargs: Any) -> Any:
        item = put(self, *args, **kwargs)
        recorder.note_unit(self, name(item.hash_key, item.range_key))
        return item

    def delete_item(self: Any, hash_key: Any, range_key: Any) -> Any:
        recorder.note_unit(self, name(hash_key, range_key))
        return delete(self, hash_key, range_key)

    return [(Table, "get_item", get_item), (Table, "put_item", put_item), (Table, "delete_item", delete_item)]


def _objects(recorder: Recorder) -> list[Change]:
    import moto.s3.models as s3

    find = s3.S3Backend.get_bucket
    store = s3._VersionedKeyStore
    get, pop, put, put_list = store.__sgetitem__, store.pop, store.__setitem__, store.setlist

    def get_bucket(self: Any, bucket_name: str) -> Any:
        bucket = find(self, bucket_name)
        bucket.keys.bucket = bucket  # whoever changes the keys says whose they are
        return bucket

    def note(keys: Any, key: str) -> None:
        bucket = getattr(keys, "bucket", None)
        if bucket is not None:
            recorder.note_unit(bucket, key)

    def sgetitem(self: Any, key: str) -> Any:
        note(self, key)
        return get(self, key)

    def take(self: Any, key: str) -> Any:
        note(self, key)
        return pop(self, key)

    def setitem(self: Any, key: str, value: Any) -> Any:
        note(self, key)
        return put(self, key, value)

    def setlist(self: Any, key: Any, versions: Any) -> Any:
        note(self, key)
        return put_list(self, key, versions)

    return [
        (s3.S3Backend, "get_bucket", get_bucket),
        (store, "__sgetitem__", sgetitem),
        (store, "pop", take),
        (store, "__setitem__", setitem),
        (store, "setlist", setlist),
    ]
