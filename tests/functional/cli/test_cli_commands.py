"""Every command as a program sees it: one JSON object, and an exit code that says done, no, or could not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from domain_world import write_archive

from ratchet.loop.study_store import keep_last, keep_study
from ratchet.loop.workshop import open_workshop
from ratchet.tuning.study import Study, Trial, TrialState

DAG = "retrain_digits"
RUN = "manual__1"
GATE = {
    "task_instance": {"dag_id": DAG, "dag_run_id": RUN, "task_id": "approve", "map_index": -1, "try_number": 1},
    "params": {"digest": {"value": "ab12" * 16}},
    "subject": "Release digits 1?",
    "body": "the dossier",
}
DIGEST = "ab12" * 16
ENTRY = {"dag_id": DAG, "dag_run_id": RUN, "run_type": "manual", "state": "running", "start_date": "2030"}
ANSWER = {"model": {"version": 1, "digest": "d"}, "predictions": [{"label": "7", "probability": 0.5}]}


def tell_runs(server, entries, tasks=()):
    server.tell("GET", f"/dags/{DAG}/dagRuns", {"dag_runs": entries})
    server.tell("GET", "/dags/~/dagRuns", {"dag_runs": entries})
    server.tell("GET", f"/dags/{DAG}/dagRuns/{RUN}/taskInstances", {"task_instances": list(tasks)})


def tell_gates(server, gates):
    server.tell("GET", f"/dags/{DAG}/dagRuns/~/hitlDetails", {"hitl_details": gates})


def write_scans(folder, **more):
    for name, content in {"0/a.png": b"zero", "1/b.png": b"one", **more}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return str(folder)


def test_status_says_no_when_nothing_is_live(desk):
    tell_gates(desk.server, [])
    answer = desk.ask("status", code=1)
    assert answer["pipelines"][0]["champion"] is None
    assert answer["waiting"] == []


def test_status_tells_the_champion_its_approver_and_what_waits(desk):
    champion = desk.world.crown("one")
    tell_gates(desk.server, [GATE])
    answer = desk.ask("status")
    assert answer["pipelines"][0]["champion"]["digest"] == champion.digest
    assert answer["pipelines"][0]["champion"]["approver"] == "alice"
    assert [gate["digest"] for gate in answer["waiting"]] == [DIGEST]


def test_status_shows_what_is_live_also_when_airflow_is_away(desk, monkeypatch):
    desk.world.crown("one")
    monkeypatch.setenv("RATCHET_AIRFLOW_URL", "http://127.0.0.1:9")
    answer = desk.ask("status")
    assert answer["pipelines"][0]["champion"]["version"] == 1


def test_push_sends_only_what_is_new_or_changed(desk, tmp_path):
    folder = write_scans(tmp_path / "scans")
    assert desk.ask("push", "digits", folder)["files"] == 2
    assert desk.ask("push", "digits", folder)["files"] == 0
    write_scans(tmp_path / "scans", **{"1/b.png": b"another one"})
    assert desk.ask("push", "digits", folder)["files"] == 1
    keys = [entry.key for entry in desk.world.datasets.freeze("digits").objects]
    assert keys == ["0/a.png", "1/b.png"]


def test_push_refuses_a_folder_without_labels(desk, tmp_path):
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "a.png").write_bytes(b"x")
    answer = desk.ask("push", "digits", str(tmp_path / "flat"), code=2)
    assert answer["kind"] == "DataError"
    assert "<label>/<file>" in answer["error"]


def test_run_starts_the_loop_and_links_to_it(desk):
    desk.server.tell("POST", f"/dags/{DAG}/dagRuns", {"dag_run_id": RUN})
    answer = desk.ask("run", "digits", "--force", "--reason", "why not")
    assert answer == {"run": RUN, "dag": DAG, "link": f"{desk.server.url}/dags/{DAG}/runs/{RUN}"}
    assert desk.server.last("POST").body["conf"] == {
        "dataset_version": "",
        "force": True,
        "no_reuse": False,
        "reason": "why not",
    }


def test_run_asks_for_new_jobs_alone(desk):
    desk.server.tell("POST", f"/dags/{DAG}/dagRuns", {"dag_run_id": RUN})
    desk.ask("run", "digits", "--no-reuse")
    assert desk.server.last("POST").body["conf"] == {
        "dataset_version": "",
        "force": False,
        "no_reuse": True,
        "reason": "",
    }


def test_run_refuses_a_forced_run_without_a_reason_before_anything_starts(desk):
    answer = desk.ask("run", "digits", "--force", code=2)
    assert "force needs a reason" in answer["error"]
    assert not [seen for seen in desk.server.seen if "dagRuns" in seen.path]


def test_run_finds_a_version_by_its_beginning(desk):
    desk.world.upload("0/a.png", b"zero")
    version = desk.world.datasets.freeze("digits").version
    desk.server.tell("POST", f"/dags/{DAG}/dagRuns", {"dag_run_id": RUN})
    desk.ask("run", "digits", "--dataset-version", version[:12])
    assert desk.server.last("POST").body["conf"]["dataset_version"] == version
    answer = desk.ask("run", "digits", "--dataset-version", "nothing", code=2)
    assert f"no version 'nothing'; there is: {version[:12]}" in answer["error"]


def test_run_names_the_pipelines_there_are(desk):
    answer = desk.ask("run", "cats", code=2)
    assert "there is: digits" in answer["error"]
    assert (answer["kind"], answer["actor"]) == ("NotFoundError", "user")


def test_a_link_stays_in_one_piece_on_a_narrow_terminal(desk, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    desk.server.tell("POST", f"/dags/{DAG}/dagRuns", {"dag_run_id": RUN})
    assert f"{desk.server.url}/dags/{DAG}/runs/{RUN}" in desk.type("run", "digits").stdout.splitlines()


def test_runs_says_what_each_is_at(desk):
    tasks = [{"task_id": "freeze", "state": "success"}, {"task_id": "train", "state": "deferred"}]
    tell_runs(desk.server, [ENTRY], tasks)
    assert [row["at"] for row in desk.ask("runs", "digits")["runs"]] == ["train"]
    assert [row["pipeline"] for row in desk.ask("runs")["runs"]] == ["digits"]


def test_runs_says_why_one_has_nothing_to_do_and_leaves_out_what_is_no_pipeline(desk):
    tell_runs(desk.server, [ENTRY], [{"task_id": "freeze", "state": "skipped"}])
    path = f"/dags/{DAG}/dagRuns/{RUN}/taskInstances/freeze/xcomEntries/reason"
    desk.server.tell("GET", path, {"value": "trained by run r1"})
    assert [row["why"] for row in desk.ask("runs")["runs"]] == ["trained by run r1"]
    assert any("dag_id_prefix_pattern=retrain_" in seen.query for seen in desk.server.seen)


def test_runs_says_no_when_there_are_none(desk):
    tell_runs(desk.server, [])
    assert desk.ask("runs", code=1) == {"runs": []}


def test_logs_prints_the_newest_run_s_lines(desk):
    tell_runs(desk.server, [ENTRY], [{"task_id": "train", "state": "success", "try_number": 2}])
    path = f"/dags/{DAG}/dagRuns/{RUN}/taskInstances/train/logs/2"
    desk.server.tell("GET", path, {"content": [{"event": "epoch \ud800 [bold]1[/bold]"}]})
    assert desk.ask("logs", "digits")["lines"] == ["epoch \ud800 [bold]1[/bold]"]


@pytest.mark.parametrize("entries", [[], [ENTRY]])
def test_logs_says_what_is_missing(desk, entries):
    tell_runs(desk.server, entries)
    assert "no run yet" in str(desk.ask("logs", "digits", code=2)) or entries
    assert desk.ask("logs", "digits", "--task", "bake", code=2)["kind"] == "NotFoundError"


def test_models_list_says_no_when_there_are_none(desk):
    assert desk.ask("models", "list", code=1) == {"models": []}


def test_models_shows_a_version_with_its_history(desk):
    version = desk.world.crown("one")
    assert desk.ask("models", "list")["models"][0]["stage"] == "champion"
    shown = desk.ask("models", "show", "1")
    assert shown["model"]["digest"] == version.digest
    assert shown["history"][0]["kind"] == "registered"
    assert version.digest in desk.type("models", "show", "1").stdout.replace("\n", "").replace(" ", "").replace("│", "")


def test_models_diff_tells_parameters_and_images(desk):
    desk.world.upload("0/a.png", b"a")
    old = desk.world.datasets.freeze("digits")
    desk.world.upload("0/b.png", b"b")
    new = desk.world.datasets.freeze("digits")
    first = desk.world.register("one")
    pipeline = replace(first.provenance, dataset_version=old.version)
    for seed, provenance in (
        ("two", pipeline),
        ("three", replace(pipeline, dataset_version=new.version, hyperparameters={"epochs": 9})),
    ):
        archive = write_archive(desk.world.folder, seed)
        desk.world.registry.register("digits", archive, provenance, {}, writer=seed)
    changes = desk.ask("models", "diff", "2", "3")["changes"]
    assert changes["hyperparameter epochs"] == [3, 9]
    assert changes["images"] == [1, 2]
    assert changes["images added/removed/changed"] == [None, "1/0/0"]


def test_models_show_says_which_version_is_missing(desk):
    assert "none yet" in desk.ask("models", "show", "7", code=2)["error"]
    desk.world.register()
    answer = desk.ask("models", "show", "7", code=2)
    assert answer["kind"] == "NotFoundError"
    assert "7" in answer["error"]


@pytest.mark.parametrize(("word", "option"), [("approve", "Approve"), ("reject", "Reject")])
def test_answers_the_gate_in_a_person_s_name(desk, word, option):
    tell_gates(desk.server, [GATE])
    desk.server.tell("PATCH", f"/dags/{DAG}/dagRuns/{RUN}/taskInstances/approve/-1/hitlDetails", {})
    answer = desk.ask(word, "digits", "--as", "alice", "--digest", DIGEST[:12], "-m", "seen")
    assert (answer["digest"], answer["who"]) == (DIGEST, "alice")
    assert desk.server.last("PATCH").body["chosen_options"] == [option]
    assert desk.server.last("PATCH").body["params_input"] == {"digest": DIGEST, "comment": "seen"}
    assert desk.server.seen[0].body["username"] == "alice"


@pytest.mark.parametrize("digest", ["ffffffffffff", "ab12", DIGEST + "0"])
def test_refuses_a_digest_that_is_not_the_one_that_waits(desk, digest):
    tell_gates(desk.server, [GATE])
    answer = desk.ask("approve", "digits", "--as", "alice", "--digest", digest, code=2)
    assert "look at it again" in answer["error"]
    assert not [seen for seen in desk.server.seen if seen.method == "PATCH"]


def test_asks_a_program_to_say_which_artefact_it_means(desk):
    tell_gates(desk.server, [GATE])
    assert f"--digest {DIGEST[:12]}" in desk.ask("approve", "digits", "--as", "alice", code=2)["error"]


def test_says_so_when_nothing_waits(desk):
    tell_gates(desk.server, [])
    answer = desk.ask("reject", "digits", "--as", "alice", "--digest", DIGEST, code=2)
    assert "ratchet runs digits" in answer["error"]


def test_approving_wants_a_name(desk):
    assert desk.type("approve", "digits").exit_code == 2


def test_says_where_a_password_comes_from_when_none_is_known(desk, monkeypatch):
    monkeypatch.delenv("RATCHET_AIRFLOW_PASSWORD")
    answer = desk.ask("approve", "digits", "--as", "mallory", "--digest", DIGEST, code=2)
    assert "RATCHET_AIRFLOW_PASSWORD" in answer["error"]


def test_predict_asks_the_live_service(desk, tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG bytes")
    desk.server.tell("POST", "/predict", ANSWER)
    assert desk.ask("predict", str(tmp_path / "a.png"), "--target", "ecs") == {"ecs": ANSWER}
    assert desk.server.last("POST").body == b"\x89PNG bytes"


def test_predict_asks_about_rows_and_texts(desk, tmp_path):
    best = ANSWER["predictions"]
    answer = {**ANSWER, "results": [{"predictions": best}, {"predictions": best}]}
    desk.server.tell("POST", "/predict", answer)
    (tmp_path / "rows.csv").write_text("a,kind,b\n1,x,2\n3,y,4\n")
    (tmp_path / "text.TXT").write_text("Servus")
    for arguments in (
        [str(tmp_path / "rows.csv")],
        [str(tmp_path / "text.TXT")],
        ["--row", "1,2"],
        ["--text", "Hallo"],
    ):
        assert desk.ask("predict", *arguments, "--target", "ecs") == {"ecs": answer}


@pytest.mark.parametrize("arguments", [[], ["--row", "1,2", "--text", "a"], ["--row", ""]])
def test_predict_wants_one_thing(desk, arguments):
    assert "say one thing" in desk.ask("predict", *arguments, code=2)["error"]


@pytest.mark.parametrize("body", [{"error": "no model"}, b"<html>", ["x"]])
def test_predict_says_no_when_a_target_cannot_tell(desk, tmp_path, body):
    (tmp_path / "a.png").write_bytes(b"x")
    desk.server.tell("POST", "/predict", body, 503)
    assert desk.ask("predict", str(tmp_path / "a.png"), "--target", "ecs", code=1)["ecs"]["error"]


def test_predict_refuses_a_file_that_is_not_there_and_a_target_that_is_none(desk, tmp_path):
    assert desk.ask("predict", str(tmp_path / "none.png"), code=2)["kind"] == "NotFoundError"
    assert "ecs, lambda, all" in desk.ask("predict", str(tmp_path), "--target", "moon", code=2)["error"]


def test_predict_says_so_when_the_service_is_away(desk, tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    desk.server.close()
    assert "ratchet status" in desk.ask("predict", str(tmp_path / "a.png"), "--target", "ecs", code=2)["error"]


def test_predict_says_so_when_another_program_answers(desk, tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    desk.server.tell("POST", "/predict", b"<html>welcome</html>")
    assert desk.ask("predict", str(tmp_path / "a.png"), "--target", "ecs", code=1)["ecs"]["error"]


def test_doctor_gives_a_mend_for_everything_that_is_wrong(desk):
    answer = desk.ask("doctor", code=1)
    checks = {check["check"]: check for check in answer["checks"]}
    assert answer["healthy"] is False
    assert checks["credentials"]["good"]
    assert checks["bucket versioning"]["good"]
    assert not checks["airflow"]["good"]
    assert [name for name, check in checks.items() if not check["good"] and not check["fix"]] == []


def test_down_has_nothing_to_do_twice(desk):
    assert desk.ask("down") == {"stopped": []}
    assert desk.type("down").stdout.strip() == "nothing was running"


def test_says_which_stack_is_missing_and_how_to_make_it(desk, monkeypatch):
    monkeypatch.setenv("RATCHET_STACK", "elsewhere")
    assert "ratchet up" in desk.ask("status", code=2)["error"]


@pytest.mark.parametrize("words", [("status",), ("down",), ("doctor",), ("models", "list"), ("predict", "x.png")])
def test_a_setting_that_cannot_be_read_is_an_error_like_any_other(desk, monkeypatch, words):
    monkeypatch.setenv("RATCHET_POLL_SECONDS", "soon")
    assert "RATCHET_POLL_SECONDS" in desk.ask(*words, code=2)["error"]


@pytest.mark.parametrize("words", [("status",), ("models", "list"), ("run", "digits")])
def test_a_wrong_pipeline_file_is_named(desk, words):
    file = desk.folder / "pipelines" / "digits.yaml"
    file.write_text(file.read_text("utf-8").replace("compute:", "computer:"), "utf-8")
    assert "digits.yaml" in desk.ask(*words, code=2)["error"]


def test_people_read_errors_on_standard_error(desk):
    done = desk.type("models", "show", "7")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert done.stdout == ""


def test_data_lists_finds_tags_compares_and_follows(desk):
    desk.world.upload("0/a.png", b"a")
    desk.world.datasets.freeze("digits", "first")
    desk.world.upload("1/b.png", b"b")
    second = desk.world.datasets.freeze("digits")
    assert [row["number"] for row in desk.ask("data", "list")["versions"]] == [2, 1]
    assert desk.ask("data", "list", "cats", code=1) == {"versions": []}
    assert desk.ask("data", "show", "digits", "2")["version"] == second.version
    assert desk.ask("data", "tag", "digits", "1", "gold")["tags"] == ["gold"]
    assert desk.ask("data", "describe", "digits", "1", "scans")["description"] == "scans"
    assert [row["number"] for row in desk.ask("data", "find", "--tag", "gold", "--since", "2030")["versions"]] == [1]
    change = desk.ask("data", "diff", "digits", "1", "2")
    assert (change["added"], change["removed"], change["changed"]) == (["1/b.png"], [], [])
    assert (change["old_histogram"], change["new_histogram"]) == ({"0": 1}, {"0": 1, "1": 1})
    found = desk.ask("data", "lineage", "digits/0/a.png")
    assert [use["number"] for use in found["dataset_versions"]] == [2, 1]
    assert desk.ask("data", "lineage", "s3://any/datasets/digits/9/z.png", code=1)["dataset_versions"] == []
    assert "names no object" in desk.ask("data", "lineage", "digits", code=2)["error"]
    assert "gold" in desk.type("data", "list").output


def test_study_shows_the_last_one_whole_or_says_that_there_is_none(desk):
    assert "`tuning:` in its file makes one" in desk.ask("study", "digits", code=2)["error"]
    workshop = open_workshop("digits")
    trials = tuple(Trial(n, TrialState.COMPLETED, {"rate": n / 10}, n / 10, f"job-{n}", 60.0, 0.5) for n in range(1, 6))
    study = Study("digits-tune-1", "digits", "i", "random", "accuracy", maximize=True, by_jobs=True)
    ended = replace(study, trials=trials, state="succeeded", ended_at="2030", usd=2.5)
    keep_study(workshop, ended)
    keep_last(workshop, ended)
    shown = desk.ask("study", "digits")
    assert (shown["best"], shown["usd"], len(shown["trials"])) == (5, 2.5, 5)
    assert set(shown["importance"]) == {"rate"}
    assert "studies/digits/digits-tune-1.html" in shown["page"]
    text = desk.type("study", "digits", "--study", "digits-tune-1").stdout
    assert "best accuracy 0.5 (trial 5: rate 0.5), $2.50" in text
    assert "5 *" in text
