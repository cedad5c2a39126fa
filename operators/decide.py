"""Hold the candidate's evaluation against the pipeline's gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from operators.base import RatchetOperator, airflow_errors, close_claim, pull

if TYPE_CHECKING:
    from airflow.sdk import Context


class JudgeModelOperator(RatchetOperator):
    """A candidate that does not pass is blocked: a result, not a failure, so the rest of the run is skipped."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Move the version to `passed` or `blocked`, with reasons."""
        from ratchet.loop.step import decide
        from ratchet.registry import Stage

        version = int(pull(context, "register")["version"])
        with airflow_errors():
            workshop = self.workshop()
            model, verdict = decide(workshop, version, actor=f"run {context['run_id']}")
            for check in verdict.checks:
                self.log.info(
                    "%s %s: %s, allowed %s", "ok  " if check.passed else "FAIL", check.name, check.found, check.allowed
                )
            if model.stage is Stage.BLOCKED:
                close_claim(workshop, context, "blocked")
                raise AirflowSkipException(f"{model.model} {version} is blocked: {model.reason}")
        return {"version": version, "digest": model.digest, "reasons": list(verdict.reasons)}
