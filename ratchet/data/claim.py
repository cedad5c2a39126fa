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


@dataclass(frozen=True)
class ClaimKey:
    """What is to be done: which pipeline, on which data, with which code and parameters."""

    pipeline: str
    dataset_version: str
    identity_digest: str

    @property
    def item_key(self) -> tuple[str, str]:
        """Partition and sort key of the claim's item."""
        return claim_pk(self.pipeline), claim_sk(self.dataset_version, self.identity_digest)


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
        self.lease = timedelta(seconds=lease_seconds)
        self._new_token = new_token

    def take(self, key: ClaimKey, *, holder: str, force: bool = False, reason: str = "", who: str = "") -> Claim:
        """Claim the work, or learn who has it.

        Parameters
        ----------
        key
            The work.
        holder
            Which run asks. The same holder is granted again: that is a retry, and renews the lease.
        force
            Take it whoever has it; kept with who and why.
        reason, who
            Why somebody forces it, and who that is.
        """
        request = ClaimRequest(*key.item_key, key.dataset_version, holder, force=force, why=reason, who=who)
        return self._repeat(lambda: self._take(request), holder)

    def renew(self, key: ClaimKey, *, holder: str, extra_seconds: float = 0.0) -> Claim:
        """Keep a claim for another lease and so many seconds more; never for less than it is held already.

        A holder whose claim has passed to another is not granted it; that is logged as fenced.
        """
        return self._repeat(lambda: self._renew(key, holder, timedelta(seconds=extra_seconds)), holder)

    def finish(self, key: ClaimKey, *, holder: str, outcome: str) -> Claim:
        """Close the holder's claim; closing it once more keeps the newer outcome, but a result never becomes a failure.

        A holder whose claim has passed to another changes nothing; that is logged as fenced.
        """
        return self._repeat(lambda: self._finish(key, holder, outcome), holder)

    def is_working(self, pipeline: str) -> bool:
        """Whether some run of a pipeline holds a claim now."""
        now = isoformat(self._clock.now())
        return any(
            claim["state"] == ClaimState.IN_PROGRESS and claim["lease_until"] > now
            for claim in self._table.query(claim_pk(pipeline))
        )

    def _repeat(self, attempt: Callable[[], Claim], holder: str) -> Claim:
        return retry_conflicts(attempt, self._clock, seed=holder, ours=lambda write: True)

    def _take(self, request: ClaimRequest) -> Claim:
        current = self._table.find(request.pk, request.sk)
        ruling = rule(current, request, self._clock.now(), self.lease)
        if ruling.item is not None:
            action = f"claim dataset version {request.dataset_version[:12]} for run {request.holder}"
            self._table.write(replace(current, ruling.item), writer=self._new_token(), action=action)
        return _claim(ruling.item or current or {}, granted=ruling.granted, reason=ruling.reason)

    def _renew(self, key: ClaimKey, holder: str, extra: timedelta) -> Claim:
        current = self._held(key, holder)
        if current["holder"] != holder:
            return _fenced(current, holder, "renew its claim")
        until = isoformat(self._clock.now() + self.lease + extra)
        held = current["state"] == ClaimState.IN_PROGRESS and current["lease_until"] >= until
        if held or current["state"] == ClaimState.COMPLETED:
            return _claim(current, granted=True, reason="held")
        # A failed claim that nobody took up is held again: somebody cleared the failed task.
        lease_until = max(until, current["lease_until"])
        renewed = {**current, "state": ClaimState.IN_PROGRESS, "outcome": "", "lease_until": lease_until}
        self._table.write(replace(current, renewed), writer=self._new_token(), action=f"renew the claim of {holder}")
        return _claim(renewed, granted=True, reason="renewed")

    def _held(self, key: ClaimKey, holder: str) -> Item:
        current = self._table.find(*key.item_key)
        if current is None:
            raise NotFoundError(f"run {holder} has no claim {' '.join(key.item_key)}")
        return current

    def _finish(self, key: ClaimKey, holder: str, outcome: str) -> Claim:
        current = self._held(key, holder)
        if current["holder"] != holder:
            return _fenced(current, holder, f"close its claim as {outcome}")
        state = ClaimState.FAILED if outcome == FAILED else ClaimState.COMPLETED
        settled = state is ClaimState.FAILED and current["state"] == ClaimState.COMPLETED
        if settled or (current["state"], current["outcome"]) == (state, outcome):
            return _claim(current, granted=True, reason=outcome)
        closed = {**current, "state": state, "outcome": outcome, "finished_at": isoformat(self._clock.now())}
        self._table.write(replace(current, closed), writer=self._new_token(), action=f"close the claim of run {holder}")
        return _claim(closed, granted=True, reason=outcome)


def _fenced(current: Item, holder: str, wanted: str) -> Claim:
    reason = f"the claim has passed to run {current['holder']}: {current['reason']}"
    _log.warning("fenced: run %s cannot %s: %s", holder, wanted, reason)
    return _claim(current, granted=False, reason=reason)


def _claim(item: Item, *, granted: bool, reason: str) -> Claim:
    return Claim(granted, item["holder"], ClaimState(item["state"]), int(item["epoch"]), reason)
