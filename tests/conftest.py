"""Airflow's settings for tests that import it: a home of this test run's own, no examples, the DAGs of this tree."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

if "AIRFLOW_HOME" not in os.environ:
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="ratchet-airflow-")
    atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)
# Every localcloud of the tests takes this key; those about keys say otherwise.
os.environ |= {"LOCALCLOUD_ACCESS_KEY_ID": "test", "LOCALCLOUD_SECRET_ACCESS_KEY": "test"}
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(ROOT / "dags")

# How fast a machine is says nothing about a property.
settings.register_profile("ratchet", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ratchet")
