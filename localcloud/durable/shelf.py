"""Large collections, whose entries are written one by one: an object, an item, a message, a batch of log lines.

Everything else is written as a whole with the object that holds it, which is small. A shelf says how to take a
collection apart and how to put it together again; it changes nothing by itself.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Entry:
    """One entry of a collection.

    Attributes
    ----------
    key
        Its name within its unit.
    stamp
        Differs when the entry is another one; where the shelf is `stamped` also when it has changed in place.
    value
        What is written.
    """

    key: str
    stamp: Any
    value: Any


@dataclass
class Known:
    """What is written of one collection: by unit and key the stamp and the hash of the form."""

    container: int = 0
    units: dict[str, dict[str, tuple[Any, int]]] = field(default_factory=dict)


class Shelf(Protocol):
    """A collection that is taken apart.

    Attributes
    ----------
    kind
        Class of the objects that hold one.
    attribute
        Where they hold it.
    but
        Attributes that are not written with the object: the collection, and what follows from it.
    stamped
        Whether a stamp also tells of changes in place; such a collection is looked through at every occasion.
    """

    kind: type
    attribute: str
    but: frozenset[str]
    stamped: bool

    def units(self, owner: Any) -> Iterable[str]:
        """Return the names of all units."""

    def entries(self, owner: Any, unit: str) -> Iterator[Entry]:
        """Return the entries of a unit, in their order; none when it is gone."""

    def fill(self, owner: Any, entries: Iterable[tuple[str, str, Any]]) -> None:
        """Put the collection together from unit, key and value."""

    def twin(self, owner: Any) -> str | None:
        """Return what a copy that takes its owner's place has in common with it; None when nothing takes its place."""


class ObjectShelf:
    """The objects of a bucket: a unit is a key, an entry a version."""

    attribute = "keys"
    but = frozenset({"keys"})
    stamped = False

    def __init__(self) -> None:
        from moto.s3.models import FakeBucket

        self.kind = FakeBucket

    def units(self, owner: Any) -> Iterable[str]:
        """Return the keys."""
        return list(dict.keys(owner.keys))

    def entries(self, owner: Any, unit: str) -> Iterator[Entry]:
        """Return the versions, the oldest first."""
        for version in list(dict.get(owner.keys, unit) or ()):
            yield Entry(str(version.version_id), id(version), version)

    def fill(self, owner: Any, entries: Iterable[tuple[str, str, Any]]) -> None:
        """Put the versions under their keys."""
        import moto.s3.models as s3

        owner.keys = s3._VersionedKeyStore()
        for unit, _, version in entries:
            if unit in owner.keys:
                dict.__getitem__(owner.keys, unit).append(version)
            else:
                dict.__setitem__(owner.keys, unit, [version])

    def twin(self, owner: Any) -> str | None:
        """Nothing takes its place."""
        return None


class ItemShelf:
    """The items of a table: a unit is one item, by its hash and range."""

    attribute = "items"
    but = frozenset({"items"})
    stamped = False

    def __init__(self) -> None:
        from moto.dynamodb.models.table import Table

        self.kind = Table

    @staticmethod
    def name(hash_key: Any, range_key: Any) -> str:
        """Return the name of an item."""
        parts = [hash_key.type, hash_key.value]
        return json.dumps([*parts, range_key.type, range_key.value] if range_key else parts, default=str)

    def units(self, owner: Any) -> Iterable[str]:
        """Return the items' names."""
        return list(self._items(owner))

    def entries(self, owner: Any, unit: str) -> Iterator[Entry]:
        """Return the item."""
        found = self._find(owner, json.loads(unit))
        if found is not None:
            yield Entry("", id(found), found)

    def fill(self, owner: Any, entries: Iterable[tuple[str, str, Any]]) -> None:
        """Put the items under their keys."""
        owner.items = defaultdict(dict)
        for _, _, item in entries:
            if item.range_key:
                owner.items[item.hash_key][item.range_key] = item
            else:
                owner.items[item.hash_key] = item

    def twin(self, owner: Any) -> str | None:
        """A table that is restored after a failed transaction is the same table."""
        return f"{owner.table_arn} {owner.created_at}"

    def _items(self, owner: Any) -> Iterator[str]:
        for found in list(owner.items.values()):
            for item in list(found.values()) if isinstance(found, dict) else [found]:
                yield self.name(item.hash_key, item.range_key)

    def _find(self, owner: Any, parts: list[Any]) -> Any:
        from moto.dynamodb.models.dynamo_type import DynamoType

        keys = [DynamoType({parts[at]: parts[at + 1]}) for at in range(0, len(parts), 2)]
        found = owner.items.get(keys[0])
        if len(keys) == 1 or found is None:
            return found
        return found.get(keys[1])


class MessageShelf:
    """The messages of a queue, in their order."""

    attribute = "_messages"
    but = frozenset({"_messages", "_pending_messages", "deleted_messages"})
    stamped = True

    def __init__(self) -> None:
        from moto.sqs.models import Queue

        self.kind = Queue

    def units(self, owner: Any) -> Iterable[str]:
        """There is one unit: the queue."""
        return [""]

    def entries(self, owner: Any, unit: str) -> Iterator[Entry]:
        """Return the messages."""
        for each in list(owner._messages):
            stamp = (each.visible_at, each.delayed_until, each.approximate_receive_count, each.receipt_handle)
            yield Entry(each.id, stamp, each)

    def fill(self, owner: Any, entries: Iterable[tuple[str, str, Any]]) -> None:
        """Put the messages into the queue; those that are out with a receiver are pending still."""
        owner._messages = [message for _, _, message in entries]
        owner._pending_messages = {message for message in owner._messages if message.receipt_handle}
        owner.deleted_messages = set()

    def twin(self, owner: Any) -> str | None:
        """Nothing takes its place."""
        return None


class TailShelf:
    """A list that grows at its end: an entry is what came since the last look, under its place in the list.

    Parameters
    ----------
    kind, attribute
        Where the list is.
    """

    stamped = True

    def __init__(self, kind: type, attribute: str) -> None:
        self.kind = kind
        self.attribute = attribute
        self.but = frozenset({attribute})

    def units(self, owner: Any) -> Iterable[str]:
        """There is one unit: the list."""
        return [""]

    def entries(self, owner: Any, unit: str) -> Iterator[Entry]:
        """Return the whole list as one entry; the ledger writes tails through `tail`."""
        found = list(getattr(owner, self.attribute))
        if found:
            yield Entry("0", (id(found[0]), len(found)), found)

    def tail(self, owner: Any, known: dict[str, tuple[Any, int]]) -> tuple[bool, int, list[Any]]:
        """Return whether what is written still holds, where the new part begins, and the new part."""
        found = list(getattr(owner, self.attribute))
        first, count = next((stamp for stamp, _ in known.values()), (None, 0))
        if count and (len(found) < count or id(found[0]) != first):
            return False, 0, found
        return True, count, found[count:]

    def fill(self, owner: Any, entries: Iterable[tuple[str, str, Any]]) -> None:
        """Put the parts together."""
        setattr(owner, self.attribute, [each for _, _, part in entries for each in part])

    def twin(self, owner: Any) -> str | None:
        """Nothing takes its place."""
        return None


def make_shelves() -> list[Shelf]:
    """Return the shelves for moto's large collections."""
    from moto.cloudwatch.models import CloudWatchBackend
    from moto.dynamodb.models.table import StreamShard
    from moto.logs.models import LogStream

    return [
        ObjectShelf(),
        ItemShelf(),
        MessageShelf(),
        TailShelf(LogStream, "events"),
        TailShelf(StreamShard, "items"),
        TailShelf(CloudWatchBackend, "metric_data"),
    ]
