"""Register the trained artefact under the next version number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from operators.base import RatchetOperator, airflow_errors, pull
from operators.link import ModelLink

if TYPE_CHECKING:
    from airflow.sdk import Context


class RegisterModelOperator(RatchetOperator):
    """Check the archive, give it a version, keep it for good."""

    operator_extra_links = (ModelLink(),)

    def execute(self, context: Context) -> dict[str, Any]:
        """Leave the version and its digest; the same archive finds the version it already has."""
        from ratchet.loop.step import register
        from ratchet.loop.ticket import Ticket

        with airflow_errors():
            workshop = self.workshop()
            trained = pull(context, "train")
            model = register(
                workshop,
                Ticket.from_json(pull(context, "freeze")),
                run_id=str(context["run_id"]),
                prepare_job=str(pull(context, "prepare")["job"]),
                train_job=str(trained["job"]),
                study=str(trained.get("study", "")),
            )
        context["ti"].xcom_push(key="model_link", value=workshop.page_of(model.uri))
        self.log.info("%s version %d, digest %s", model.model, model.version, model.digest)
        return {"version": model.version, "digest": model.digest}
