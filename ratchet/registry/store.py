"""The model registry: versions, their moves, the alias `champion`, and a history that cannot be rewritten."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ratchet.aws import Aws, Bucket, Check, ConditionFailedError, Deployment, Table, Write, replace
from ratchet.aws.marshal import stored_form
from ratchet.clock import Clock, isoformat
from ratchet.errors import ApprovalError, IllegalMoveError
from ratchet.naming import MODELS_PK, Alias, approval_sk, model_pk
from ratchet.registry.chronicle import Change, Chronicle
from ratchet.registry.history import Event, EventKind, Head, HistoryReport, read_event, verify_chain
from ratchet.registry.record import AliasRecord, read_version
from ratchet.registry.registration import Candidate, inspect_archive, number_version, store_archive
from ratchet.registry.transition import (
    Move,
    Promotion,
    decide_move,
    decide_promotion,
    describe,
    find_alias,
    refuse_illegal,
)
from ratchet.registry.version import ModelVersion, Provenance, Stage

_VERSION_PREFIX = "VERSION#"
_EVENT_PREFIX = "EVENT#"
_LOOKS = 10
Versions = list[ModelVersion]
Events = list[Event]
Names = list[str]


class Registry:
    """Model versions of all models; every verb may be repeated, by the same process or by the next."""

    def __init__(
        self,
        aws: Aws,
        deployment: Deployment,
        clock: Clock,
        new_token: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._bucket = Bucket(aws, deployment.models_bucket)
        self._table = Table(aws, deployment.registry_table)
        self._chronicle = Chronicle(self._table, clock, new_token)

    def register(
        self,
        model: str,
        archive: Path,
        provenance: Provenance,
        metrics: Mapping[str, float],
        *,
        writer: str,
    ) -> ModelVersion:
        """Verify an archive, give it the next version number and store it once.

        Parameters
        ----------
        archive
            A `model.tar.gz`. The same bytes registered again are the same version, whoever registers them.
        writer
            Who registers: the training job's name.

        Raises
        ------
        ArtefactError
            When the archive does not keep the contract; nothing was written.
        """
        candidate = Candidate(model, archive, provenance, metrics, writer)
        version = number_version(self._chronicle, self._bucket, candidate, inspect_archive(archive))
        store_archive(self._chronicle, self._bucket, candidate, version)
        return self.get(model, version)

    def get(self, model: str, version: int) -> ModelVersion:
        """Read one version; `NotFoundError` says which there are."""
        return read_version(self._chronicle.version_item(model, version))

    def list(self, model: str) -> Versions:
        """All versions of a model, the newest first."""
        return [read_version(item) for item in self._table.query(model_pk(model), _VERSION_PREFIX)][::-1]

    def models(self) -> Names:
        """The names of all models, sorted."""
        return [item["sk"] for item in self._table.query(MODELS_PK)]

    def alias(self, model: str, alias: str = Alias.CHAMPION) -> AliasRecord | None:
        """Where an alias points, since when and by whom; None when it points nowhere yet."""
        return find_alias(self._chronicle, model, alias)

    def champion(self, model: str) -> ModelVersion | None:
        """The version in service; None when none has been promoted yet."""
        alias = self.alias(model)
        return self.get(model, alias.version) if alias else None

    def move(  # noqa: PLR0913 - a move is told by what, from where, to where, who and why
        self,
        model: str,
        version: int,
        to: Stage,
        *,
        expected: Stage,
        actor: str,
        reason: str,
        extra: Sequence[Write] = (),
    ) -> ModelVersion:
        """Move a version to another stage.

        Parameters
        ----------
        expected
            Where the version must stand now. A move that the same actor made already is not made again.
        extra
            Writes to the registry's table that happen with the move or not at all.

        Raises
        ------
        IllegalMoveError
            When no version may move so.
        ConflictError
            When the version stands elsewhere, or a condition of `extra` does not hold; the message says what was found.
        ApprovalError
            When a version without an approval of its digest was to be released.
        """
        move = Move(model, version, to, expected, actor, reason, tuple(extra))
        refuse_illegal(move)
        self._commit(model, version, lambda _: decide_move(self._chronicle, move), f"move {model} {version} to {to}")
        return self.get(model, version)

    def record_evaluation(self, model: str, version: int, evaluation: Mapping[str, Any]) -> ModelVersion:
        """Keep what the evaluation found; only a candidate's may still change.

        Raises
        ------
        IllegalMoveError
            When the version was judged already by another evaluation.
        """
        form = stored_form(evaluation)

        def decide(_: Head) -> Change | None:
            item = self._chronicle.version_item(model, version)
            if item["evaluation"] == form:
                return None
            if item["stage"] != Stage.CANDIDATE:
                raise IllegalMoveError(f"{describe(item)}: its evaluation stands")
            after = {**item, "evaluation": form, "updated_at": self._chronicle.now()}
            actor = str(form.get("job", "evaluation"))
            happening = self._chronicle.happening(EventKind.EVALUATED, version, actor, evaluation=form)
            return Change(happening, (replace(item, after),))

        self._commit(model, version, decide, f"record the evaluation of {model} {version}")
        return self.get(model, version)

    def promote(
        self, model: str, version: int, *, actor: str, reason: str, extra: Sequence[Write] = ()
    ) -> ModelVersion:
        """Make a version that is being released the champion: alias, both stages, event and `extra` in one transaction.

        A version that is champion already stays so.

        Raises
        ------
        ConflictError
            When another version became champion since this release began; the message names it.
        IllegalMoveError
            When the version is not being released.
        ApprovalError
            When there is no approval of its digest.
        """
        promotion = Promotion(model, version, actor, reason, tuple(extra))
        self._commit(
            model, version, lambda _: decide_promotion(self._chronicle, promotion), f"promote {model} {version}"
        )
        return self.get(model, version)

    def history(self, model: str) -> Events:
        """All events of a model, the first first, without verifying them."""
        return [read_event(item) for item in self._table.query(model_pk(model), _EVENT_PREFIX)]

    def verify_history(self, model: str) -> HistoryReport:
        """Check the whole chain against its end; the report names the first event that is wrong or missing."""
        for _ in range(_LOOKS):
            head = self._chronicle.head(model)
            report = verify_chain(self._table.query(model_pk(model), _EVENT_PREFIX), head)
            if report.intact or self._chronicle.head(model) == head:
                break  # else events were appended while we read
        return report

    def champion_at(self, model: str, moment: datetime) -> AliasRecord | None:
        """Who was champion at an instant, who put it there, and why; None before the first one."""
        instant, found = isoformat(moment), None
        for event in self.history(model):
            if event.kind is EventKind.PROMOTED and event.at <= instant:
                detail = event.detail
                found = AliasRecord(event.version, detail["generation"], event.at, event.actor, detail["reason"])
        return found

    def _commit(self, model: str, version: int, decide: Callable[[Head], Change | None], action: str) -> None:
        try:
            self._chronicle.commit(model, decide, action)
        except ConditionFailedError as error:
            approval = (model_pk(model), approval_sk(version))
            if any(isinstance(write, Check) and write.key == approval for write in error.failed):
                raise ApprovalError(
                    f"could not {action}: nobody has approved exactly this artefact; approve it in Airflow first"
                ) from error
            raise
