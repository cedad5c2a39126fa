"""A study as a page: one HTML file that needs nothing else, drawn from its trials."""

from __future__ import annotations

import html

from ratchet.tuning.axis import Axis, find_axis
from ratchet.tuning.importance import rate_parameters
from ratchet.tuning.study import Study, Trial, TrialState, tell_value

_WIDTH, _HEIGHT, _LEFT, _TOP = 720, 300, 64, 26
_WORST, _BEST = (201, 207, 219), (11, 87, 208)
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title><style>
body{{font:15px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#1d2129;background:#fff}}
svg{{width:100%;height:auto}}text{{font:12px system-ui,sans-serif;fill:#555}}
text{{paint-order:stroke;stroke:#fff;stroke-width:3px}}text.name{{font-weight:600;fill:#1d2129}}
.axis{{stroke:#9aa0a6}}.grid{{stroke:#e3e3e3}}.line{{fill:none;stroke-width:1.5;opacity:.75}}
.line.best{{stroke:#b3261e;stroke-width:3;opacity:1}}.line:hover{{stroke-width:4;opacity:1}}
.so-far{{fill:none;stroke:#b3261e;stroke-width:2}}.bar{{fill:#0b57d0}}.scroll{{overflow-x:auto}}
table{{border-collapse:collapse;font-variant-numeric:tabular-nums}}
td,th{{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}}
td.text{{text-align:left;white-space:normal;min-width:16rem}}tr.best{{background:#fdecea}}
</style></head><body><h1>{title}</h1><p>{subtitle}</p>{plots}<h2>Trials</h2><div class="scroll">{table}</div>
</body></html>"""


def draw_study(study: Study) -> str:
    """Draw the page of a study: parallel coordinates, history, importance, and every trial in a table."""
    counted = [trial for trial in study.trials if trial.counts]
    plots = _parallel(study, counted) + _history(study, counted) + _importance(counted) if counted else ""
    began = f" Began with {', '.join(study.parents)}." if study.parents else ""
    search = f"{study.strategy} search for the {'greatest' if study.maximize else 'least'} {study.metric}"
    return _PAGE.format(
        title=html.escape(f"Study {study.name}"),
        subtitle=html.escape(f"{search}, {study.state}: {study.tell()}.{began}"),
        plots=plots,
        table=_table(study),
    )


def _parallel(study: Study, trials: list[Trial]) -> str:
    axes = [find_axis(name, [trial.parameters[name] for trial in trials]) for name in trials[0].parameters]
    goal = find_axis(study.metric, [trial.objective or 0.0 for trial in trials])
    step = (_WIDTH - 2 * _LEFT) / len(axes)
    drawn, best = "", study.best
    # The best one last: it lies above all others.
    for trial in sorted(trials, key=lambda trial: trial is best):
        shares = [axis.place(trial.parameters[axis.name]) for axis in axes] + [goal.place(trial.objective or 0.0)]
        points = " ".join(f"{_LEFT + step * place:.1f},{_up(share):.1f}" for place, share in enumerate(shares))
        good = shares[-1] if study.maximize else 1 - shares[-1]
        style = 'class="line best"' if trial is best else f'class="line" stroke="{_colour(good)}"'
        drawn += (
            f'<polyline {style} points="{points}"><title>{html.escape(_tell(trial, study.metric))}</title></polyline>'
        )
    # The axes above the lines: their figures stay readable.
    drawn += "".join(_upright(axis, _LEFT + step * place) for place, axis in enumerate(axes))
    drawn += _upright(goal, _WIDTH - _LEFT, anchor="end")
    return f"<h2>Parallel coordinates</h2>{_picture(drawn, 'each trial as a line through its values')}"


def _history(study: Study, trials: list[Trial]) -> str:
    across = find_axis("trial", [1, max(2, len(study.trials))])
    goal = find_axis(study.metric, [trial.objective or 0.0 for trial in trials])
    drawn = "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _LEFT}" y1="{_up(share):.1f}" y2="{_up(share):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{_up(share) + 4:.1f}" text-anchor="end">{text}</text>'
        for share, text in goal.ticks()
    )
    for trial in trials:
        x, y = _right(across.place(trial.number)), _up(goal.place(trial.objective or 0.0))
        good = goal.place(trial.objective or 0.0) if study.maximize else 1 - goal.place(trial.objective or 0.0)
        words = html.escape(_tell(trial, study.metric))
        drawn += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_colour(good)}"><title>{words}</title></circle>'
    path, level = "", 0.0
    for number, best in study.course():
        x, y = _right(across.place(number)), _up(goal.place(best))
        path += f"L{x:.1f} {level:.1f}L{x:.1f} {y:.1f}" if path else f"M{x:.1f} {y:.1f}"
        level = y
    drawn += f'<path class="so-far" d="{path}L{_right(1):.1f} {level:.1f}"/>'
    for number in (1, len(study.trials)):
        x = _right(across.place(number))
        drawn += f'<text x="{x:.1f}" y="{_HEIGHT - 4}" text-anchor="middle">trial {number}</text>'
    return f"<h2>History</h2>{_picture(drawn, study.metric + ' of each trial, and the best so far')}"


def _importance(trials: list[Trial]) -> str:
    rated = rate_parameters(trials)
    if not rated:
        return ""
    rows = ""
    for place, (name, share) in enumerate(rated.items()):
        y = 8 + 26 * place
        rows += (
            f'<text class="name" x="180" y="{y + 14}" text-anchor="end">{html.escape(name)}</text>'
            f'<rect class="bar" x="190" y="{y}" width="{max(1.0, 440 * share):.1f}" height="18"/>'
            f'<text x="{198 + max(1.0, 440 * share):.1f}" y="{y + 14}">{share:.0%}</text>'
        )
    picture = f'<svg viewBox="0 0 {_WIDTH} {16 + 26 * len(rated)}" role="img" aria-label="importance">{rows}</svg>'
    return f"<h2>Importance</h2><p>Share of the objective's variance that each explains by itself.</p>{picture}"


def _table(study: Study) -> str:
    names = list(dict.fromkeys(name for trial in study.trials for name in trial.parameters))
    heads = ["trial", "state", study.metric, *names, "seconds", "USD", "job or reason"]
    rows = "".join(f"<th>{html.escape(head)}</th>" for head in heads)
    best = study.best
    for trial in study.trials:
        cells = [
            str(trial.number),
            trial.state.value,
            "" if trial.objective is None else f"{trial.objective:.6g}",
            *(tell_value(trial.parameters.get(name, "")) for name in names),
            "" if trial.seconds is None else f"{trial.seconds:.0f}",
            "" if trial.cost_usd is None else f"{trial.cost_usd:.4f}",
        ]
        drawn = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        last = html.escape(trial.message if trial.state is TrialState.FAILED and trial.message else trial.job)
        rows += f'</tr><tr{" class=best" if trial is best else ""}>{drawn}<td class="text">{last}</td>'
    return f"<table><tr>{rows}</tr></table>"


def _upright(axis: Axis, x: float, anchor: str = "middle") -> str:
    name_at = x + _LEFT if anchor == "end" else x
    labels = "".join(
        f'<text x="{x + 5:.1f}" y="{_up(share) + 4:.1f}">{html.escape(text)}</text>' for share, text in axis.ticks()
    )
    return (
        f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{_up(0):.1f}" y2="{_up(1):.1f}"/>'
        f'<text class="name" x="{name_at:.1f}" y="14" text-anchor="{anchor}">{html.escape(axis.name)}</text>{labels}'
    )


def _picture(drawn: str, words: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(words)}">{drawn}</svg>'


def _tell(trial: Trial, metric: str) -> str:
    values = ", ".join(f"{name} {tell_value(value)}" for name, value in trial.parameters.items())
    return f"trial {trial.number}: {metric} {trial.objective:.6g}; {values}"


def _colour(good: float) -> str:
    return "rgb({})".format(",".join(f"{round(w + (b - w) * good)}" for w, b in zip(_WORST, _BEST, strict=True)))


def _up(share: float) -> float:
    return _HEIGHT - 24 - share * (_HEIGHT - 24 - _TOP)


def _right(share: float) -> float:
    return _LEFT + share * (_WIDTH - 2 * _LEFT)
