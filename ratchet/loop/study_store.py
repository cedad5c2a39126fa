"""Where studies are kept: JSON for programs, a page for people, and which one ended last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ratchet.aws.bucket import Bucket
from ratchet.contract import canonical_json
from ratchet.errors import NotFoundError
from ratchet.loop.workshop import Workshop
from ratchet.naming import last_study_key, study_key
from ratchet.tuning.page import draw_study
from ratchet.tuning.study import Study

_HTML = "text/html; charset=utf-8"


def find_study(workshop: Workshop, name: str) -> Study | None:
    """What is known of a study; None when there is none of that name."""
    raw = jobs_bucket(workshop).find(study_key(workshop.pipeline.name, name, "json"))
    return None if raw is None else Study.from_json(json.loads(raw))


def read_study(workshop: Workshop, name: str = "") -> Study:
    """What is known of a study, the pipeline's last one by default; `NotFoundError` when there is none."""
    chosen = name or str(find_last(workshop).get("study", ""))
    found = find_study(workshop, chosen) if chosen else None
    if found is None:
        which = f"study {name!r}" if name else "study that has ended"
        raise NotFoundError(f"pipeline {workshop.pipeline.name} has no {which}; `tuning:` in its file makes one")
    return found


def keep_study(workshop: Workshop, study: Study) -> None:
    """Write what is known of a study, for programs and for people."""
    draw_page(workshop, study)
    key = study_key(workshop.pipeline.name, study.name, "json")
    jobs_bucket(workshop).put(key, canonical_json(study.to_json()), content_type="application/json")


def draw_page(workshop: Workshop, study: Study) -> None:
    """Write the page for people."""
    key = study_key(workshop.pipeline.name, study.name, "html")
    jobs_bucket(workshop).put(key, draw_study(study).encode(), content_type=_HTML)


def keep_last(workshop: Workshop, study: Study) -> None:
    """Note that a study has ended: the next one may begin with it."""
    about = {"study": study.name, "identity": study.identity, "parents": list(study.parents)}
    key = last_study_key(workshop.pipeline.name)
    jobs_bucket(workshop).put(key, canonical_json(about), content_type="application/json")


def find_last(workshop: Workshop) -> Mapping[str, Any]:
    """Which study of the pipeline ended last, with its identity and its parents; empty before the first one."""
    raw = jobs_bucket(workshop).find(last_study_key(workshop.pipeline.name))
    found: Mapping[str, Any] = json.loads(raw) if raw else {}
    return found


def jobs_bucket(workshop: Workshop) -> Bucket:
    """The bucket that studies are kept in."""
    return Bucket(workshop.aws, workshop.deployment.jobs_bucket)
