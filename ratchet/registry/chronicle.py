"""One way to change the registry: what changes, its event and the end of the chain in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ratchet.aws import ConditionFailedError, Table, Write, create, replace, retry_conflicts
from ratchet.clock import Clock, isoformat
from ratchet.errors import NotFoundError
from ratchet.naming import HEAD_SK, MODELS_PK, model_pk, version_sk
from ratchet.registry.history import EventKind, Happening, Head, chain, event_item, head_item, read_head


@dataclass(frozen=True)
class Change:
    """What a decision wants to be written.

    Attributes
    ----------
    happening
        The event.
    writes
        Items of this model; when one was changed by somebody else meanwhile, the decision is made again.
    guards
        Items of others, or checks of them; when one of these fails, that is final.
    last_version
        Number of the version that is new, if one is.
    """

    happening: Happening
    writes: tuple[Write, ...] = ()
    guards: tuple[Write, ...] = ()
    last_version: int = 0


class Chronicle:
    """Reads and changes the records of models."""

    def __init__(self, table: Table, clock: Clock, new_token: Callable[[], str]) -> None:
        self.table = table
        self._clock = clock
        self._new_token = new_token

    def now(self) -> str:
        """The time as records hold it."""
        return isoformat(self._clock.now())

    def head(self, model: str) -> Head:
        """The end of the model's chain."""
        return read_head(self.table.find(model_pk(model), HEAD_SK))

    def version_item(self, model: str, version: int) -> dict[str, Any]:
        """Read a version's item; `NotFoundError` says what there is."""
        item = self.table.find(model_pk(model), version_sk(version))
        if item is not None:
            return item
        last = self.head(model).last_version
        if last:
            raise NotFoundError(f"the model {model} has no version {version}; its versions are 1 to {last}")
        known = ", ".join(item["sk"] for item in self.table.query(MODELS_PK)) or "none yet"
        raise NotFoundError(f"there is no model {model}; registered are: {known}")

    def commit(self, model: str, decide: Callable[[Head], Change | None], action: str) -> None:
        """Decide on what is there and write it, again and again while others write in between.

        Parameters
        ----------
        decide
            Reads what it needs, afresh each time; None when nothing is left to do, an error when it may not be done.

        Raises
        ------
        ConditionFailedError
            When a guard failed; nothing was written.
        """
        guarded: set[tuple[str, str]] = set()

        def attempt() -> None:
            head = self.head(model)
            change = decide(head)
            if change is None:
                return
            guarded.update(guard.key for guard in change.guards)
            event = chain(head, change.happening)
            self.table.write(
                create(event_item(model, event)),
                replace(head.item, head_item(model, head, event, change.last_version)),
                *change.writes,
                *change.guards,
                writer=self._new_token(),
                action=action,
            )

        try:
            retry_conflicts(attempt, self._clock, seed=self._new_token(), ours=lambda write: write.key not in guarded)
        except ConditionFailedError:
            # Perhaps another process was faster with the very same change: then nothing is left to do.
            if decide(self.head(model)) is not None:
                raise

    def happening(self, kind: EventKind, version: int, actor: str, **detail: Any) -> Happening:
        """An event of now."""
        return Happening(kind, actor, version, self.now(), detail)
