"""Processes of a laptop's stack: found again, ended with their children, never confused with a stranger's."""

from __future__ import annotations

import os
import sys
import time

import psutil
import pytest

from ratchet.laptop.process import ProcessTable, Running, poll_until

PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
time.sleep(600)
"""


@pytest.fixture
def table(tmp_path):
    table = ProcessTable(tmp_path)
    yield table
    table.stop()


def start(table, code="import time; time.sleep(600)"):
    return table.start("sleeper", [sys.executable, "-c", code], environment=dict(os.environ), cwd=table.home)


def test_ends_a_process_with_its_children(table):
    running = start(table, PARENT)
    for _ in poll_until(10):
        if children := psutil.Process(running.pid).children():
            break
    assert table.stop() == ["sleeper"]
    assert not running.alive()
    assert not any(child.is_running() for child in children)
    assert table.read() == []


def test_finds_a_process_that_another_command_started(table):
    running = start(table)
    assert ProcessTable(table.home).find("sleeper") == running


def test_never_ends_a_stranger_that_got_the_same_process_id(table):
    stranger = Running(name="gone", pid=os.getpid(), created_at=time.time() - 10**6, log="")
    table._write([stranger])
    assert table.stop() == []


def test_gives_up_waiting_at_its_limit():
    assert len(list(poll_until(0.05, 0.01))) < 20
