"""Run a step of the loop as a remote job: find or start it, follow its log, stop it when the task is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from operators.base import airflow_errors, held, pull
from operators.link import CurveLink, JobLink, ReportLink, ReusedLink
from operators.poll import WaitingOperator
from operators.retry import NoCapacityException

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ratchet.loop.place import Placed
    from ratchet.loop.workshop import Workshop

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
    operator_extra_links = (JobLink(), CurveLink(), ReportLink(), ReusedLink())

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
            placed = place_order(workshop, Step(self.step), str(context["run_id"]), state)
            self._tell(context, workshop, placed)
            training = workshop.pipeline.training
            where = {"compute": placed.placement.offer.compute, "more_offers": placed.more_offers}
            payload = held(context, {"job": placed.status.name, **where})
            if self.step == "train":
                payload["epochs"] = training.hyperparameters.get("epochs", 0)
            limit = training.max_runtime_seconds + (training.spot_wait_seconds if placed.placement.offer.spot else 0)
            return self.wait(context, payload, limit_seconds=limit)

    def _tell(self, context: Context, workshop: Workshop, placed: Placed) -> None:
        """Say which job it is, where it runs and why there, and whose it was before; leave the links."""
        from ratchet.loop.estimate import tell_reuse

        job, placement, ti = placed.status.name, placed.placement, context["ti"]
        self.log.info("job %s on %s: %s", job, placement.offer, placed.status.phase)
        links = {"job": job, "job_link": workshop.backend_of(placement.offer.compute).describe_link(job)}
        if self.step == "train":
            links["curve_link"] = workshop.curve_page(job)
        if placement.because:
            self.log.warning("on %s, since %s", placement.offer, placement.because)
            links["placement"] = placement.because
        if placement.run_id != context["run_id"]:
            links["reused_from"] = placement.run_id
            links["reused_link"] = workshop.settings.run_page(context["dag"].dag_id, placement.run_id)
            self.log.info("reused: %s", tell_reuse(workshop, placed))
        for key, value in links.items():
            ti.xcom_push(key=key, value=value)

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Leave the job's name, try the next machine, or fail with the job's reason."""
        if "error" in event:
            raise AirflowException(f"cannot see the job any more: {event['error']} [{event['actor']} acts]")
        if event.get("no_capacity"):
            return self._go_on(context, event)
        if event["state"] == "stopped":
            raise AirflowFailException(f"job {event['job']} was stopped: {event['message']} [user acts]")
        if event["state"] == "failed":
            raise AirflowFailException(f"job {event['job']} failed: {event['message']} [developer acts]")
        left: dict[str, Any] = {"job": event["job"]}
        if self.step == "evaluate":
            left["report"] = self._keep_report(context, event["job"])
        return left

    def _go_on(self, context: Context, event: dict[str, Any]) -> Any:
        """Try the policy's next machine at once; after its last one, later and from the first one on."""
        told = f"there is no machine for job {event['job']}: {event['message']}"
        if not event.get("more_offers"):
            raise NoCapacityException(f"{told}. It is tried again later [operator acts]")
        self.log.warning("%s", told)
        return self.execute(context)

    def _keep_report(self, context: Context, job: str) -> str:
        from ratchet.loop.step import record_evaluation

        with airflow_errors():
            workshop = self.workshop()
            version = record_evaluation(workshop, int(pull(context, "register")["version"]), job)
        context["ti"].xcom_push(key="report_link", value=workshop.page_of(version.evaluation["report_uri"]))
        return str(version.evaluation["report_uri"])
