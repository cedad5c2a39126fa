"""Links from a task's page to the job, the report and the model behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom

if TYPE_CHECKING:
    from airflow.models.taskinstancekey import TaskInstanceKey
    from airflow.sdk import BaseOperator


class _StoredLink(BaseOperatorLink):
    """A link whose address the task stored while it ran."""

    xcom_key = ""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the stored address; empty until the task has stored one."""
        value = XCom.get_value(ti_key=ti_key, key=self.xcom_key)
        return str(value or "")


class JobLink(_StoredLink):
    """The remote job's page."""

    name = "Job"
    xcom_key = "job_link"


class CurveLink(_StoredLink):
    """The training's learning curve; there from the first epoch on."""

    name = "Learning curve"
    xcom_key = "curve_link"


class ReusedLink(_StoredLink):
    """The earlier run whose job gives this task its result."""

    name = "Reused from"
    xcom_key = "reused_link"


class StudyLink(_StoredLink):
    """The study's trials as plots; there from the first trial on."""

    name = "Study"
    xcom_key = "study_link"


class ReportLink(_StoredLink):
    """The evaluation report."""

    name = "Report"
    xcom_key = "report_link"


class ModelLink(_StoredLink):
    """The model archive's page."""

    name = "Model"
    xcom_key = "model_link"


class ServicePageLink(_StoredLink):
    """The ECS service's page: deployments, tasks, traffic."""

    name = "ECS service"
    xcom_key = "service_page_link"


class FunctionPageLink(_StoredLink):
    """The Lambda function's page: versions and weights."""

    name = "Lambda function"
    xcom_key = "function_page_link"


class ServiceLink(_StoredLink):
    """Where the model answers."""

    name = "Service"
    xcom_key = "service_link"
