"""AWS's words for how invocations end, and what a function may not be given."""

import io
import json
import re
import signal
import stat
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.engines.lambda_launch import BadArchive, check_archive
from localcloud.engines.lambda_log import Usage, describe_report, name_stream
from localcloud.engines.lambda_outcome import exit_early, fail, succeed, time_out
from localcloud.engines.lambda_revision import find_environment_fault


@pytest.mark.parametrize(
    ("code", "out_of_memory", "reason"),
    [
        (3, False, "Runtime exited with error: exit status 3"),
        (0, False, "Runtime exited without providing a reason"),
        (-signal.SIGKILL, False, "Runtime exited with error: signal: killed"),
        (-signal.SIGSEGV, False, "Runtime exited with error: signal: segmentation fault"),
        (1, True, "Runtime exited with error: signal: killed"),
    ],
)
def test_every_early_exit_has_its_reason(code: int, out_of_memory: bool, reason: str) -> None:
    verdict = exit_early("r", code, out_of_memory=out_of_memory)
    assert json.loads(verdict.payload) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: r Error: {reason}",
    }
    assert not verdict.reusable
    assert verdict.error_type == ("Runtime.OutOfMemory" if out_of_memory else "Runtime.ExitError")


@given(st.binary())
def test_an_error_of_any_shape_is_passed_on_as_it_is(payload: bytes) -> None:
    verdict = fail(payload)
    assert (verdict.payload, verdict.failed, verdict.reusable) == (payload, True, True)


def test_the_report_tells_what_was_used() -> None:
    usage = Usage(duration_ms=12.25, init_ms=100.0, memory_mib=512, memory_used_mib=600)
    assert describe_report("r", usage, time_out("r", 3)).split("\t") == [
        "REPORT RequestId: r",
        "Duration: 12.25 ms",
        "Billed Duration: 113 ms",
        "Memory Size: 512 MB",
        "Max Memory Used: 512 MB",
        "Init Duration: 100.00 ms",
        "Status: timeout",
    ]
    assert "Init" not in describe_report("r", Usage(1.0, None, 512, 1), succeed(b""))


def test_streams_are_named_by_day_version_and_chance() -> None:
    assert re.fullmatch(r"2030/01/31/\[7\][0-9a-f]{32}", name_stream("7", datetime(2030, 1, 31, tzinfo=UTC)))


def test_reserved_and_large_environments_are_refused() -> None:
    assert find_environment_fault({"MODEL": "resnet"}) is None
    assert "AWS_REGION, _HANDLER" in str(find_environment_fault({"_HANDLER": "x", "AWS_REGION": "y", "A": "b"}))
    assert "4KB" in str(find_environment_fault({"A": "x" * 4096}))


def pack(*names: str, mode: int = 0o644) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            archive.writestr(member, "x")
    return content.getvalue()


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up", "a/..\\b", ".."])
def test_a_package_may_not_point_out_of_its_folder(name: str) -> None:
    with pytest.raises(BadArchive, match="points out"):
        check_archive(pack("fine.py", name))


def test_a_package_may_not_hold_links() -> None:
    with pytest.raises(BadArchive, match="points out"):
        check_archive(pack("link", mode=stat.S_IFLNK | 0o777))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_package_are_refused(content: bytes) -> None:
    with pytest.raises(BadArchive):
        check_archive(content)


def test_a_plain_package_is_taken() -> None:
    check_archive(pack("app/main.py", "app/data..txt"))
