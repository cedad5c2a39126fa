"""Function URLs: each configuration has a server that really answers, for `$LATEST` or for an alias."""

from __future__ import annotations

import json
import logging
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from moto.awslambda.exceptions import GenericResourcNotFound, InvalidParameterValueException, LambdaClientError
from moto.awslambda.models import FunctionUrlConfig

from localcloud.engines.lambda_cors import add_headers, answer_preflight, is_preflight
from localcloud.engines.lambda_fleet import Throttled
from localcloud.engines.lambda_function import Function
from localcloud.engines.lambda_invoke import REQUEST_BYTES, InvokeOperations
from localcloud.engines.lambda_storage import ResourceConflict
from localcloud.engines.lambda_url_event import (
    Caller,
    HttpRequest,
    HttpResponse,
    from_result,
    read_access_key,
    refuse,
    to_event,
)
from localcloud.engines.lambda_url_server import UrlServer

_log = logging.getLogger(__name__)


class FunctionUrl(FunctionUrlConfig):  # type: ignore[misc]
    """A URL's configuration and its server.

    Attributes
    ----------
    qualifier
        The alias, or `None` for `$LATEST`.
    """

    def __init__(
        self, function: Function, config: dict[str, Any], *, qualifier: str | None, runner: InvokeOperations
    ) -> None:
        super().__init__(function, config)
        self.qualifier = qualifier
        self.url_id = uuid.uuid4().hex
        self._runner = runner
        self._server = UrlServer(self.answer)
        self.url = f"http://localhost:{self._server.port}/"

    @property
    def function_arn(self) -> str:
        """The function's ARN, with the alias if the URL has one."""
        arn = str(self.function.function_arn)
        return f"{arn}:{self.qualifier}" if self.qualifier else arn

    def to_dict(self) -> dict[str, Any]:
        """Return the FunctionUrlConfig structure of AWS's API."""
        found: dict[str, Any] = super().to_dict() | {"FunctionArn": self.function_arn}
        found["InvokeMode"] = self.config.get("InvokeMode") or "BUFFERED"
        return {key: value for key, value in found.items() if value is not None}

    def update(self, new_config: dict[str, Any]) -> None:
        """Change what is given; the address stays."""
        check_config({"AuthType": self.config["AuthType"], **new_config})
        super().update(new_config)

    def reopen(self) -> None:
        """Listen again where the URL says, after a restart; somebody else may have the port now."""
        port = urlsplit(self.url).port or 0
        try:
            self._server = UrlServer(self.answer, port)
        except OSError as error:
            _log.warning("the function URL %s cannot be opened again (%s); it has another port now", self.url, error)
            self._server = UrlServer(self.answer)
            self.url = f"http://localhost:{self._server.port}/"

    def close(self) -> None:
        """Free the port."""
        self._server.close()

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer one request: a preflight by itself, any other through the function."""
        cors = self.config.get("Cors")
        if cors and is_preflight(request):
            return answer_preflight(request, cors)
        return add_headers(request, self._run(request), cors)

    def _run(self, request: HttpRequest) -> HttpResponse:
        region = self.function.region
        access_key = read_access_key(request.header("authorization"), region=region)
        signed = self.config["AuthType"] == "AWS_IAM"
        if signed and access_key is None:
            return refuse(403, "Forbidden")
        domain = request.header("host") or f"localhost:{self._server.port}"
        caller = Caller(self.url_id, domain, self.function.account_id, access_key if signed else None)
        event = to_event(request, caller, request_id=str(uuid.uuid4()), now=datetime.now(UTC))
        payload = json.dumps(event).encode()
        if len(payload) > REQUEST_BYTES:
            return refuse(413, "Request Entity Too Large")
        try:
            outcome = self._runner.run(self.function.function_name, self.qualifier, payload)
        except Throttled:
            return refuse(429, "Rate Exceeded.")
        except LambdaClientError as error:
            _log.warning("a function URL of %s cannot run it: %s", self.function.function_name, error)
            return refuse(502, "Internal Server Error")
        return refuse(502, "Internal Server Error") if outcome.failed else from_result(outcome.payload)


class UrlOperations(InvokeOperations):
    """The part of the backend that keeps function URLs. Signatures are moto's, with `qualifier` added."""

    _urls: dict[tuple[str, str | None], FunctionUrl]

    def create_function_url_config(
        self, name_or_arn: str, config: dict[str, Any], qualifier: str | None = None
    ) -> FunctionUrl:
        """Open a URL for a function's `$LATEST`, or for an alias."""
        check_config(config)
        key, function = self._find_target(name_or_arn, qualifier)
        if key in self._urls:
            raise ResourceConflict(
                f"Failed to create function url config for [functionArn = {self._urls[key].function_arn}]. "
                "Error message:  FunctionUrlConfig exists for this Lambda function"
            )
        self._urls[key] = FunctionUrl(function, dict(config), qualifier=key[1], runner=self)
        function.url_config = self._urls[key] if key[1] is None else function.url_config
        return self._urls[key]

    def get_function_url_config(self, name_or_arn: str, qualifier: str | None = None) -> FunctionUrl:
        """Return a URL's configuration."""
        key, _ = self._find_target(name_or_arn, qualifier)
        if key not in self._urls:
            raise GenericResourcNotFound
        return self._urls[key]

    def update_function_url_config(
        self, name_or_arn: str, config: dict[str, Any], qualifier: str | None = None
    ) -> FunctionUrl:
        """Change a URL's configuration."""
        found = self.get_function_url_config(name_or_arn, qualifier)
        found.update(config)
        return found

    def delete_function_url_config(self, name_or_arn: str, qualifier: str | None = None) -> None:
        """Close a URL."""
        found = self.get_function_url_config(name_or_arn, qualifier)
        self._close_urls(found.function.function_name, found.qualifier)

    def list_function_url_configs(self, name_or_arn: str) -> list[FunctionUrl]:
        """Return a function's URLs: its own and its aliases'."""
        name, _ = self._lambdas.split_name(name_or_arn, None)
        self._lambdas.get_function_by_name_forbid_qualifier(name)
        return [url for key, url in self._urls.items() if key[0] == name]

    def _close_urls(self, name: str, *qualifiers: str | None) -> None:
        keys = [key for key in self._urls if key[0] == name and (not qualifiers or key[1] in qualifiers)]
        for key in keys:
            url = self._urls.pop(key)
            url.function.url_config = None
            url.close()

    def _find_target(self, name_or_arn: str, qualifier: str | None) -> tuple[tuple[str, str | None], Function]:
        name, alias = self._lambdas.split_name(name_or_arn, qualifier)
        function: Function = self._lambdas.get_function_by_name_forbid_qualifier(name)
        alias = None if alias == "$LATEST" else alias
        if alias is not None:
            if alias.isdigit():
                raise LambdaClientError("ValidationException", "A function URL belongs to an alias or to $LATEST.")
            self._lambdas.get_alias(alias, name)
        return (name, alias), function


def check_config(config: dict[str, Any]) -> None:
    """Refuse what AWS would refuse, and what is not done here."""
    if config.get("AuthType") not in {"NONE", "AWS_IAM"}:
        raise InvalidParameterValueException("AuthType must be NONE or AWS_IAM")
    if config.get("InvokeMode") not in {None, "BUFFERED"}:
        raise InvalidParameterValueException("InvokeMode RESPONSE_STREAM is not available here; use BUFFERED")
