"""Move the alias `champion` to the version whose release was carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from operators.base import RatchetOperator, airflow_errors, close_claim, pull
from operators.link import ServiceLink

if TYPE_CHECKING:
    from airflow.sdk import Context


class PromoteModelOperator(RatchetOperator):
    """One transaction: alias, stages, release record, history."""

    operator_extra_links = (ServiceLink(),)

    def execute(self, context: Context) -> dict[str, Any]:
        """Promote; a version that is champion already stays so."""
        from ratchet.loop.gate import promote

        version = int(pull(context, "register")["version"])
        with airflow_errors():
            workshop = self.workshop()
            champion = promote(workshop, version, run_id=str(context["run_id"]))
            close_claim(workshop, context, "promoted")
        context["ti"].xcom_push(key="service_link", value=workshop.deployment.service_url)
        self.log.info("%s version %d is the champion", champion.model, champion.version)
        return {"version": champion.version, "digest": champion.digest}
