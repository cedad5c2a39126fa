"""The gate: a person reads the dossier in Airflow's Required Actions and says yes or no to one digest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from operators.base import airflow_errors, close_claim, hold_claim, pull
from operators.link import ReportLink

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ratchet.approval import Decision
    from ratchet.loop.workshop import Workshop


class ApproveModelOperator(ApprovalOperator):
    """Ask the people whom the pipeline names; their answer becomes a record bound to the artefact's digest.

    The task's own state means nothing to the release: marking it green writes no record.
    """

    operator_extra_links = (ReportLink(),)

    def __init__(self, *, pipeline: str, approvers: Sequence[str], timeout_hours: float, **kwargs: Any) -> None:
        # The DAG's own form (force, reason, ...) is no part of the answer's form.
        kwargs.pop("params", None)
        super().__init__(
            subject="A candidate waits for approval",
            body="",
            assigned_users=[{"id": name, "name": name} for name in approvers],
            response_timeout=timedelta(hours=timeout_hours),
            **kwargs,
        )
        self.pipeline = pipeline

    def execute(self, context: Context) -> Any:
        """Write the dossier of the candidate as it is now, and park until somebody answers.

        A decision that an earlier try recorded stands; nobody is asked twice.
        """
        from ratchet.loop.gate import write_dossier

        version = int(pull(context, "decide")["version"])
        with airflow_errors():
            workshop = self._workshop()
            decision = workshop.approvals.find(workshop.pipeline.model_name, version)
            if decision is not None:
                return self._conclude(context, workshop, decision)
            # Nobody looks while the gate is open, so nobody would renew.
            hold_claim(workshop, context, workshop.pipeline.approval.timeout_hours * 3600)
            report = workshop.page_of(
                workshop.registry.get(workshop.pipeline.model_name, version).evaluation["report_uri"]
            )
            dossier = write_dossier(workshop, version, {"Evaluation report": report})
        context["ti"].xcom_push(key="report_link", value=report)
        self.subject, self.body = dossier.subject, dossier.markdown
        self.params.update(_form(dossier.digest))
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Record the decision; a "no" and an expiry are results, an answer about another artefact is an error."""
        from ratchet.loop.gate import Answer, answer

        version = int(pull(context, "decide")["version"])
        workshop = self._workshop()
        if event.get("error_type") == "timeout":
            with airflow_errors():
                workshop.approvals.expire(workshop.pipeline.model_name, version, "nobody answered in time")
                close_claim(workshop, context, "expired")
            raise AirflowSkipException(f"version {version} expired: nobody answered in time; the champion serves on")
        if "error" in event:
            raise AirflowFailException(
                f"the gate broke: {event['error']}; clear this task to ask again [operator acts]"
            )
        given = Answer(
            approved=self.APPROVE in event["chosen_options"],
            who=str((event.get("responded_by_user") or {}).get("id") or ""),
            digest=str((event.get("params_input") or {}).get("digest") or ""),
            comment=str((event.get("params_input") or {}).get("comment") or ""),
        )
        with airflow_errors():
            decision = answer(workshop, version, given)
        return self._conclude(context, workshop, decision)

    def _conclude(self, context: Context, workshop: Workshop, decision: Decision) -> dict[str, Any]:
        word = "approved" if decision.approved else "rejected"
        self.log.info("%s %d was %s by %s", decision.model, decision.version, word, decision.who)
        if not decision.approved:
            with airflow_errors():
                close_claim(workshop, context, "rejected")
            raise AirflowSkipException(
                f"version {decision.version} was rejected by {decision.who}: {decision.comment or 'no comment'}"
            )
        return {"version": decision.version, "digest": decision.digest, "who": decision.who}

    def _workshop(self) -> Workshop:
        from ratchet.loop.workshop import open_workshop

        return open_workshop(self.pipeline)


def _form(digest: str) -> dict[str, Param]:
    """The form offers this one digest: what was on the approver's screen is what the answer carries."""
    binds, kept = "Your answer binds to this.", "Kept with the decision."
    return {
        "digest": Param(digest, type="string", enum=[digest], title="Artefact (SHA-256)", description=binds),
        "comment": Param("", type=["string", "null"], title="Comment", description=kept),
    }
