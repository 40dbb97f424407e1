"""One self-contained page: nothing is loaded from elsewhere, and the one script that it runs is named by its hash."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from ragc.report import _charts as charts
from ragc.report import _questions, _tables
from ragc.report._first import first_steps
from ragc.report._html import Markup, element, fact, join
from ragc.report._study import Prompt, Step, Study, redacted

_HERE = Path(__file__).parent
_WORDS = {"better": "Better", "worse": "Worse", "not shown": "Not shown", "not tested": "Not tested"}


def render(study: Study) -> str:
    """Return the page, for a manager in its first screen and for a sceptic in the rest.

    Every text that comes from data or a model is escaped, and cleaned of secrets.
    """
    study = redacted(study)
    script = (_HERE / "report.js").read_text("utf-8")
    body = element(
        "main",
        _verdict(study),
        _tables.differences(study),
        _tables.figures(study),
        _tables.quality_and_cost(study),
        _tables.retrieval_and_answer(study),
        _tables.modes(study),
        _tables.slices(study),
        _tables.search(study),
        _questions.questions(study),
        _questions.passages(study.sources),
        _prompts(study.prompts),
        _configuration(study),
        id="top",
    )
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"
    head = join(
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("title", f"{study.task} {study.name}: {study.word}"),
        element("style", Markup((_HERE / "report.css").read_text("utf-8"))),
    )
    skip = element("a", "To the questions", href="#questions", class_="skip") if study.questions else Markup()
    page = join(skip, body, element("script", Markup(script)))
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{page}</body></html>\n'


def _verdict(study: Study) -> Markup:
    subject = study.arm(study.subject)
    steps = first_steps(study)
    return element(
        "header",
        element("p", element("span", study.task), " ", element("code", study.name), class_="eyebrow"),
        element("h1", _WORDS.get(study.word, study.word), class_=study.word.replace(" ", "-")),
        element("p", _with_code(_after_colon(study.sentence, study.word)), class_="sentence"),
        charts.interval(subject.difference) if subject is not None and subject.difference is not None else None,
        element("p", " ".join(study.notes), class_="quiet") if study.notes else None,
        element("dl", [fact(name, text) for name, text in study.facts], class_="facts") if study.facts else None,
        element("h2", "What to do first") if steps else None,
        element("ol", [element("li", _step(step)) for step in steps], class_="steps") if steps else None,
    )


def _step(step: Step) -> Markup:
    return join(element("strong", f"{step.who}: "), _with_code(step.what), ".")


def _with_code(text: str) -> Markup:
    """Return a text in which what stands in backticks is code."""
    return join([element("code", part) if n % 2 else part for n, part in enumerate(text.split("`"))])


def _after_colon(sentence: str, word: str) -> str:
    """The heading says the word already."""
    said, colon, rest = sentence.partition(": ")
    return rest[:1].upper() + rest[1:] if colon and said.casefold() == word else sentence


def _prompts(prompts: tuple[Prompt, ...]) -> Markup | None:
    parts = [
        element(
            "details",
            element("summary", f"{prompt.name}: instructions and {prompt.counted}"),
            element("pre", prompt.instructions),
            [
                element("dl", [fact(name, str(value)) for name, value in one.items()], class_="demonstration")
                for one in prompt.demonstrations
            ],
        )
        for prompt in prompts
    ]
    return element("section", element("h2", "What the model is told"), parts) if parts else None


def _configuration(study: Study) -> Markup | None:
    if not (study.configuration or study.commands):
        return None
    return element(
        "section",
        element("h2", "Configuration"),
        element("dl", [fact(name, text) for name, text in study.configuration], class_="configuration"),
        element("pre", "\n".join(study.commands)) if study.commands else None,
    )
