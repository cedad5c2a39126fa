"""Example data of a table: 569 measured breast tumours, 30 figures each, that scikit-learn ships (UCI, CC BY 4.0)."""

from __future__ import annotations

import csv
from pathlib import Path


def write_tumours(folder: Path) -> int:
    """Write `folder/tumours.csv`, a column for each figure and the diagnosis, `malignant` or `benign`.

    Street, Wolberg and Mangasarian: Breast Cancer Wisconsin (Diagnostic), UCI Machine Learning Repository, 1993.

    Returns
    -------
    How many rows were written.
    """
    from sklearn.datasets import load_breast_cancer

    tumours = load_breast_cancer()
    columns = [name.replace(" ", "_") for name in tumours.feature_names]
    with (folder / "tumours.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*columns, "diagnosis"])
        for figures, kind in zip(tumours.data.tolist(), tumours.target.tolist(), strict=True):
            writer.writerow([*figures, tumours.target_names[kind]])
    return len(tumours.target)
