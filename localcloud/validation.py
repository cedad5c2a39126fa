"""Refuses here what AWS would refuse: requests that break the service's own model.

Every protocol is covered, with the members in path, query string, headers and body; signed, presigned and unsigned
requests alike. Not covered are rules that a model does not state.
"""

from __future__ import annotations

from localcloud.constraint import violations
from localcloud.refusal import Refusal, refuse
from localcloud.request import Call
from localcloud.shelf import ModelShelf
from localcloud.wire import read_members
from localcloud.wire_rest import Unreadable

_DEFAULT_CODE = "ValidationException"
_CODES = {
    "cloudformation": "ValidationError",
    "autoscaling": "ValidationError",
    "batch": "ClientException",
    "ec2": "InvalidParameterValue",
    "ecr": "InvalidParameterException",
    "ecs": "InvalidParameterException",
    "elasticloadbalancing": "ValidationError",
    "iam": "ValidationError",
    "logs": "InvalidParameterException",
    "monitoring": "ValidationError",
    "s3": "InvalidArgument",
    "sns": "InvalidParameter",
    "sqs": "InvalidParameterValue",
    "sts": "ValidationError",
}
_UNREADABLE = {"s3": "MalformedXML"}
# Members that AWS takes more of than its model's enumeration names: here, a message's attributes beside a queue's.
_LOOSER = {("sqs", "ReceiveMessage"): frozenset({"AttributeNames"})}
_SHOWN_VIOLATIONS = 10
_STATUS = "400 Bad Request"


class Validator:
    """Looks at each call before moto does."""

    def __init__(self, shelf: ModelShelf | None = None) -> None:
        self._shelf = shelf or ModelShelf()

    def __call__(self, call: Call) -> Refusal | None:
        """Return the refusal of a call that breaks its model, or None."""
        placed = self._shelf.find(call)
        if placed is None:
            return None
        model, found = placed
        try:
            members = read_members(model, call, found)
        except Unreadable as error:
            return refuse(call, _STATUS, _UNREADABLE.get(call.service, "SerializationException"), str(error))
        loose = _LOOSER.get((call.service, found.operation.name), frozenset())
        strict = {name: value for name, value in (members or {}).items() if name not in loose}
        broken = [] if members is None else list(violations(found.operation.input_shape, strict))
        return refuse(call, _STATUS, _code(call, broken), _message(broken)) if broken else None


def _code(call: Call, broken: list[str]) -> str:
    """The service's error code; EC2 and S3 have several."""
    if call.service == "ec2" and any(line.endswith("must not be null") for line in broken):
        return "MissingParameter"
    if call.service == "s3" and any("Member is not known" in line or "must not be null" in line for line in broken):
        return "MalformedXML"
    return _CODES.get(call.service, _DEFAULT_CODE)


def _message(found: list[str]) -> str:
    count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: "
    return count + "; ".join(found[:_SHOWN_VIOLATIONS])
