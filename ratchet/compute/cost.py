"""What a job costs: list prices from a dated table, times what was billed or has run. Volumes are not counted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from ratchet.compute.order import JobStatus

TABLE = Path(__file__).with_name("prices.json")
_HOUR_SECONDS = 3600.0


@dataclass(frozen=True)
class Price:
    """An on-demand list price in USD an hour, and the day it was read."""

    usd_per_hour: float
    as_of: str

    def cost_usd(self, seconds: float, instances: int = 1) -> float:
        """USD for so many seconds on so many machines."""
        return self.usd_per_hour * seconds * instances / _HOUR_SECONDS


@dataclass(frozen=True)
class Cost:
    """USD that a job has cost, and that Spot saved against the on-demand price."""

    usd: float
    saved_usd: float = 0.0


def find_price(region: str, instance_type: str) -> Price | None:
    """The price of a machine in a region; None when the table does not hold it."""
    table = _read_table()
    found = table["regions"].get(region, {}).get(instance_type)
    return None if found is None else Price(float(found), str(table["as_of"]))


def cost_of(status: JobStatus, region: str, now: datetime) -> Cost | None:
    """What a job has cost so far, or cost in the end; None when nobody knows the price.

    AWS bills `billable_seconds` for each machine once a job has ended; until then it is the time since its start.
    """
    price = find_price(region, status.instance_type)
    if price is None:
        return None
    if not status.state.ended:
        seconds = (now - status.started_at).total_seconds() if status.started_at else 0.0
        return Cost(price.cost_usd(max(0.0, seconds), status.instance_count))
    billed = status.billable_seconds or 0
    spared = max(0, (status.training_seconds or billed) - billed)
    return Cost(price.cost_usd(billed, status.instance_count), price.cost_usd(spared, status.instance_count))


def tell_usd(usd: float) -> str:
    """An amount as a person reads it: cents, and more digits when there are no cents."""
    return f"${usd:.2f}" if usd >= 0.01 or not usd else f"${usd:.4f}"


@cache
def _read_table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(TABLE.read_text("utf-8"))
    return table
