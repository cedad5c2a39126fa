"""Locks on targets: two releases never overlap on one, and none begins on what another has changed since its plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ratchet.aws import Item, Put, Table, replace
from ratchet.aws.condition import REVISION
from ratchet.errors import ConflictError

_PK = "RELEASELOCK"


class Locks:
    """One item for each target, named by the resource behind it; it never expires.

    A release gives its locks free in the transaction that closes it. One that was abandoned is brought back first.

    Parameters
    ----------
    table
        The registry's table.
    resources
        For each target the resource behind it.
    """

    def __init__(self, table: Table, resources: Mapping[str, str]) -> None:
        self._table = table
        self._resources = dict(resources)

    def read_fences(self) -> dict[str, int]:
        """The revision of each target's lock: it rises whenever a release begins or ends there."""
        return {target: _revision(self._find(target)) for target in self._resources}

    def holders(self) -> set[str]:
        """The releases that hold one of the locks."""
        found = [self._find(target) for target in self._resources]
        return {str(lock["holder"]) for lock in found if lock and lock["holder"]}

    def take(self, holder: str, fences: Mapping[str, int]) -> list[Put]:
        """Writes that take all locks.

        Raises
        ------
        ConflictError
            When one is not as the plan found it: another release has taken it, or has come and gone.
        """
        return [self._take(target, holder, fences.get(target, 0)) for target in self._resources]

    def free(self, holder: str) -> list[Put]:
        """Writes that give free what this release holds."""
        found: Iterable[Item | None] = map(self._find, self._resources)
        return [replace(lock, _item(str(lock["sk"]), "")) for lock in found if lock and lock["holder"] == holder]

    def _take(self, target: str, holder: str, fence: int) -> Put:
        found = self._find(target)
        if _revision(found) != fence:
            raise ConflictError(f"another release has changed {target} since this one was planned: plan it again")
        return replace(found, _item(self._resources[target], holder))

    def _find(self, target: str) -> Item | None:
        return self._table.find(_PK, self._resources[target])


def _item(resource: str, holder: str) -> Item:
    return {"pk": _PK, "sk": resource, "holder": holder}


def _revision(item: Item | None) -> int:
    return int(item[REVISION]) if item else 0
