"""Which calls change nothing, told by their names before they are carried out."""

from __future__ import annotations

from urllib.parse import parse_qs

from localcloud.request import Call

_READING = (
    *("Describe", "List", "Get", "BatchGet", "Query", "Scan", "Search", "Select", "Head", "Lookup", "Filter", "Test"),
    *("Simulate", "Validate", "Estimate", "TransactGet", "Tail"),
)
_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Their engines' work goes on between requests, and a look at it may end a transition.
_MOVING = frozenset(
    {"sagemaker", "ecs", "lambda", "batch", "cloudformation", "autoscaling", "cloudwatch", "monitoring"}
)
_IDENTITY = frozenset({"iam", "sts"})
_DATA = frozenset({"s3", "dynamodb", "sqs", "sns", "logs", "monitoring"})


def is_reading(call: Call, query: str = "") -> bool:
    """Whether a call changes nothing.

    Parameters
    ----------
    call
        The call.
    query
        Its query string: the query protocol may name the action there.
    """
    operation = call.target.rpartition(".")[2] or _action(call, query)
    if operation:
        return operation.startswith(_READING)
    return call.method in _METHODS


def is_moving(service: str) -> bool:
    """Whether a service's state changes without a call."""
    return service in _MOVING


def unchanged_by(service: str) -> frozenset[str]:
    """Return the services, by moto's names, that calls to this one ask and never change: whose key it is, above all."""
    return _IDENTITY if service in _DATA else frozenset()


def _action(call: Call, query: str) -> str:
    if call.service == "s3":
        return ""
    named = parse_qs(query).get("Action", [""])[0]
    if not named and call.content_type == "application/x-www-form-urlencoded":
        named = parse_qs(call.body.decode("utf-8", errors="replace")).get("Action", [""])[0]
    return named
