"""A person's decision, bound to one artefact's digest; the release believes this record and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ratchet.aws import Aws, ConditionFailedError, Deployment, Item, Table, create
from ratchet.clock import Clock, isoformat
from ratchet.errors import ApprovalError, ConflictError
from ratchet.naming import approval_sk, model_pk, short
from ratchet.registry import ModelVersion, Registry, Stage

_COMMENT_LIMIT = 2000
_LIVE = frozenset({Stage.APPROVED, Stage.RELEASING, Stage.CHAMPION, Stage.RETIRED})  # retired: a rollback's release
_EXPIRY = "the approval's timeout"


@dataclass(frozen=True)
class Decision:
    """Who said what about which artefact.

    Attributes
    ----------
    approvers
        Who could have said it: the policy at that time.
    via
        How the answer reached us.
    """

    model: str
    version: int
    digest: str
    approved: bool
    who: str
    comment: str
    approvers: tuple[str, ...]
    via: str
    at: str


class Approvals:
    """Records decisions, and vouches for them when something is to be released."""

    def __init__(self, aws: Aws, deployment: Deployment, clock: Clock, registry: Registry) -> None:
        self._table = Table(aws, deployment.registry_table)
        self._clock = clock
        self._registry = registry

    def record(  # noqa: PLR0913 - a decision is told by what, which, what was said, who, why, by which policy, how
        self,
        model: str,
        version: int,
        *,
        digest: str,
        approved: bool,
        who: str,
        comment: str,
        approvers: Sequence[str],
        via: str,
    ) -> Decision:
        """Record a decision, move the version and append to the history, all at once; the first decision stands.

        The same person's same answer once more is that decision again.

        Raises
        ------
        ApprovalError
            When this person may not decide, the digest is not the version's, or the version does not wait for a
            decision: somebody decided before, or it expired.
        """
        current = self._registry.get(model, version)
        at, said = isoformat(self._clock.now()), _clean(comment)
        decision = Decision(model, version, digest, approved, who, said, tuple(approvers), via, at)
        _refuse_strangers(decision)
        _refuse_stale(decision, current)
        earlier = self.find(model, version)
        if earlier is not None:
            return _same_or_refuse(earlier, decision)
        if current.stage is not Stage.PASSED:
            raise ApprovalError(
                f"{model} {version} is {current.stage} ({current.reason}); only a passed version waits for a decision"
            )
        try:
            self._registry.move(
                model,
                version,
                Stage.APPROVED if approved else Stage.REJECTED,
                expected=Stage.PASSED,
                actor=who,
                reason=said or ("approved" if approved else "rejected"),
                extra=(create(_item(decision)),),
            )
        except ConflictError as error:
            return self._yield_to_winner(decision, error)
        return decision

    def find(self, model: str, version: int) -> Decision | None:
        """The decision about a version; None when there is none."""
        item = self._table.find(model_pk(model), approval_sk(version))
        return _read(item) if item else None

    def require(self, model: str, version: int, digest: str) -> Decision:
        """Return the approval of exactly this artefact.

        Raises
        ------
        ApprovalError
            When there is none, it is about another digest, it was a no, it was given by somebody whom the policy of
            then does not name, or the version has left the way from approved to champion.
        """
        decision = self.find(model, version)
        what = f"{model} {version} must not be released"
        if decision is None:
            raise ApprovalError(f"{what}: nobody has decided about it; approve it in Airflow's Required Actions")
        current = self._registry.get(model, version)
        if not decision.digest == digest == current.digest:
            raise ApprovalError(
                f"{what}: the approval is of artefact {short(decision.digest)}, the registry holds "
                f"{short(current.digest)}, the release is of {short(digest)}"
            )
        if not decision.approved:
            raise ApprovalError(f"{what}: {decision.who} rejected it at {decision.at} ({decision.comment})")
        if decision.who not in decision.approvers:
            raise ApprovalError(f"{what}: {decision.who!r} is not among the approvers of the record")
        if current.stage not in _LIVE:
            raise ApprovalError(f"{what}: it is {current.stage} ({current.reason})")
        return decision

    def expire(self, model: str, version: int, reason: str) -> ModelVersion:
        """Close the question unanswered: never a yes. A version that expired already stays so.

        Raises
        ------
        ApprovalError
            When somebody answered in time.
        """
        try:
            return self._registry.move(
                model, version, Stage.EXPIRED, expected=Stage.PASSED, actor=_EXPIRY, reason=reason
            )
        except ConflictError as error:
            current = self._registry.get(model, version)
            raise ApprovalError(f"{model} {version} cannot expire: it is {current.stage} ({current.reason})") from error

    def _yield_to_winner(self, decision: Decision, error: ConflictError) -> Decision:
        earlier = self.find(decision.model, decision.version)
        if earlier is not None:
            return _same_or_refuse(earlier, decision)
        if isinstance(error, ConditionFailedError):
            raise error
        raise ApprovalError(f"{error}: it no longer waits for a decision") from error


def _refuse_strangers(decision: Decision) -> None:
    if not decision.who or decision.who not in decision.approvers:
        raise ApprovalError(
            f"{decision.who or 'an unknown person'} may not decide about {decision.model}: its approvers are "
            f"{', '.join(decision.approvers) or 'nobody'} (`approval.approvers` in the pipeline's file)"
        )


def _refuse_stale(decision: Decision, current: ModelVersion) -> None:
    if decision.digest != current.digest:
        raise ApprovalError(
            f"the answer is about artefact {short(decision.digest) or 'none'}, but {current.model} {current.version} "
            f"is {short(current.digest)}: read the new dossier and answer again"
        )


def _same_or_refuse(earlier: Decision, decision: Decision) -> Decision:
    if (earlier.who, earlier.approved, earlier.digest) == (decision.who, decision.approved, decision.digest):
        return earlier
    word = "approved" if earlier.approved else "rejected"
    raise ApprovalError(
        f"{earlier.model} {earlier.version} was {word} by {earlier.who} at {earlier.at}; the first decision stands"
    )


def _clean(comment: str) -> str:
    """Text that can be stored: no lone surrogates, no control characters but line breaks, not without end."""
    text = comment.encode("utf-8", "replace").decode("utf-8")
    return "".join(mark for mark in text if mark.isprintable() or mark == "\n")[:_COMMENT_LIMIT].strip()


def _item(decision: Decision) -> Item:
    return {
        "pk": model_pk(decision.model),
        "sk": approval_sk(decision.version),
        **asdict(decision),
        "approvers": list(decision.approvers),
    }


def _read(item: Item) -> Decision:
    fields = {name: item[name] for name in Decision.__dataclass_fields__}
    return Decision(**{**fields, "approvers": tuple(item["approvers"])})
