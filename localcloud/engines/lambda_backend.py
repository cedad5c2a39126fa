"""The Lambda backend: moto's, with the work done, revisions checked and versions frozen."""

from __future__ import annotations

import copy
import threading
from typing import Any

from moto.awslambda.exceptions import FunctionAlreadyExists, InvalidParameterValueException
from moto.awslambda.models import LambdaBackend

from localcloud.engines.lambda_alias import Alias
from localcloud.engines.lambda_function import Function
from localcloud.engines.lambda_launch import BadArchive, base_image, check_archive
from localcloud.engines.lambda_revision import Identity
from localcloud.engines.lambda_storage import Storage, check_revision, check_settled
from localcloud.engines.lambda_url import UrlOperations
from localcloud.runtime import ImageNotFound, Runtime


class Backend(UrlOperations, LambdaBackend):  # type: ignore[misc]
    """Functions of one account and region. Signatures are moto's; what AWS has beyond them is added as keywords.

    Code that reads and then changes holds `lock`; invocations do not.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._lambdas = Storage(region_name, account_id)
        self._urls = {}
        self.lock = threading.RLock()

    def reset(self) -> None:
        """Forget everything; environments and URLs end."""
        self.close()
        super().reset()

    def resume(self) -> None:
        """Take up what an earlier localcloud left."""
        for function in self._lambdas.every():
            function.resume(self.services.clock)
        for url in list(self._urls.values()):
            url.reopen()

    def close(self) -> None:
        """End this region's environments and URLs."""
        for url in list(self._urls.values()):
            url.close()
        self._urls.clear()
        self.services.fleet.retire(lambda i: (i.account, i.region) == (self.account_id, self.region_name))

    def create_function(self, spec: dict[str, Any]) -> Function:
        """Make a function; it is `Pending` for a moment."""
        name = spec.get("FunctionName")
        if not name:
            raise InvalidParameterValueException("Missing FunctionName")
        command = self._check_code(spec)
        with self.lock:
            if name in self._lambdas._functions:
                raise FunctionAlreadyExists(name)
            function = Function(
                account_id=self.account_id,
                spec=spec,
                region=self.region_name,
                default_command=command,
                clock=self.services.clock,
            )
            self._check_package(function)
            self._lambdas.put_function(function)
            published = self._lambdas.publish(name, None)[0] if spec.get("Publish") else None
            function.begin_creation(self.services.settle_seconds)
        if published is None:
            return function
        shown = copy.copy(function)
        shown.version = published.version
        return shown

    def publish_version(
        self,
        function_name: str,
        description: str | None = "",
        *,
        code_sha256: str | None = None,
        revision_id: str | None = None,
    ) -> Function:
        """Freeze `$LATEST`; without a change since the last version, return that one."""
        return self.publish(function_name, description, code_sha256=code_sha256, revision_id=revision_id)[0]

    def publish(
        self, function_name: str, description: str | None, *, code_sha256: str | None, revision_id: str | None
    ) -> tuple[Function, bool]:
        """Return the version, and whether it is new."""
        with self.lock:
            latest: Function = self._lambdas.get_function_by_name_or_arn_forbid_qualifier(function_name)
            check_settled(latest)
            check_revision(revision_id, latest.revision_id)
            if code_sha256 and code_sha256 != latest.code_sha_256:
                raise InvalidParameterValueException(
                    f"CodeSHA256 ({code_sha256}) is different from current CodeSHA256 in $LATEST "
                    f"({latest.code_sha_256}). Please try again with the CodeSHA256 in $LATEST."
                )
            return self._lambdas.publish(function_name, description)

    def update_function_code(self, function_name: str, qualifier: str | None, body: dict[str, Any]) -> dict[str, Any]:
        """Replace `$LATEST`'s code, and publish it if asked to."""
        command = self._check_code({"Code": body, "PackageType": "Image" if "ImageUri" in body else "Zip"})
        with self.lock:
            function = self._find_latest(function_name, body.get("RevisionId"))
            if body.get("DryRun"):
                return function.get_configuration()

            def update() -> None:
                function.update_function_code(copy.deepcopy(body))
                function.default_command = command
                if "Architectures" in body:
                    function.architectures = body["Architectures"]
                self._check_package(function)

            function.change(update, self.services.settle_seconds)
            if body.get("Publish"):
                function.settle()
                return self._lambdas.publish(function_name, None)[0].get_configuration()
            return function.get_configuration()

    def update_function_configuration(
        self, function_name: str, qualifier: str | None, body: dict[str, Any]
    ) -> dict[str, Any]:
        """Change `$LATEST`'s configuration; published versions stay as they are."""
        changes = {key: value for key, value in body.items() if key not in {"RevisionId", "FunctionName"}}
        with self.lock:
            function = self._find_latest(function_name, body.get("RevisionId"))
            function.change(lambda: function.update_configuration(changes), self.services.settle_seconds)
            return function.get_configuration()

    def create_alias(  # noqa: PLR0917 - moto's signature
        self, name: str, function_name: str, function_version: str, description: str, routing_config: Any
    ) -> Alias:
        """Make an alias."""
        with self.lock:
            return self._lambdas.put_alias(name, function_name, function_version, description, routing_config)

    def update_alias(  # noqa: PLR0917 - moto's signature, and the RevisionId that it lacks
        self,
        name: str,
        function_name: str,
        function_version: str | None,
        description: str | None,
        routing_config: Any,
        *,
        revision_id: str | None = None,
    ) -> Alias:
        """Point an alias somewhere else; weights that are not given stay, an empty set of weights removes them."""
        with self.lock:
            check_revision(revision_id, self.get_alias(name, function_name).revision_id)
            return self._lambdas.change_alias(
                name, function_name, version=function_version, description=description, routing=routing_config
            )

    def get_alias(self, name: str, function_name: str) -> Alias:
        """Return an alias of a function that is given by name or ARN."""
        plain, _ = self._lambdas.split_name(function_name, None)
        found: Alias = self._lambdas.get_alias(name, plain)
        return found

    def delete_alias(self, name: str, function_name: str) -> None:
        """Delete an alias and its URL."""
        with self.lock:
            plain, _ = self._lambdas.split_name(function_name, None)
            self._lambdas.delete_alias(name, plain)
            self._close_urls(plain, name)

    def delete_function(self, function_name: str, qualifier: str | None = None) -> None:
        """Delete a function or one version, and end its environments."""
        with self.lock:
            name, version = self._lambdas.split_name(function_name, qualifier)
            self._lambdas.del_function(function_name, qualifier)
            if not version:
                self._close_urls(name)

        def is_gone(identity: Identity) -> bool:
            here = (identity.account, identity.region, identity.name) == (self.account_id, self.region_name, name)
            return here and version in {None, identity.version}

        self.services.fleet.retire(is_gone)

    def _find_latest(self, function_name: str, revision_id: str | None) -> Function:
        name, _ = self._lambdas.split_name(function_name, None)
        function: Function = self._lambdas.get_function_by_name_forbid_qualifier(name)
        check_revision(revision_id, function.revision_id)
        check_settled(function)
        return function

    def _check_code(self, spec: dict[str, Any]) -> tuple[str, ...]:
        """Refuse an image that nothing stands in for; return the image's own command."""
        uri = (spec.get("Code") or {}).get("ImageUri")
        if not uri:
            return ()
        try:
            found: Runtime = self.services.host.runtimes.resolve(uri)
        except ImageNotFound as error:
            message = f"Source image {uri} does not exist. Provide a valid source image. ({error})"
            raise InvalidParameterValueException(message) from error
        return found.command

    def _check_package(self, function: Function) -> None:
        if not function.to_revision().handler:
            raise InvalidParameterValueException(
                "No handler: name one with Handler, or for an image with ImageConfig.Command, for example "
                '["package.module.function"]'
            )
        if function.package_type == "Image":
            return
        try:
            self.services.host.runtimes.resolve(base_image(function.run_time or ""))
            check_archive(function.code_bytes)
        except ImageNotFound as error:
            message = f"The runtime {function.run_time} is not available here. ({error})"
            raise InvalidParameterValueException(message) from error
        except BadArchive as error:
            raise InvalidParameterValueException(str(error)) from error
