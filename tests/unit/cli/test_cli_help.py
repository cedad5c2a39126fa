"""Help and completion: every command shows an example, and the shell completes pipeline names."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from ratchet.cli.main import app

COMMANDS = ["up", "down", "demo", "status", "push", "run", "runs", "logs", "approve", "reject", "predict", "reproduce"]
COMMANDS += ["reap", "doctor", "study"]
GROUPS = {
    "models": ["list", "show", "diff"],
    "fault": ["add", "list", "clear"],
    "data": ["list", "show", "diff", "find", "tag", "describe", "lineage", "example"],
}


def commands() -> list[tuple[str, ...]]:
    tree = typer.main.get_command(app)
    alone = [(name,) for name in tree.commands if name not in GROUPS]
    return alone + [(group, name) for group in GROUPS for name in tree.commands[group].commands]


def test_there_is_every_command_of_the_handbook():
    assert sorted(commands()) == sorted(
        [(name,) for name in COMMANDS] + [(group, name) for group, names in GROUPS.items() for name in names]
    )


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_help_shows_an_example_of_this_very_command(words):
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert done.exit_code == 0
    assert f"Example: ratchet {' '.join(words)}" in done.stdout
    assert "--json" in done.stdout


def test_the_command_alone_lists_the_commands_and_the_exit_codes():
    done = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert [name for name in [*COMMANDS, *GROUPS] if f" {name} " not in done.stdout] == []
    assert "Exit codes: 0 done, 1 done and the answer is no, 2 could not be done." in done.stdout


@pytest.mark.parametrize(
    ("words", "names"),
    [("run ", ["cats", "digits"]), ("run d", ["digits"]), ("logs c", ["cats"]), ("approve x", [])],
)
def test_the_shell_completes_pipeline_names(tmp_path, words, names):
    write_pipelines(tmp_path)
    assert complete(tmp_path, words) == names


def test_completion_is_silent_about_a_wrong_pipeline_file(tmp_path):
    (tmp_path / "digits.yaml").write_text("name: [", "utf-8")
    assert complete(tmp_path, "run d") == []


def complete(folder, words):
    environment = {
        "_RATCHET_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": f"ratchet {words}",
        "RATCHET_PIPELINES": str(folder),
    }
    done = CliRunner().invoke(app, [], env=environment, prog_name="ratchet")
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return sorted(line.split("\t")[0] for line in done.stdout.split())


def write_pipelines(folder):
    for name in ("digits", "cats"):
        (folder / f"{name}.yaml").write_text(
            f"name: {name}\ndata: {{dataset: {name}}}\napproval: {{approvers: [alice]}}\n", "utf-8"
        )
