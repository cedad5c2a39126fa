"""EC2 calls whose answers moto makes up or whose parameters it drops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.general import General
from moto.ec2.responses.instances import InstanceResponse

from localcloud.lock import service_lock
from localcloud.patch import change_classes

_lock = service_lock("ec2")
_Call = Callable[[Any], Any]


def replace_answers() -> Callable[[], None]:
    """Put these in the place of moto's; the returned function undoes it."""
    return change_classes(
        [
            (InstanceResponse, "run_instances", _run_once(InstanceResponse.run_instances)),
            (InstanceResponse, "terminate_instances", _tell_state(InstanceResponse.terminate_instances)),
            (InstanceResponse, "stop_instances", _tell_state(InstanceResponse.stop_instances)),
            (InstanceResponse, "start_instances", _tell_state(InstanceResponse.start_instances)),
            (General, "get_console_output", _console_output),
        ]
    )


def _run_once(run: _Call) -> _Call:
    def run_instances(self: Any) -> Any:
        request = dict(self.params)
        with _lock:
            known = self.ec2_backend.tokens.recall(request)
            if known is not None:
                return ActionResult(known)
            self.params["MinCount"] = _count(request)  # moto starts the least that was asked for, EC2 the most
            answer = run(self)
            for instance in answer.result.instances:
                instance.disable_api_termination = request.get("DisableApiTermination") in {True, "true"}
            self.ec2_backend.tokens.remember(request, answer.result)
            return answer

    return run_instances


def _count(request: dict[str, Any]) -> int:
    least, most = int(request.get("MinCount") or 1), int(request.get("MaxCount") or 1)
    if not 1 <= least <= most:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Value ({least}) for parameter minCount is invalid. minCount must be between 1 and maxCount ({most}).",
        )
    return most


def _tell_state(call: _Call) -> _Call:
    """Answer with the state that each instance really has now: one that was gone has not begun to go."""

    def told(self: Any) -> Any:
        answer = call(self)
        for changes in answer.result.values():
            for change in changes:
                instance = self.ec2_backend.get_instance(change["InstanceId"])
                change["CurrentState"] = {"Code": instance.state_code, "Name": instance.state}
        return answer

    return told


def _console_output(self: Any) -> Any:
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    console = self.ec2_backend.machines[instance.id].console
    return ActionResult(
        {
            "InstanceId": instance.id,
            "Timestamp": console.changed_at,
            "Output": Base64EncodedString.from_raw_string(console.read()),
        }
    )
