"""One small tree of errors; each says who should act, and every message says what happened and what to do next."""

from __future__ import annotations

from enum import Enum


class Actor(Enum):
    """Who can do something about an error."""

    USER = "user"  # change the spec, the data or the command
    OPERATOR = "operator"  # look at the account: permissions, quotas, an outage
    RETRY = "retry"  # nobody: trying again is enough
    DEVELOPER = "developer"  # the training or serving code


class RatchetError(Exception):
    """Root of the tree."""

    actor = Actor.OPERATOR


class SpecError(RatchetError):
    """A pipeline file is wrong: the message names the file, the key, what is wrong and what is allowed."""

    actor = Actor.USER


class DataError(RatchetError):
    """The dataset cannot be used as it is."""

    actor = Actor.USER


class ArtefactError(RatchetError):
    """A model archive does not keep the contract or does not match its digest."""

    actor = Actor.DEVELOPER


class JobError(RatchetError):
    """A remote job ended badly by its own fault; the message carries its failure reason and log."""

    actor = Actor.DEVELOPER


class NotPermittedError(RatchetError):
    """AWS, or the spec, does not allow this to this caller."""

    actor = Actor.OPERATOR


class NotFoundError(RatchetError):
    """What was asked for does not exist."""

    actor = Actor.USER


class ConflictError(RatchetError):
    """Somebody else changed it first; the message names what was found."""

    actor = Actor.RETRY


class ClaimLostError(RatchetError):
    """Another run holds the work now; whoever forced it, or took it over, knows why."""

    actor = Actor.USER


class CapacityError(RatchetError):
    """AWS has no machine or no quota for it now."""

    actor = Actor.OPERATOR


class UnavailableError(RatchetError):
    """AWS or an endpoint did not answer, or throttled; trying again may help."""

    actor = Actor.RETRY


class ThrottledError(UnavailableError):
    """AWS turned the call away because there were too many; it was not carried out."""


class ApprovalError(RatchetError):
    """There is no valid approval for exactly this artefact."""

    actor = Actor.USER


class IllegalMoveError(RatchetError):
    """A stage may not move there from where it is."""

    actor = Actor.USER


class ReleaseError(RatchetError):
    """A rollout failed; the message says why and where the champion serves now."""

    actor = Actor.OPERATOR
