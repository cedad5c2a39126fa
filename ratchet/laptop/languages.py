"""Example data of texts: sentences of Airflow's own pages in the seven languages of its translators (Apache-2.0)."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ratchet.errors import NotFoundError

LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pl")
_LEAST_LETTERS = 20
# What a translator leaves as it is: {{count}}, $t(another_text), <a>.
_PLACEHOLDERS = re.compile(r"\{\{.*?\}\}|\$t\(.*?\)|</?\w+/?>")


def write_languages(folder: Path) -> int:
    """Write `folder/languages.csv`, a sentence and its language in each row.

    Sentences of fewer than 20 letters, and those that stand in several languages, are left out.

    Returns
    -------
    How many rows were written.

    Raises
    ------
    NotFoundError
        When the installed Airflow has no translations.
    """
    found = {language: set(_sentences(language)) for language in LANGUAGES}
    rows = [
        (sentence, language)
        for language, sentences in found.items()
        for sentence in sorted(sentences)
        if not any(sentence in others for other, others in found.items() if other != language)
    ]
    with (folder / "languages.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("text", "language"))
        writer.writerows(rows)
    return len(rows)


def _sentences(language: str) -> Iterator[str]:
    place = importlib.util.find_spec("airflow")
    folder = Path((place.submodule_search_locations or ["."])[0] if place else ".") / "ui/dist/i18n/locales" / language
    if not folder.is_dir():
        raise NotFoundError(
            f"{folder} does not exist: Airflow's translations come with apache-airflow-core 3.1 or later"
        )
    for file in sorted(folder.glob("*.json")):
        for text in _texts(json.loads(file.read_text("utf-8"))):
            sentence = " ".join(_PLACEHOLDERS.sub(" ", text).split())
            if len(sentence) >= _LEAST_LETTERS:
                yield sentence


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
