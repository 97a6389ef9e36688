"""What people read: a case in the words of engineering or of sales, in their language and zone.

The words stand in templates, one file per language and side, each a set of Jinja2 macros over a
`Telling`. The environment is handed in; all templates are loaded at once, so that a missing or
broken one shows when the service starts and not when a case opens.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment

from bridge.cases.letters import Letter
from bridge.cases.state import DeskState, projection
from bridge.cases.telling import Telling, telling_of
from bridge.model.case import Case
from bridge.model.values import Side

LANGUAGES = ("en", "de")
"""Languages there are words for; every other reader reads English."""

BLOCKS: dict[Side, tuple[str, ...]] = {
    "engineering": ("what", "when", "why", "trust", "todo", "told", "step"),
    "sales": ("whom", "means", "deed", "silence", "colleague", "step"),
}
"""Paragraphs of each side's text, in the order the reader needs them."""


@dataclass(frozen=True, slots=True)
class Message:
    """A letter as it is sent."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Lead:
    """What the first line of a letter says beside the case itself."""

    kind: str
    percent: int
    urgent: bool
    reason: str
    owner: str


@dataclass(frozen=True, slots=True)
class Wording:
    """Words cases and letters.

    Parameters
    ----------
    environment : Environment
        With a loader of this package's ``templates`` folder, `trim_blocks` and `lstrip_blocks`;
        HTML is escaped by the templates themselves.
    case_url : callable
        Address of a case's page, or an empty text where there is none.
    """

    environment: Environment
    case_url: Callable[[Case], str] = field(default=lambda _case: "")
    _words: dict[tuple[str, str], Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Load every template.

        Raises
        ------
        jinja2.TemplateError
            One is missing or cannot be read.
        """
        for language in LANGUAGES:
            for name in ("engineering", "sales", "push", "trouble"):
                template = self.environment.get_template(f"{language}/{name}.j2")
                self._words[language, name] = template.module
        for name in ("mail.txt.j2", "mail.html.j2"):
            self.environment.get_template(name)

    def sentence(self, case: Case, *, side: Side, language: str, zone: str) -> str:
        """Return the case in one sentence."""
        words, telling = self._prepare(case, side, language, zone)
        return str(words.sentence(telling))

    def task_text(self, case: Case, *, side: Side, language: str, zone: str) -> str:
        """Return what the owner of a side's task needs to read, a paragraph per line."""
        return "\n".join(text for _, text in self.blocks(case, side, language, zone))

    def next_step(self, case: Case, *, side: Side, language: str, zone: str) -> str:
        """Return the next step of a side with its date, in that side's words."""
        words, telling = self._prepare(case, side, language, zone)
        return _tidy(words.step(telling))

    def blocks(self, case: Case, side: Side, language: str, zone: str) -> list[tuple[str, str]]:
        """Return the paragraphs of a side's text with their headings."""
        words, telling = self._prepare(case, side, language, zone)
        found = [
            (words.headings[name], _tidy(getattr(words, name)(telling)))
            for name in BLOCKS[side]
        ]
        return [(heading, text) for heading, text in found if text]

    def push(self, case: Case, *, language: str, zone: str) -> str:
        """Return one line without private data: number, place, date, state."""
        telling = telling_of(case, "engineering", language, zone)
        return str(self._words[_spoken(language), "push"].push(telling))

    def render(self, letter: Letter, state: DeskState) -> Message:
        """Return a letter to a person as it is sent.

        Raises
        ------
        KeyError
            The receiver is nobody the catalog knows, or the case is gone.
        """
        if letter.trouble is not None:
            return self._render_trouble(letter, state)
        assert letter.case is not None
        assert letter.side is not None
        person = state.catalog.person_by_id[letter.to]
        case = projection(state, letter.case)
        language, zone = person.language, person.timezone
        words, telling = self._prepare(case, letter.side, language, zone)
        task = case.task(letter.side)
        owner = state.catalog.person_by_id.get(task.owner) if task else None
        lead = Lead(
            letter.kind,
            letter.percent,
            letter.urgent,
            letter.reason,
            owner.name if owner else "",
        )
        subject = str(words.subject(telling, letter.kind))
        parts = {
            "language": _spoken(language),
            "subject": subject,
            "severity": case.severity,
            "open": words.open,
            "lead": _tidy(words.lead(telling, lead)),
            "sentence": str(words.sentence(telling)),
            "blocks": self.blocks(case, letter.side, language, zone),
            "url": self.case_url(case),
        }
        text, html = (
            self.environment.get_template(name).render(parts)
            for name in ("mail.txt.j2", "mail.html.j2")
        )
        return Message(subject, text, html)

    def _render_trouble(self, letter: Letter, state: DeskState) -> Message:
        person = state.catalog.person_by_id[letter.to]
        words = self._words[_spoken(person.language), "trouble"]
        subject = _tidy(words.subject(letter))
        parts = {
            "language": _spoken(person.language),
            "subject": subject,
            "severity": "low" if letter.over else "high",
            "open": "",
            "lead": subject,
            "sentence": _tidy(words.sentence(letter)),
            "blocks": [] if letter.over else [(words.heading, _tidy(words.todo(letter)))],
            "url": "",
        }
        text, html = (
            self.environment.get_template(name).render(parts)
            for name in ("mail.txt.j2", "mail.html.j2")
        )
        return Message(subject, text, html)

    def _prepare(self, case: Case, side: Side, language: str, zone: str) -> tuple[Any, Telling]:
        spoken = _spoken(language)
        return self._words[spoken, side], telling_of(case, side, spoken, zone)


def _spoken(language: str) -> str:
    return language if language in LANGUAGES else "en"


def _tidy(text: str) -> str:
    """Return a text on one line, without the blanks and commas that absent parts leave."""
    return " ".join(text.split()).replace(",.", ".").replace(" .", ".")
