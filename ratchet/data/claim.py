"""Who trains what: one claim for each pipeline, dataset version and code, so that nothing is paid twice."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from ratchet.aws import Aws, Deployment, Item, Table, replace, retry_conflicts
from ratchet.clock import Clock, isoformat
from ratchet.data.ruling import ClaimRequest, ClaimState, rule
from ratchet.errors import NotFoundError
from ratchet.naming import claim_pk, claim_sk

FAILED = "failed"  # the one outcome after which another run may try without force
_LEASE_SECONDS = 24 * 3600.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claim:
    """The answer to who may do the work.

    Attributes
    ----------
    granted
        Whether the caller may.
    holder
        Who holds the claim: a run's id.
    epoch
        Rises by one with every change of holder.
    reason
        Why it was granted or not, in words for a person.
    """

    granted: bool
    holder: str
    state: ClaimState
    epoch: int
    reason: str


class Claims:
    """Takes and closes claims in the ledger.

    Parameters
    ----------
    lease_seconds
        How long a run holds a claim that it neither closes nor renews.
    """

    def __init__(
        self,
        aws: Aws,
        deployment: Deployment,
        clock: Clock,
        *,
        lease_seconds: float = _LEASE_SECONDS,
        new_token: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._table = Table(aws, deployment.ledger_table)
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)
        self._new_token = new_token

    def take(
        self,
        pipeline: str,
        dataset_version: str,
        identity_digest: str,
        *,
        holder: str,
        force: bool = False,
        reason: str = "",
    ) -> Claim:
        """Claim the work, or learn who has it.

        Parameters
        ----------
        pipeline, dataset_version, identity_digest
            What is to be done: which pipeline, on which data, with which code and parameters.
        holder
            Who asks. The same holder is granted again: that is a retry, and renews the lease.
        force
            Take it whoever has it; kept with who and why.
        reason
            Why somebody forces it.
        """
        pk, sk = claim_pk(pipeline), claim_sk(dataset_version, identity_digest)
        request = ClaimRequest(pk, sk, dataset_version, holder, force, reason)
        return self._repeat(lambda: self._take(request), holder)

    def finish(self, pipeline: str, dataset_version: str, identity_digest: str, *, holder: str, outcome: str) -> Claim:
        """Close the holder's claim; closing it once more keeps the newer outcome, but a result never becomes a failure.

        A holder whose claim has passed to another changes nothing; that is logged as fenced.
        """
        pk, sk = claim_pk(pipeline), claim_sk(dataset_version, identity_digest)
        return self._repeat(lambda: self._finish((pk, sk), holder, outcome), holder)

    def _repeat(self, attempt: Callable[[], Claim], holder: str) -> Claim:
        return retry_conflicts(attempt, self._clock, seed=holder, ours=lambda write: True)

    def _take(self, request: ClaimRequest) -> Claim:
        current = self._table.find(request.pk, request.sk)
        ruling = rule(current, request, self._clock.now(), self._lease)
        if ruling.item is not None:
            action = f"claim dataset version {request.dataset_version[:12]} for run {request.holder}"
            self._table.write(replace(current, ruling.item), writer=self._new_token(), action=action)
        return _claim(ruling.item or current or {}, granted=ruling.granted, reason=ruling.reason)

    def _finish(self, key: tuple[str, str], holder: str, outcome: str) -> Claim:
        current = self._table.find(*key)
        if current is None:
            raise NotFoundError(f"run {holder} has no claim {' '.join(key)} to close as {outcome}")
        if current["holder"] != holder:
            reason = f"the claim has passed to run {current['holder']}"
            _log.warning("fenced: run %s cannot close %s as %s: %s", holder, key, outcome, reason)
            return _claim(current, granted=False, reason=reason)
        state = ClaimState.FAILED if outcome == FAILED else ClaimState.COMPLETED
        settled = state is ClaimState.FAILED and current["state"] == ClaimState.COMPLETED
        if settled or (current["state"], current["outcome"]) == (state, outcome):
            return _claim(current, granted=True, reason=outcome)
        closed = {**current, "state": state, "outcome": outcome, "finished_at": isoformat(self._clock.now())}
        self._table.write(replace(current, closed), writer=self._new_token(), action=f"close the claim of run {holder}")
        return _claim(closed, granted=True, reason=outcome)


def _claim(item: Item, *, granted: bool, reason: str) -> Claim:
    return Claim(granted, item["holder"], ClaimState(item["state"]), int(item["epoch"]), reason)
