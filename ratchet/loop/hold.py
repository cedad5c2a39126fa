"""A run keeps its claim for as long as it works, and learns when it has lost it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ratchet.data import ClaimKey
from ratchet.errors import ClaimLostError
from ratchet.loop.look import Look, Watch
from ratchet.loop.ticket import Ticket
from ratchet.loop.workshop import Workshop

_RENEWALS_IN_A_LEASE = 8


class Hold:
    """The claim that a run has on its work.

    Parameters
    ----------
    workshop
        The pipeline's workshop.
    ticket
        What the run was granted.
    run_id
        The holder.
    """

    def __init__(self, workshop: Workshop, ticket: Ticket, run_id: str) -> None:
        self._claims = workshop.claims
        self._key = ClaimKey(workshop.pipeline.name, ticket.dataset_version, ticket.identity)
        self._run_id = run_id
        self._clock = workshop.clock
        self._next: datetime | None = None

    def renew(self, extra_seconds: float = 0.0) -> None:
        """Hold the claim for another lease and so many seconds more.

        Raises
        ------
        ClaimLostError
            When another run holds it now; this one must not go on.
        """
        claim = self._claims.renew(self._key, holder=self._run_id, extra_seconds=extra_seconds)
        if not claim.granted:
            raise ClaimLostError(f"run {self._run_id} must not go on: {claim.reason}")
        self._next = self._clock.now() + self._claims.lease / _RENEWALS_IN_A_LEASE

    def keep(self) -> None:
        """Renew when it is time to; cheap to call often."""
        if self._next is None or self._clock.now() >= self._next:
            self.renew()


class HeldWatch:
    """A watch that keeps the run's claim while it waits, however long that is.

    A run that has lost its claim stops waiting but leaves the remote work alone: its new holder may have taken it over.
    """

    def __init__(self, watch: Watch, hold: Hold) -> None:
        self._watch = watch
        self._hold = hold

    def look(self) -> Look:
        """Renew when it is time to, then look."""
        try:
            self._hold.keep()
        except ClaimLostError as error:
            return Look(True, str(error), outcome={"error": str(error), "actor": error.actor.value})
        return self._watch.look()

    def cancel(self) -> None:
        """End the remote work."""
        self._watch.cancel()


def hold_while_waiting(watch: Watch, workshop: Workshop, payload: Mapping[str, Any]) -> Watch:
    """Wrap a watch whose payload names a claim; others stay as they are."""
    claim = payload.get("claim")
    if claim is None:
        return watch
    ticket = Ticket(True, "", dataset_version=str(claim["dataset_version"]), identity=str(claim["identity"]))
    return HeldWatch(watch, Hold(workshop, ticket, str(claim["run_id"])))
