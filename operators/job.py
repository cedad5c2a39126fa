"""Run a step of the loop as a remote job: find or start it, follow its log, stop it when the task is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from operators.base import airflow_errors, held, pull
from operators.link import CurveLink, JobLink, ReportLink
from operators.poll import WaitingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

# Which earlier tasks each step needs something of; every job needs the ticket that `freeze` left.
_NEEDS = {"prepare": (), "train": ("prepare",), "evaluate": ("prepare", "register")}


class RunJobOperator(WaitingOperator):
    """Prepare, train or evaluate.

    Parameters
    ----------
    step
        `prepare`, `train` or `evaluate`.
    """

    watch_kind = "job"
    operator_extra_links = (JobLink(), CurveLink(), ReportLink())

    def __init__(self, *, step: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.step = step

    def execute(self, context: Context) -> Any:
        """Start the job, or find the one that an earlier try of this task started."""
        from ratchet.loop.estimate import estimate_cost
        from ratchet.loop.order import Step
        from ratchet.loop.step import place_order

        state: dict[str, Any] = {"ticket": dict(pull(context, "freeze"))}
        for task_id in _NEEDS[self.step]:
            left = pull(context, task_id)
            state |= {"prepare_job": left["job"]} if task_id == "prepare" else {"version": left["version"]}
        with airflow_errors():
            workshop = self.workshop()
            self.log.info("cost: %s", estimate_cost(workshop, Step(self.step)))
            status = place_order(workshop, Step(self.step), str(context["run_id"]), state)
            context["ti"].xcom_push(key="job", value=status.name)
            context["ti"].xcom_push(key="job_link", value=workshop.backend.describe_link(status.name))
            self.log.info("job %s: %s", status.name, status.phase)
            payload = held(context, {"job": status.name})
            training = workshop.pipeline.training
            if self.step == "train":
                payload["epochs"] = training.hyperparameters.get("epochs", 0)
                context["ti"].xcom_push(key="curve_link", value=workshop.curve_page(status.name))
            return self.wait(context, payload, limit_seconds=training.max_runtime_seconds)

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Leave the job's name, or fail with its reason."""
        if "error" in event:
            raise AirflowException(f"cannot see the job any more: {event['error']} [{event['actor']} acts]")
        if event["state"] == "stopped":
            raise AirflowFailException(f"job {event['job']} was stopped: {event['message']} [user acts]")
        if event["state"] == "failed":
            raise AirflowFailException(f"job {event['job']} failed: {event['message']} [developer acts]")
        left: dict[str, Any] = {"job": event["job"]}
        if self.step == "evaluate":
            left["report"] = self._keep_report(context, event["job"])
        return left

    def _keep_report(self, context: Context, job: str) -> str:
        from ratchet.loop.step import record_evaluation

        with airflow_errors():
            workshop = self.workshop()
            version = record_evaluation(workshop, int(pull(context, "register")["version"]), job)
        context["ti"].xcom_push(key="report_link", value=workshop.page_of(version.evaluation["report_uri"]))
        return str(version.evaluation["report_uri"])
