"""Airflow's skin over the loop: one verb per file; no rule of the business lives here."""
