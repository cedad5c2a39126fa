"""Where it is written down on which machine an order is tried: one item for each order, moved on by one writer only."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from ratchet.aws import Aws, Deployment, Table, replace
from ratchet.compute.order import JobOrder
from ratchet.compute.placement import Placements
from ratchet.naming import placement_pk


class PlacementBook:
    """The placements of one order, as the ledger has them.

    Two processes that work on one order, be it a zombie and its successor, read the same decision, and only one of them
    can make the next.

    Parameters
    ----------
    order
        For the machine that the policy names first: that makes its identity.
    """

    def __init__(
        self,
        aws: Aws,
        deployment: Deployment,
        order: JobOrder,
        *,
        new_token: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._table = Table(aws, deployment.ledger_table)
        self._key = {"pk": placement_pk(order.pipeline), "sk": order.digest}
        self._new_token = new_token
        self._item: dict[str, Any] | None = None

    def read(self) -> Placements:
        """What is written now; without placements when nothing is."""
        self._item = self._table.find(self._key["pk"], self._key["sk"])
        return Placements.from_json(self._item) if self._item else Placements()

    def write(self, placements: Placements) -> None:
        """Go on from what was read last; `ConflictError` when somebody else has."""
        item = replace(self._item, {**self._key, **placements.to_json()})
        self._table.write(item, writer=self._new_token(), action=f"place job {placements.last.job}")
