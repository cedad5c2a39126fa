"""How a version moves from stage to stage, and how one becomes the champion: decisions over what is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ratchet.aws import Check, Put, Write, has, replace
from ratchet.errors import ConflictError, IllegalMoveError
from ratchet.naming import Alias, alias_sk, approval_sk, model_pk
from ratchet.registry.chronicle import Change, Chronicle
from ratchet.registry.history import EventKind
from ratchet.registry.record import AliasRecord, alias_item, moved_item, read_alias
from ratchet.registry.version import LEGAL_MOVES, Stage

# These change the alias as well and are therefore the business of a promotion.
_BY_PROMOTION = frozenset({(Stage.RELEASING, Stage.CHAMPION), (Stage.CHAMPION, Stage.RETIRED)})


@dataclass(frozen=True)
class Move:
    """Who wants which version from where to where, and why; `extra` writes happen with it or not at all."""

    model: str
    version: int
    to: Stage
    expected: Stage
    actor: str
    reason: str
    extra: tuple[Write, ...] = ()


def refuse_illegal(move: Move) -> None:
    """Raise `IllegalMoveError` for a move that no version may make this way."""
    allowed = LEGAL_MOVES[move.expected]
    what = f"{move.model} {move.version} may not move from {move.expected} to {move.to}"
    if move.to not in allowed:
        raise IllegalMoveError(f"{what}; from there it may move to: {', '.join(sorted(allowed)) or 'nowhere'}")
    if (move.expected, move.to) in _BY_PROMOTION:
        raise IllegalMoveError(f"{what} by itself: promoting a version moves the alias, the old and the new champion")


def decide_move(chronicle: Chronicle, move: Move) -> Change | None:
    """What a move writes; None when it was made already by the same actor."""
    item = chronicle.version_item(move.model, move.version)
    if item["stage"] != move.expected:
        if (item["stage"], item["moved_from"], item["moved_by"]) == (move.to, move.expected, move.actor):
            return None
        raise ConflictError(f"{describe(item)}; expected was {move.expected}")
    after = moved_item(item, move.to, actor=move.actor, reason=move.reason, at=chronicle.now())
    guards = move.extra
    if move.to is Stage.RELEASING:
        alias = find_alias(chronicle, move.model)
        after["against_generation"] = alias.generation if alias else 0
        guards = (approval_check(item), *guards)
    happening = chronicle.happening(
        EventKind.MOVED, move.version, move.actor, before=move.expected, after=move.to, reason=move.reason
    )
    return Change(happening, (replace(item, after),), guards)


@dataclass(frozen=True)
class Promotion:
    """Who makes which version the champion, and why."""

    model: str
    version: int
    actor: str
    reason: str
    extra: tuple[Write, ...] = ()


def decide_promotion(chronicle: Chronicle, promotion: Promotion) -> Change | None:
    """What a promotion writes; None when the version is the champion already.

    Raises
    ------
    ConflictError
        When another version became champion since this release began.
    """
    model, version = promotion.model, promotion.version
    item = chronicle.version_item(model, version)
    alias = find_alias(chronicle, model)
    # The alias was read last: where it points to the version, a stage that says otherwise was read too early.
    if alias is not None and alias.version == version:
        return None
    if item["stage"] != Stage.RELEASING:
        raise IllegalMoveError(f"{describe(item)}; only a version that is being released can be promoted")
    generation = alias.generation if alias else 0
    if alias is not None and generation != item["against_generation"]:
        raise ConflictError(
            f"{model} {version} cannot be promoted: version {alias.version} became champion at {alias.since} by "
            f"{alias.actor} ({alias.reason}), after the release of {version} had begun"
        )
    now = chronicle.now()
    pointer = AliasRecord(version, generation + 1, now, promotion.actor, promotion.reason)
    happening = chronicle.happening(
        EventKind.PROMOTED,
        version,
        promotion.actor,
        retired=alias.version if alias else None,
        generation=pointer.generation,
        digest=item["digest"],
        reason=promotion.reason,
    )
    writes = (_point(chronicle, model, pointer), *_swap(chronicle, item, alias, pointer=pointer))
    return Change(happening, writes, (approval_check(item), *promotion.extra))


def find_alias(chronicle: Chronicle, model: str, alias: str = Alias.CHAMPION) -> AliasRecord | None:
    """Where an alias points; None when it points nowhere yet."""
    item = chronicle.table.find(model_pk(model), alias_sk(alias))
    return read_alias(item) if item else None


def approval_check(item: dict[str, Any]) -> Check:
    """Let a transaction happen only if exactly this artefact was approved."""
    pk = model_pk(item["model"])
    return Check(pk, approval_sk(int(item["version"])), has(approved=True, digest=item["digest"]))


def describe(item: dict[str, Any]) -> str:
    """Where a version stands, who put it there and why."""
    by = f" by {item['moved_by']}" if item["moved_by"] else ""
    return f"{item['model']} {item['version']} is {item['stage']} since {item['updated_at']}{by} ({item['reason']})"


def _point(chronicle: Chronicle, model: str, pointer: AliasRecord) -> Put:
    before = chronicle.table.find(model_pk(model), alias_sk(Alias.CHAMPION))
    return replace(before, alias_item(model, Alias.CHAMPION, pointer))


def _swap(
    chronicle: Chronicle, item: dict[str, Any], alias: AliasRecord | None, *, pointer: AliasRecord
) -> tuple[Put, ...]:
    actor, at = pointer.actor, pointer.since
    new = replace(item, moved_item(item, Stage.CHAMPION, actor=actor, reason=pointer.reason, at=at))
    if alias is None:
        return (new,)
    old = chronicle.version_item(str(item["model"]), alias.version)
    reason = f"version {pointer.version} became champion"
    return new, replace(old, moved_item(old, Stage.RETIRED, actor=actor, reason=reason, at=at))
