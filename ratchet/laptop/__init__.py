"""A laptop's stack: localcloud and Airflow as processes with one owner, and the environment that points at them."""
