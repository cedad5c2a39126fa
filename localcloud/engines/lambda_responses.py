"""Calls of Lambda's API that moto answers otherwise than AWS: replacements for methods of its response class."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.awslambda import urls
from moto.awslambda.responses import LambdaResponse
from moto.core.responses import BaseResponse

from localcloud.engines.lambda_invoke import InvocationKind
from localcloud.patch import change_classes

_Answer = tuple[int, dict[str, Any], str | bytes]
_URL_LIST = r"{0}/(?P<api_version>[^/]+)/functions/(?P<function_name>[\w_:%-]+)/urls/?$"
_STATUS = {InvocationKind.REQUEST_RESPONSE: 200, InvocationKind.EVENT: 202, InvocationKind.DRY_RUN: 204}


def invoke(response: Any) -> _Answer:
    """Invoke."""
    kind = response.headers.get("X-Amz-Invocation-Type") or InvocationKind.REQUEST_RESPONSE
    headers: dict[str, Any] = {}
    payload = response.backend.invoke(
        _name(response), _qualifier(response), response.raw_body, response.headers, headers
    )
    status = _STATUS[InvocationKind(kind)]
    return status, {"content-type": "application/json", "status": status, **headers}, payload


def create_function(response: Any) -> _Answer:
    """CreateFunction."""
    function = response.backend.create_function(response.json_body)
    return _answer(201, function.get_configuration())


def publish_version(response: Any) -> _Answer:
    """PublishVersion; a new version says `Pending` in this answer, and is active when next asked about."""
    body = json.loads(response.body or "{}")
    version, new = response.backend.publish(
        _name(response),
        body.get("Description"),
        code_sha256=body.get("CodeSha256"),
        revision_id=body.get("RevisionId"),
    )
    found = version.get_configuration()
    if new:
        found |= {"State": "Pending", "StateReason": "The function is being created.", "StateReasonCode": "Creating"}
    return _answer(201, found)


def create_alias(response: Any) -> _Answer:
    """CreateAlias."""
    body = response.json_body
    alias = response.backend.create_alias(
        body.get("Name"),
        _name(response),
        body.get("FunctionVersion"),
        body.get("Description"),
        body.get("RoutingConfig"),
    )
    return _answer(201, alias.to_json())


def update_alias(response: Any) -> _Answer:
    """UpdateAlias, with RevisionId."""
    body = response.json_body
    alias = response.backend.update_alias(
        unquote(response.path.rsplit("/", 1)[-1]),
        _name(response),
        body.get("FunctionVersion"),
        body.get("Description"),
        body.get("RoutingConfig"),
        revision_id=body.get("RevisionId"),
    )
    return _answer(200, alias.to_json())


def get_alias(response: Any) -> _Answer:
    """GetAlias."""
    alias = response.backend.get_alias(unquote(response.path.rsplit("/", 1)[-1]), _name(response))
    return _answer(200, alias.to_json())


def list_versions_by_function(response: Any) -> _Answer:
    """ListVersionsByFunction; an unknown function is an error."""
    response.backend.get_function(_name(response))
    found = response.backend.list_versions_by_function(_name(response))
    return _answer(200, {"Versions": [version.get_configuration() for version in found]})


def create_function_url_config(response: Any) -> _Answer:
    """CreateFunctionUrlConfig, with Qualifier."""
    url = response.backend.create_function_url_config(_name(response), response.json_body, _qualifier(response))
    return _answer(201, url.to_dict())


def get_function_url_config(response: Any) -> _Answer:
    """GetFunctionUrlConfig, with Qualifier."""
    url = response.backend.get_function_url_config(_name(response), _qualifier(response))
    return _answer(200, url.to_dict())


def update_function_url_config(response: Any) -> _Answer:
    """UpdateFunctionUrlConfig, with Qualifier."""
    url = response.backend.update_function_url_config(_name(response), response.json_body, _qualifier(response))
    return _answer(200, url.to_dict())


def delete_function_url_config(response: Any) -> _Answer:
    """DeleteFunctionUrlConfig, with Qualifier."""
    response.backend.delete_function_url_config(_name(response), _qualifier(response))
    return _answer(204)


def list_function_url_configs(response: Any) -> _Answer:
    """ListFunctionUrlConfigs, which moto lacks."""
    found = response.backend.list_function_url_configs(_name(response))
    return _answer(200, {"FunctionUrlConfigs": [url.to_dict() for url in found]})


_REPLACEMENTS: tuple[Callable[[Any], _Answer], ...] = (
    invoke,
    create_function,
    publish_version,
    create_alias,
    update_alias,
    get_alias,
    list_versions_by_function,
    create_function_url_config,
    get_function_url_config,
    update_function_url_config,
    delete_function_url_config,
    list_function_url_configs,
)


def _keep_request_id(headers: dict[str, Any], body: Any) -> tuple[dict[str, Any], Any]:
    """Do what moto does to every response, but leave the id that is in the function's log."""
    own = headers.get("x-amzn-requestid")
    headers, body = BaseResponse._enrich_response(headers, body)
    return headers | ({"x-amzn-requestid": own} if own else {}), body


def replace_answers() -> Callable[[], None]:
    """Put the replacements in place; the returned function undoes it."""
    new: dict[str, Any] = {function.__name__: function for function in _REPLACEMENTS}
    new["_enrich_response"] = staticmethod(_keep_request_id)
    restore = change_classes((LambdaResponse, name, method) for name, method in new.items())
    urls.url_paths[_URL_LIST] = LambdaResponse.dispatch

    def undo() -> None:
        urls.url_paths.pop(_URL_LIST, None)
        restore()

    return undo


def _answer(status: int, body: Any = None) -> _Answer:
    # moto takes the status from the headers.
    return status, {"status": status}, "" if body is None else json.dumps(body)


def _name(response: Any) -> str:
    return unquote(response.path.partition("/functions/")[2].split("/")[0])


def _qualifier(response: Any) -> str | None:
    # Not moto's `_get_param`: without a query string it reads the body, which here is the caller's.
    return next(iter(parse_qs(str(response.parsed_url.query)).get("Qualifier", [])), None)
