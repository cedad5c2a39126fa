"""The loop's steps, composed from the domain's parts; Airflow's operators and the command line are skins over it."""
