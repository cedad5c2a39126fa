"""The states of an instance and the reasons for its changes, in EC2's words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum


class State(StrEnum):
    """The life of an instance."""

    PENDING = "pending"
    RUNNING = "running"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"
    STOPPING = "stopping"
    STOPPED = "stopped"

    @property
    def code(self) -> int:
        """The number that the API shows beside the name."""
        return _CODES[self]

    @property
    def is_final(self) -> bool:
        """Whether the instance is gone, or on its way."""
        return self in {State.SHUTTING_DOWN, State.TERMINATED}


_CODES = {
    State.PENDING: 0,
    State.RUNNING: 16,
    State.SHUTTING_DOWN: 32,
    State.TERMINATED: 48,
    State.STOPPING: 64,
    State.STOPPED: 80,
}


@dataclass(frozen=True)
class Reason:
    """Why an instance changes its state.

    Attributes
    ----------
    code, message
        Of StateReason.
    initiator
        Beginning of StateTransitionReason; empty where EC2 gives none.
    """

    code: str
    message: str
    initiator: str

    def transition(self, at: datetime) -> str:
        """Return StateTransitionReason."""
        return f"{self.initiator} initiated ({at:%Y-%m-%d %H:%M:%S} GMT)" if self.initiator else ""


class Cause(Enum):
    """Who ends an instance."""

    USER = Reason(
        "Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown", initiator="User"
    )
    INSTANCE = Reason(
        "Client.InstanceInitiatedShutdown",
        "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
        initiator="",
    )
    SPOT = Reason(
        "Server.SpotInstanceTermination",
        "Server.SpotInstanceTermination: Spot instance termination",
        initiator="Service",
    )
    SPOT_STOP = Reason(
        "Server.SpotInstanceShutdown", "Server.SpotInstanceShutdown: Spot instance shutdown", initiator="Service"
    )
    LOST = Reason("Server.InternalError", "Server.InternalError: Internal error", initiator="Service")


class Power(StrEnum):
    """What the programs of an instance can ask of its operating system."""

    OFF = "off"
    REBOOT = "reboot"
    CANCEL = "cancel"


@dataclass(frozen=True)
class PowerOrder:
    """A wish to end or begin again, and when."""

    power: Power
    delay_seconds: float = 0.0


def read_order(line: str) -> PowerOrder | None:
    """Return what a call of `shutdown`, `poweroff`, `halt` or `reboot` asks for; None for what asks for nothing.

    Parameters
    ----------
    line
        Name and arguments of the program, as a shell joins them.
    """
    program, *arguments = line.split() or [""]
    if program == "shutdown":
        return _read_shutdown(arguments)
    if program in {"poweroff", "halt"}:
        return PowerOrder(Power.OFF)
    return PowerOrder(Power.REBOOT) if program == "reboot" else None


def _read_shutdown(arguments: list[str]) -> PowerOrder | None:
    flags = "".join(word.lstrip("-") for word in arguments if word.startswith("-") and not word.startswith("--"))
    times = [word for word in arguments if word == "now" or word.lstrip("+").isdigit()]
    if "c" in flags:
        return PowerOrder(Power.CANCEL)
    if "k" in flags:  # only the warning
        return None
    when = times[0] if times else "+1"  # a minute, as systemd's
    delay = 0.0 if when == "now" else float(when.lstrip("+")) * 60
    return PowerOrder(Power.REBOOT if "r" in flags or "--reboot" in arguments else Power.OFF, delay)
