"""`ratchet up` and `ratchet down`: a laptop's stack."""

from __future__ import annotations

from typing import Annotated

import typer

from ratchet.cli.session import AsJson, exit_codes, start_session
from ratchet.laptop.home import Ports, use_environment
from ratchet.laptop.stack import Laptop

LocalcloudPort = Annotated[
    int, typer.Option(envvar="RATCHET_LOCALCLOUD_PORT", help="Port of the laptop's AWS.", min=1, max=65_535)
]
AirflowPort = Annotated[int, typer.Option(envvar="RATCHET_AIRFLOW_PORT", help="Port of Airflow.", min=1, max=65_535)]
ServicePort = Annotated[
    int, typer.Option(envvar="RATCHET_SERVICE_PORT", help="Port of the load balancer.", min=1, max=65_535)
]
_PORTS = Ports()


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(up)
    app.command()(down)


def up(
    localcloud_port: LocalcloudPort = _PORTS.localcloud,
    airflow_port: AirflowPort = _PORTS.airflow,
    service_port: ServicePort = _PORTS.service,
    as_json: AsJson = False,
) -> None:
    """Start localcloud and Airflow on this machine and say where they are.

    Example: ratchet up --airflow-port 8081
    """
    session = start_session(as_json=as_json)
    ports = choose_ports(localcloud_port, airflow_port, service_port)
    with exit_codes(session.output):
        laptop = Laptop(session.settings.home, ports, session.output.say)
        use_environment(laptop.aws_environment)
        places = laptop.up()
        session.output.table("Where things are", ("what", "where", ""), [(p.name, p.url, p.note) for p in places])
        session.output.say("Stop everything with: make down")
        session.output.result({"places": places})


def down(as_json: AsJson = False) -> None:
    """End every process of the laptop's stack.

    Example: ratchet down
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        stopped = Laptop(session.settings.home, Ports(), session.output.say).down()
        session.output.say(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
        session.output.result({"stopped": stopped})


def choose_ports(localcloud: int, airflow: int, service: int) -> Ports:
    """Take the three ports that people see; the log servers sit beside Airflow's."""
    beside = airflow + 1000 if airflow + 1001 < 65_536 else airflow - 1001
    return Ports(localcloud, airflow, service, worker_log=beside, trigger_log=beside + 1)
