"""Named conditions of DynamoDB writes, and what a write is: frozen data that a transaction is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ratchet.aws.marshal import marshal, marshal_item
from ratchet.errors import ConflictError

Item = Mapping[str, Any]

WRITER = "writer"  # token of the write that left an item as it is
REVISION = "revision"  # rises by one with every write of an item


@dataclass(frozen=True)
class Condition:
    """What must hold of the item that is there.

    Attributes
    ----------
    name
        What a person reads when it does not hold.
    """

    name: str
    expression: str
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


ABSENT = Condition("is not there yet", "attribute_not_exists(pk)")


def unchanged(item: Item | None) -> Condition:
    """The item is as it was read: the same revision, or still absent."""
    if item is None:
        return ABSENT
    return Condition(
        f"is unchanged since revision {item[REVISION]}",
        "#revision = :revision",
        {"#revision": REVISION},
        {":revision": item[REVISION]},
    )


def has(**values: Any) -> Condition:
    """The item is there and these attributes have these values."""
    return Condition(
        "has " + ", ".join(f"{name} {value}" for name, value in values.items()),
        " AND ".join(f"#{name} = :{name}" for name in values),
        {f"#{name}": name for name in values},
        {f":{name}": value for name, value in values.items()},
    )


@dataclass(frozen=True)
class Put:
    """Write a whole item, `pk` and `sk` included; its revision and writer are added by the table."""

    item: Item
    condition: Condition
    previous: Item | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Partition and sort key."""
        return str(self.item["pk"]), str(self.item["sk"])


@dataclass(frozen=True)
class Check:
    """Write nothing, but let the transaction happen only if the condition holds."""

    pk: str
    sk: str
    condition: Condition

    @property
    def key(self) -> tuple[str, str]:
        """Partition and sort key."""
        return self.pk, self.sk


Write = Put | Check


def create(item: Item) -> Put:
    """Write an item that must not be there yet."""
    return Put(item, ABSENT)


def replace(previous: Item | None, item: Item) -> Put:
    """Write over an item only if it is as it was read."""
    return Put(item, unchanged(previous), previous)


class ConditionFailedError(ConflictError):
    """A write's condition did not hold; nothing was written.

    Attributes
    ----------
    failed
        The writes whose condition did not hold; empty when another transaction was in the way.
    found
        The items that were there instead, by key.
    """

    def __init__(self, message: str, failed: tuple[Write, ...], found: Mapping[tuple[str, str], Item]) -> None:
        super().__init__(message)
        self.failed = failed
        self.found = found


def render_write(table: str, write: Write, writer: str) -> tuple[str, dict[str, Any]]:
    """Write as the `Put` or `ConditionCheck` that DynamoDB wants."""
    condition = write.condition
    body: dict[str, Any] = {
        "TableName": table,
        "ConditionExpression": condition.expression,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if condition.names:
        body["ExpressionAttributeNames"] = dict(condition.names)
    if condition.values:
        body["ExpressionAttributeValues"] = {name: marshal(value) for name, value in condition.values.items()}
    if isinstance(write, Check):
        return "ConditionCheck", body | {"Key": marshal_item({"pk": write.pk, "sk": write.sk})}
    revision = int(write.previous[REVISION]) + 1 if write.previous else 1
    return "Put", body | {"Item": marshal_item({**write.item, REVISION: revision, WRITER: writer})}
