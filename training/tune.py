"""Search for better hyperparameters on one machine: a process per GPU, resumed after a kill, the best one's model."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ratchet.contract import digest_of, trial_line
from training.container import Arguments, Container, DataProblem, Interrupted, Stop, run
from training.journal import COMPLETED, FAILED, RUNNING, STOPPED, Entry, Journal
from training.search import Search, optuna_version
from training.trial import (
    Line,
    Slot,
    TrialProcess,
    checkpoint_folder,
    find_slots,
    make_reader,
    show,
    trial_command,
)

_LOOK_SECONDS = 0.5
_NOTE_SECONDS = 60.0
_HOPELESS_FAILURES = 5
_TABLE = "study.json"


class Tuner:
    """A study under way.

    With room for p trials, the n-th is proposed when the first n - p have ended and from what those found alone: which
    values are tried does not hang on which trial is faster. Trials that a record knows already are not run again.

    Parameters
    ----------
    order
        What is searched and how, as the loop writes it.
    search
        Proposes.
    journal
        Remembers.
    slots
        Where trials run.
    program, fixed
        What every trial runs, and the options that all of them have.
    """

    def __init__(
        self,
        order: Mapping[str, Any],
        search: Search,
        journal: Journal,
        *,
        slots: Sequence[Slot],
        program: Path,
        fixed: List[str],
    ) -> None:
        self.order = order
        self.search = search
        self.journal = journal
        self._slots = list(slots)
        self._free = list(slots)
        self._program = program
        self._fixed = fixed
        self._told: "Queue[Line]" = Queue()
        self._running: Dict[int, TrialProcess] = {}
        self._read = make_reader(order["metric"])
        self._count = 0  # proposed in this process
        self._exhausted = False
        self._lines: Dict[int, str] = {}  # the last metric line of each trial
        self._before = journal.seconds
        self._started = self._noted = time.monotonic()

    def run(self, stop: Stop) -> None:
        """Try until there is a reason to end.

        Raises
        ------
        Interrupted
            After SIGTERM, when everything is saved.
        """
        try:
            while not self._is_over():
                if stop.asked:
                    self._interrupt()
                while self._may_start():
                    self._start_next()
                self._hear()
        finally:
            for trial in self._running.values():
                trial.end()

    @property
    def used_seconds(self) -> float:
        """How long the study has taken, in earlier tries of the same job too."""
        return self._before + time.monotonic() - self._started

    def _is_over(self) -> bool:
        if self._is_late():
            for trial in self._running.values():
                trial.stop()
        return not self._running and not self._more()

    def _is_late(self) -> bool:
        return self.order["seconds"] is not None and self.used_seconds > self.order["seconds"]

    def _more(self) -> bool:
        limit = self.order["jobs"]
        enough = limit is not None and self._count >= limit
        return not (self._exhausted or enough or self._is_late() or self._is_hopeless())

    def _is_hopeless(self) -> bool:
        ended = [entry for entry in self.journal.entries if entry.state != RUNNING]
        return len(ended) >= _HOPELESS_FAILURES and all(entry.state == FAILED for entry in ended)

    def _may_start(self) -> bool:
        if not self._free or not self._more():
            return False
        return not self.search.adaptive or all(entry.state != RUNNING for entry in self._known())

    def _known(self) -> List[Entry]:
        """The trials whose ends the next proposal waits for."""
        return self.journal.entries[: max(0, self._count + 1 - len(self._slots))]

    def _start_next(self) -> None:
        for entry in self._known() if self.search.adaptive else ():
            self.search.observe(entry.number - 1, entry.objective)
        values = self.search.propose()
        if values is None:
            self._exhausted = True
            return
        self._count += 1
        if self._count > len(self.journal.entries):
            self.journal.entries.append(Entry(self._count, values))
            self._note()
        entry = self.journal.entries[self._count - 1]
        if entry.state == RUNNING:
            self._launch(entry)
            return
        for step, value in enumerate(entry.series, 1):
            self.search.gives_up(entry.number - 1, step, value)
        self._learn(entry)

    def _launch(self, entry: Entry) -> None:
        entry.series = []  # one that is run again tells everything again
        command = trial_command(self._program, self._fixed, entry.parameters)
        folder = self.journal.place(entry.number)
        slot = self._free.pop(0)
        self._running[entry.number] = TrialProcess(entry.number, folder, slot, command=command, told=self._told)
        print(trial_line(entry.tell()), flush=True)

    def _hear(self) -> None:
        for trial in self._running.values():
            trial.insist()
        if time.monotonic() - self._noted > _NOTE_SECONDS:
            self._note()
        try:
            number, line = self._told.get(timeout=_LOOK_SECONDS if self._running else 0)
        except Empty:
            return
        if line is None:
            self._end(number)
            return
        print(show(number, line), flush=True)
        value = self._read(line)
        if value is not None:
            self._lines[number] = line
            self._report(number, value)

    def _report(self, number: int, value: float) -> None:
        entry = self.journal.entries[number - 1]
        entry.series.append(value)
        if math.isfinite(value) and self.search.gives_up(number - 1, len(entry.series), value):
            self._running[number].stop()

    def _end(self, number: int) -> None:
        trial, entry = self._running.pop(number), self.journal.entries[number - 1]
        self._free.append(trial.slot)
        self._free.sort()
        entry.seconds = round(trial.seconds, 3)
        entry.state, entry.message = self._judge(trial, entry)
        counts = entry.state != FAILED and entry.series
        entry.objective = entry.series[-1] if counts else None
        self.journal.seconds = self.used_seconds
        self.journal.settle(entry)
        self._learn(entry)
        print(trial_line(entry.tell()), flush=True)

    def _judge(self, trial: TrialProcess, entry: Entry) -> Tuple[str, str]:
        problem = trial.explain()
        if entry.series and not math.isfinite(entry.series[-1]):
            return FAILED, "its %s is no number" % self.order["metric"]
        if trial.was_stopped and problem:
            return STOPPED, ""
        if problem:
            return FAILED, problem
        return (COMPLETED, "") if entry.series else (FAILED, "it printed no %s" % self.order["metric"])

    def _learn(self, entry: Entry) -> None:
        if not self.search.adaptive:
            self.search.observe(entry.number - 1, entry.objective)

    def _note(self) -> None:
        self._noted = time.monotonic()
        self.journal.seconds = self.used_seconds
        self.journal.write()

    def _interrupt(self) -> None:
        """Let every trial save itself; they stay unended, so that the next try goes on with them."""
        for trial in self._running.values():
            trial.stop()
        while self._running:
            for trial in self._running.values():
                trial.insist()
            try:
                number, line = self._told.get(timeout=_LOOK_SECONDS)
            except Empty:
                continue
            if line is None:
                del self._running[number]
        self._note()
        done = sum(entry.state != RUNNING for entry in self.journal.entries)
        raise Interrupted(
            "SIGTERM stopped the study after %d trials: start the job again with the same checkpoints, and it goes on "
            "from there" % done
        )

    def metric_line_of(self, entry: Entry) -> str:
        """The last metric line of a trial that ran in this process; else its objective alone."""
        found = self._lines.get(entry.number)
        return found or "[ratchet:metric] %s=%.6g;" % (self.order["metric"], entry.objective or 0.0)


def parse(arguments: Optional[Sequence[str]] = None) -> Tuple[Any, List[str]]:
    """Read what this program is told; everything else is every trial's."""
    parser = Arguments(__doc__)
    parser.add_argument("--study", required=True, help="what to search and how, as JSON")
    parser.add_argument("--trial-program", default="training/train.py", help="what every trial runs")
    parser.add_argument("--checkpoint-dir", type=Path, help="other than CheckpointConfig's default LocalPath")
    return parser.parse_known_args(arguments)


def read_order(text: str) -> Dict[str, Any]:
    """What to search and how; `DataProblem` when it is not what the loop writes."""
    try:
        order: Dict[str, Any] = json.loads(text)
        names = ("strategy", "metric", "maximize", "jobs", "seconds", "parallel", "early_stopping", "rounds", "seed")
        missing = [name for name in (*names, "ranges") if name not in order]
    except (ValueError, TypeError) as error:
        raise DataProblem("--study is no JSON: %s" % error) from error
    if missing:
        raise DataProblem("--study lacks %s" % ", ".join(missing))
    return order


def read_earlier(container: Container) -> Iterator[Tuple[Mapping[str, Any], float]]:
    """Values and objectives of the study that this one begins with, if there is one."""
    folder = container.find_channel("study")
    for path in sorted(folder.glob("*.json")) if folder else ():
        for trial in json.loads(path.read_text("utf-8"))["trials"]:
            if trial["state"] in (COMPLETED, STOPPED) and trial.get("objective") is not None:
                yield trial["parameters"], float(trial["objective"])


def leave(tuner: Tuner, best: Entry, container: Container) -> None:
    """Make the best trial's model the job's, and leave the table of all trials."""
    source, target = tuner.journal.place(best.number) / "model", container.model_folder
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        shutil.copyfile(str(path), str(target / path.name))
    output = Path(os.environ.get("SM_OUTPUT_DATA_DIR") or container.failure_file.parent / "data")
    output.mkdir(parents=True, exist_ok=True)
    table = {"best": best.number, "trials": [entry.tell() for entry in tuner.journal.entries]}
    (output / _TABLE).write_text(json.dumps(table, sort_keys=True, indent=1), "utf-8")
    print(tuner.metric_line_of(best), flush=True)


def main() -> None:
    """Tune on this machine."""
    container, (options, fixed) = Container(), parse()
    if len(container.hosts) > 1:
        raise DataProblem("a study runs on one machine, not on %d: lower instance_count" % len(container.hosts))
    order = read_order(options.study)
    program = Path(__file__).resolve().parents[1] / options.trial_program
    search = Search(order)
    earlier = [search.remember(values, objective) for values, objective in read_earlier(container)]
    if earlier:
        print("began with %d of %d trials of the study before" % (sum(earlier), len(earlier)), flush=True)
    slots = find_slots(container.gpus, order["parallel"])
    print("%s search, %d trials at once" % (order["strategy"], len(slots)), flush=True)
    fingerprint = digest_of([order, fixed, options.trial_program, optuna_version(), len(slots)])
    journal = Journal(checkpoint_folder(container, options.checkpoint_dir), fingerprint, maximize=order["maximize"])
    stop = Stop()
    stop.listen()
    tuner = Tuner(order, search, journal, slots=slots, program=program, fixed=fixed)
    tuner.run(stop)
    best = journal.best
    if best is None:
        reasons = list(dict.fromkeys(entry.message for entry in journal.entries if entry.message))
        raise DataProblem("no trial of %d gave a model: %s" % (len(journal.entries), "; ".join(reasons[:3])))
    if not journal.is_whole(best):
        raise DataProblem("the model of trial %d was lost: start the job again, and it is made anew" % best.number)
    leave(tuner, best, container)
    print("exported trial %d of %d, %s %.6g" % (best.number, len(journal.entries), order["metric"], best.objective))


if __name__ == "__main__":
    run(main)
