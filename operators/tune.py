"""Search for better hyperparameters: start or find the study, follow its trials, stop them when the task is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from operators.base import airflow_errors, held, pull
from operators.link import JobLink, StudyLink
from operators.poll import WaitingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class TuneModelOperator(WaitingOperator):
    """Train many times with other hyperparameters, and leave the best."""

    watch_kind = "study"
    operator_extra_links = (JobLink(), StudyLink())

    def execute(self, context: Context) -> Any:
        """Start the study, or find the one that an earlier try of this task started."""
        from ratchet.loop.study import begin_study, estimate_study, limit_seconds

        state = {"ticket": dict(pull(context, "freeze")), "prepare_job": pull(context, "prepare")["job"]}
        with airflow_errors():
            workshop = self.workshop()
            self.log.info("cost: %s", estimate_study(workshop))
            study = begin_study(workshop, str(context["run_id"]), state)
            links = workshop.tuner if study.by_jobs else workshop.backend
            context["ti"].xcom_push(key="job", value=study.name)
            context["ti"].xcom_push(key="job_link", value=links.describe_link(study.name))
            context["ti"].xcom_push(key="study_link", value=workshop.study_page(study.name))
            self.log.info("study %s: %s", study.name, study.tell())
            payload = held(context, {"study": study.name})
            return self.wait(context, payload, limit_seconds=limit_seconds(workshop))

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Leave the best trial's job, or fail with the study's reason."""
        from ratchet.loop.study import choose_best, end_study

        if "error" in event:
            raise AirflowException(f"cannot see the study any more: {event['error']} [{event['actor']} acts]")
        with airflow_errors():
            workshop = self.workshop()
            study = end_study(workshop, event["study"])
        self.log.info("study %s: %s", study.name, study.tell())
        if event["state"] == "stopped":
            raise AirflowFailException(f"study {study.name} was stopped: {event['message']} [user acts]")
        if event["state"] == "failed":
            raise AirflowFailException(f"study {study.name} failed: {event['message']} [developer acts]")
        with airflow_errors():
            best = choose_best(workshop, study)
        return {"job": best.job or study.name, "study": study.name, "trial": best.number}
