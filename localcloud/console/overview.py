"""What the first page shows: how many there are of everything, what runs, and what rings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localcloud.console.alarm_view import list_alarms
from localcloud.console.function_view import list_functions
from localcloud.console.gateway import Gateway
from localcloud.console.job_view import list_jobs
from localcloud.console.service_view import list_services
from localcloud.console.store_view import list_buckets, list_queues, list_tables

_RUNNING = frozenset({"InProgress", "Stopping", "STARTING", "RUNNING", "RUNNABLE", "pending", "running"})
_SHOWN_JOBS = 8

ListAll = Callable[[Gateway, Mapping[str, str]], dict[str, Any]]
LISTS: Mapping[str, ListAll] = {
    "jobs": list_jobs,
    "services": list_services,
    "functions": list_functions,
    "queues": list_queues,
    "tables": list_tables,
    "buckets": list_buckets,
    "alarms": list_alarms,
}


def show_overview(gateway: Gateway, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the counts, the newest jobs, every service, and the alarms that ring."""
    found = {name: read(gateway, query)[name] for name, read in LISTS.items()}
    return {
        "counts": {name: len(entries) for name, entries in found.items()},
        "running": sum(job["status"] in _RUNNING for job in found["jobs"]),
        "jobs": found["jobs"][:_SHOWN_JOBS],
        "services": found["services"],
        "ringing": [alarm for alarm in found["alarms"] if alarm["state"] == "ALARM"],
    }
