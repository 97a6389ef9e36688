"""The pages' own words: JSON files beside this one, a file per language.

A plain text is its own key and its own English; a key with a colon (``do:inform``) names a word
that a closed set of values stands for, and has an English text too.
"""

import json
from importlib.resources import files


def _load(language: str) -> dict[str, str]:
    text = files("bridge.web.console").joinpath("locale", f"{language}.json").read_text("utf-8")
    words: dict[str, str] = json.loads(text)
    return words


WORDS = {language: _load(language) for language in ("en", "de")}
"""Text by key, by language."""
