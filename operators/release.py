"""Roll the approved artefact out to every target, or bring every target back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from operators.base import airflow_errors, close_claim, pull
from operators.link import FunctionPageLink, ServiceLink, ServicePageLink
from operators.poll import WaitingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

_STEPS_AT_MOST = 20


class ReleaseModelOperator(WaitingOperator):
    """Begin the release after checking the approval record itself, then drive it until it is carried out or undone."""

    watch_kind = "release"
    operator_extra_links = (ServiceLink(), ServicePageLink(), FunctionPageLink())

    def execute(self, context: Context) -> Any:
        """Refuse without a record of approval for exactly this digest; else begin, or find it begun."""
        from ratchet.loop.gate import begin_release

        candidate = pull(context, "register")
        with airflow_errors():
            workshop = self.workshop()
            version, digest = int(candidate["version"]), str(candidate["digest"])
            plan = begin_release(workshop, version, digest, run_id=str(context["run_id"]))
            self.log.info("%s", plan)
            context["ti"].xcom_push(key="service_link", value=workshop.deployment.service_url)
            for what, page in workshop.serving_pages().items():
                context["ti"].xcom_push(key=f"{what}_page_link", value=page)
            release = workshop.pipeline.release
            limit_seconds = (release.health_timeout_seconds + release.bake_seconds) * _STEPS_AT_MOST
            return self.wait(context, {"version": version}, limit_seconds=limit_seconds)

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Leave the version, or fail saying where the champion serves."""
        if "error" in event:
            raise AirflowException(f"the release cannot go on now: {event['error']} [{event['actor']} acts]")
        if event["phase"] != "Healthy":
            with airflow_errors():
                close_claim(self.workshop(), context, "rolled_back")
            raise AirflowFailException(
                f"version {event['version']} was rolled back: {event['message']} [operator acts]"
            )
        return {"version": event["version"]}
