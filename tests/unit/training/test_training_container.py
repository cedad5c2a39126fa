"""The job's surroundings, and the one sentence that a failure leaves."""

from __future__ import annotations

import pytest

from training.container import Arguments, Container, DataProblem, Interrupted, at_least, processors, run, set_threads


@pytest.fixture
def failure(tmp_path, monkeypatch):
    monkeypatch.setenv("SM_OUTPUT_DIR", str(tmp_path / "output"))
    return tmp_path / "output" / "failure"


def raising(error: BaseException):
    def main() -> None:
        raise error

    return main


def test_names_the_channel_that_is_missing():
    with pytest.raises(DataProblem, match="no input channel 'prepared'"):
        Container({}).channel("prepared")


def test_paths_are_below_the_base_folder_unless_the_toolkit_names_them():
    assert str(Container({}).model_folder) == "/opt/ml/model"
    assert str(Container({}).failure_file) == "/opt/ml/output/failure"
    moved = Container({"SAGEMAKER_BASE_DIR": "/job", "SM_MODEL_DIR": "/elsewhere"})
    assert str(moved.checkpoint_folder) == "/job/checkpoints"
    assert str(moved.model_folder) == "/elsewhere"


def test_a_problem_ends_with_its_sentence_and_no_trace(failure, capsys):
    with pytest.raises(SystemExit) as ended:
        run(raising(DataProblem("the data is empty: upload images")))
    assert ended.value.code == 1
    assert failure.read_text() == "the data is empty: upload images"
    assert capsys.readouterr().err == "DataProblem: the data is empty: upload images\n"


def test_a_stop_ends_as_sigterm_would(failure):
    with pytest.raises(SystemExit) as ended:
        run(raising(Interrupted("stopped: start again")))
    assert ended.value.code == 143
    assert failure.read_text() == "stopped: start again"


def test_what_nobody_expected_keeps_its_trace_and_leaves_its_first_line(failure):
    with pytest.raises(RuntimeError):
        run(raising(RuntimeError("out of memory\nmany\nlines")))
    assert failure.read_text() == "RuntimeError: out of memory (the job's log has the trace)"


def test_a_success_leaves_no_reason(failure):
    run(lambda: None)
    assert not failure.exists()


@pytest.mark.parametrize("given", ["0", "-3", "many", "nan", "inf"])
def test_refuses_a_number_out_of_bounds_with_a_sentence(given):
    parser = Arguments("test")
    parser.add_argument("--rate", type=at_least(0.1, float))
    with pytest.raises(DataProblem, match="a hyperparameter is wrong: argument --rate"):
        parser.parse_args([f"--rate={given}"])


def test_refuses_a_hyperparameter_that_nobody_knows():
    with pytest.raises(DataProblem, match="unrecognized arguments: --epoch"):
        Arguments("test").parse_args(["--epoch", "3"])


def test_threads_are_those_asked_for_then_those_set_then_all(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert set_threads() == 3
    assert set_threads(5) == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    assert set_threads() == processors()
