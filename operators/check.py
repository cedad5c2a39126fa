"""Check a dataset version before money is spent on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operators.base import RatchetOperator, airflow_errors, pull

if TYPE_CHECKING:
    from airflow.sdk import Context


class CheckDatasetOperator(RatchetOperator):
    """Required classes, least images, empty files: fails with rule, found and allowed."""

    def execute(self, context: Context) -> dict[str, int]:
        """Check the manifest; leaves the images of each class."""
        from ratchet.loop.step import check

        with airflow_errors():
            histogram = check(self.workshop(), str(pull(context, "freeze")["dataset_version"]))
        self.log.info("%d images in %d classes: %s", sum(histogram.values()), len(histogram), histogram)
        return histogram
