"""Which action a listener's rules choose for a request: frozen data and pure functions, in ELBv2's own terms."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_REDIRECT_STATUS = {"HTTP_301": 301, "HTTP_302": 302}


@dataclass(frozen=True)
class Incoming:
    """What rules can look at. `headers` is case-insensitive, `source` is the client's address."""

    method: str
    host: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    source: str


@dataclass(frozen=True)
class Condition:
    """One field and the patterns of which one has to match; `name` is the header's, or empty."""

    field: str
    values: tuple[str, ...]
    name: str = ""

    def accepts(self, incoming: Incoming) -> bool:
        """Whether the request meets the condition."""
        if self.field == "source-ip":
            address = ipaddress.ip_address(incoming.source)
            return any(address in ipaddress.ip_network(value, strict=False) for value in self.values)
        if self.field == "query-string":
            return any(_query_matches(value, incoming.query) for value in self.values)
        return any(_like(value, self._subject(incoming)) for value in self.values)

    def _subject(self, incoming: Incoming) -> str:
        subjects = {
            "path-pattern": incoming.path,
            "host-header": incoming.host.lower(),
            "http-request-method": incoming.method,
            "http-header": incoming.headers.get(self.name, ""),
        }
        return subjects[self.field]


@dataclass(frozen=True)
class Forward:
    """Send to one of these target groups (ARN and weight)."""

    weights: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class FixedResponse:
    """Answer without asking anybody."""

    status: int
    content_type: str
    body: str


@dataclass(frozen=True)
class Redirect:
    """Send the client elsewhere; `#{host}` and the like stand for the request's own parts."""

    status: int
    location: str


Action = Forward | FixedResponse | Redirect


@dataclass(frozen=True)
class Rule:
    """An action and the conditions that must all hold for it."""

    conditions: tuple[Condition, ...]
    action: Action


def choose_action(rules: Sequence[Rule], incoming: Incoming) -> Action | None:
    """Return the action of the first rule whose conditions all hold."""
    for rule in rules:
        if all(condition.accepts(incoming) for condition in rule.conditions):
            return rule.action
    return None


def read_rule(conditions: Sequence[Mapping[str, Any]], actions: Sequence[Mapping[str, Any]]) -> Rule:
    """Read a rule from the shapes of ELBv2's API; the last action is the one that ends the request."""
    return Rule(tuple(_read_condition(condition) for condition in conditions), _read_action(actions[-1]))


def _read_condition(shape: Mapping[str, Any]) -> Condition:
    field = shape["Field"]
    config: Mapping[str, Any] = next((value for key, value in shape.items() if key.endswith("Config")), {})
    values = config.get("Values") or shape.get("Values") or []
    if field == "query-string":
        values = [f"{pair.get('Key', '')}={pair['Value']}" for pair in values]
    if field == "host-header":
        values = [value.lower() for value in values]
    return Condition(field, tuple(values), config.get("HttpHeaderName", ""))


def _read_action(shape: Mapping[str, Any]) -> Action:
    if shape["Type"] == "fixed-response":
        config = shape["FixedResponseConfig"]
        content_type = config.get("ContentType") or "text/plain"
        return FixedResponse(int(config["StatusCode"]), content_type, config.get("MessageBody") or "")
    if shape["Type"] == "redirect":
        return _read_redirect(shape["RedirectConfig"])
    groups = (shape.get("ForwardConfig") or {}).get("TargetGroups")
    if not groups:
        return Forward(((shape["TargetGroupArn"], 1),))
    return Forward(tuple((group["TargetGroupArn"], int(group.get("Weight", 1))) for group in groups))


def _read_redirect(config: Mapping[str, Any]) -> Redirect:
    protocol, host = config.get("Protocol", "#{protocol}"), config.get("Host", "#{host}")
    port, path, query = config.get("Port", "#{port}"), config.get("Path", "/#{path}"), config.get("Query", "#{query}")
    return Redirect(_REDIRECT_STATUS[config["StatusCode"]], f"{protocol}://{host}:{port}{path}?{query}")


def fill_redirect(redirect: Redirect, incoming: Incoming, port: int) -> str:
    """Return the address that a redirect names for a request."""
    query = "&".join(f"{key}={value}" if value else key for key, value in incoming.query)
    host = incoming.host.rsplit(":", 1)[0] if not incoming.host.endswith("]") else incoming.host
    parts = {"protocol": "http", "host": host, "port": str(port), "path": incoming.path.lstrip("/"), "query": query}
    location = re.sub(r"#\{(\w+)\}", lambda found: parts.get(found[1], ""), redirect.location)
    return location.removesuffix("?")


def _query_matches(pattern: str, query: tuple[tuple[str, str], ...]) -> bool:
    key, _, value = pattern.partition("=")
    return any((not key or _like(key, name)) and _like(value, given) for name, given in query)


def _like(pattern: str, text: str) -> bool:
    return _compile(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> re.Pattern[str]:
    # Only * and ? are special in ELBv2; fnmatch would also read brackets.
    return re.compile("".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern), re.DOTALL)


class Spread:
    """Shares requests among target groups in exact proportion to their weights, evenly interleaved."""

    def __init__(self, weights: Sequence[tuple[str, int]]) -> None:
        self._weights = [(arn, weight) for arn, weight in weights if weight > 0]
        self._total = sum(weight for _, weight in self._weights)
        self._credit = {arn: 0 for arn, _ in self._weights}

    def choose(self) -> str | None:
        """Return the next group; None when every weight is 0."""
        if not self._weights:
            return None
        for arn, weight in self._weights:
            self._credit[arn] += weight
        chosen = max(self._credit, key=self._credit.__getitem__)
        self._credit[chosen] -= self._total
        return chosen
