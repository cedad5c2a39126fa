"""A bucket's lifecycle: from the template's form to the one that the API's XML has once it is parsed."""

from __future__ import annotations

from typing import Any

_TAKEN_OVER = ("AbortIncompleteMultipartUpload", "Prefix", "Filter")


def api_rules(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rules as the API has them."""
    return [_rule(rule) for rule in configuration.get("Rules", [])]


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"Status": rule["Status"]}
    if "Id" in rule:
        found["ID"] = rule["Id"]
    found.update({key: rule[key] for key in _TAKEN_OVER if key in rule})
    if "Filter" not in found:
        found.setdefault("Prefix", "")
    if expiration := _expiration(rule):
        found["Expiration"] = expiration
    if noncurrent := rule.get("NoncurrentVersionExpiration"):
        found["NoncurrentVersionExpiration"] = noncurrent
    transitions = rule.get("Transitions", [rule["Transition"]] if "Transition" in rule else [])
    if transitions:
        found["Transition"] = [_transition(transition) for transition in transitions]
    return found


def _expiration(rule: dict[str, Any]) -> dict[str, Any]:
    named = {"ExpirationInDays": "Days", "ExpirationDate": "Date", "ExpiredObjectDeleteMarker": None}
    return {api or key: rule[key] for key, api in named.items() if key in rule}


def _transition(transition: dict[str, Any]) -> dict[str, Any]:
    named = {"TransitionInDays": "Days", "TransitionDate": "Date", "StorageClass": "StorageClass"}
    return {api: transition[key] for key, api in named.items() if key in transition}
