"""What every Ratchet operator shares: the pipeline's workshop, and who should act on an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from operators.retry import NoCapacityException
from ratchet.errors import Actor, CapacityError, RatchetError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ratchet.loop.workshop import Workshop

_WORTH_A_RETRY = frozenset({Actor.RETRY, Actor.OPERATOR})


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Turn Ratchet's errors into Airflow's: those that a retry may mend, and those that it would only repeat."""
    try:
        yield
    except RatchetError as error:
        kind = AirflowException if error.actor in _WORTH_A_RETRY else AirflowFailException
        if isinstance(error, CapacityError):
            kind = NoCapacityException
        raise kind(f"{error} [{error.actor.value} acts]") from error


class RatchetOperator(BaseOperator):
    """Base of the verbs.

    Parameters
    ----------
    pipeline
        Name of the pipeline; its file is read when the task runs, so that parsing a DAG stays cheap.
    """

    ui_color = "#f4f1ea"

    def __init__(self, *, pipeline: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline

    def workshop(self) -> Workshop:
        """Build the pipeline's workshop from the worker's environment."""
        from ratchet.loop.workshop import open_workshop

        return open_workshop(self.pipeline)


def pull(context: Context, task_id: str) -> Mapping[str, Any]:
    """Read what an earlier task left: names and digests."""
    value = context["ti"].xcom_pull(task_ids=task_id)
    if not isinstance(value, Mapping):
        raise AirflowFailException(
            f"task {task_id} left nothing to work on in this run; clear {task_id} so that it runs again [user acts]"
        )
    return value


def close_claim(workshop: Workshop, context: Context, outcome: str) -> None:
    """Say in the ledger how this run's work on its dataset version ended."""
    from ratchet.loop.step import finish
    from ratchet.loop.ticket import Ticket

    finish(workshop, Ticket.from_json(pull(context, "freeze")), run_id=str(context["run_id"]), outcome=outcome)


def held(context: Context, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Name the run's claim beside what is waited for, so that whoever waits keeps it."""
    ticket = pull(context, "freeze")
    names = {"dataset_version": ticket["dataset_version"], "identity": ticket["identity"]}
    return {**payload, "claim": {**names, "run_id": str(context["run_id"])}}


def hold_claim(workshop: Workshop, context: Context, extra_seconds: float) -> None:
    """Hold this run's claim for so many seconds and a lease more: for a wait during which nobody looks."""
    from ratchet.loop.hold import Hold
    from ratchet.loop.ticket import Ticket

    Hold(workshop, Ticket.from_json(pull(context, "freeze")), str(context["run_id"])).renew(extra_seconds)
