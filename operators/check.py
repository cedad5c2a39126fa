"""Check a dataset version before money is spent on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operators.base import RatchetOperator, airflow_errors, pull
from operators.link import ReportLink

if TYPE_CHECKING:
    from airflow.sdk import Context


class CheckDatasetOperator(RatchetOperator):
    """Hold the data against the pipeline's rules: links the report; fails with rule, found, allowed and examples."""

    operator_extra_links = (ReportLink(),)

    def execute(self, context: Context) -> dict[str, int]:
        """Check the version; leaves the examples of each class."""
        from ratchet.loop.check import check

        with airflow_errors():
            workshop = self.workshop()
            checked = check(workshop, str(pull(context, "freeze")["dataset_version"]))
            context["ti"].xcom_push(key="report_link", value=workshop.page_of(checked.report_uri))
            histogram = checked.require()
        self.log.info("%d examples in %d classes: %s", sum(histogram.values()), len(histogram), histogram)
        return histogram
