# Airflow with Ratchet's operators, DAGs and command.
FROM python:3.11.9-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONPATH=/opt/ratchet \
    AIRFLOW_HOME=/opt/airflow

# curl is what the health check calls.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends curl=7.88.* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --home-dir /opt/airflow --uid 50000 airflow \
    && mkdir -p /opt/airflow/logs \
    && chown airflow /opt/airflow/logs

WORKDIR /opt/ratchet
COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements.txt

COPY pyproject.toml README.md ./
COPY ratchet ratchet
COPY operators operators
COPY training training
COPY infra infra
COPY dags dags
COPY pipelines pipelines

USER 50000
CMD ["airflow", "api-server"]
