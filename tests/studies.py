"""A study of three arms for tests of reports, and a reader of pages."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from ragc.report import Answer, Arm, Difference, Prompt, Question, Source, Step, Study, Tried


class Page(HTMLParser):
    """Tags, attributes and text of a page, and whether every element is closed."""

    VOID = frozenset({"meta", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.labels: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.labels += [value or "" for name, value in attrs if name == "aria-label"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.text += data

    def section(self, heading: str, until: str) -> str:
        """The text from one heading to another."""
        return self.text[self.text.index(heading) : self.text.index(until)]


def _figures(score: float, usd: float | None, **more: Any) -> dict[str, Any]:
    slices = {"direct": {"score": score, "n": 2, "errors": 0}, "table": {"score": 0.0, "n": 1, "errors": 1}}
    return {"score": score, "n": 3, "errors": 1, "usd_per_question": usd, "slices": slices, **more}


def asked(id: str, scores: dict[str, float | None], modes: dict[str, str] | None = None, **more: Any) -> Question:
    """A question that every arm of `scores` answered."""
    modes = modes or {}
    given = {
        name: Answer(
            text=None if score is None else f"{name} says {id}",
            score=score,
            mode=modes.get(name),
            recall=more.get("recall", 1.0),
            passages=("p1",),
            citations=("p1",) if score == 1 else (),
            error="scripted: reset" if score is None else None,
        )
        for name, score in scores.items()
    }
    more.pop("recall", None)
    return Question(**{"id": id, "question": f"What of {id}?", "answers": ("five",), "given": given, **more})


def make_study(**parts: Any) -> Study:
    """Return a study of three arms; keywords replace parts of it."""
    better = Difference(
        verdict="better", sentence="Better: +11.7 points.", difference=0.117, ci_low=0.069, ci_high=0.163, p_value=4e-4
    )  # fmt: skip
    open_ = Difference(verdict="not shown", difference=-0.02, ci_low=-0.09, ci_high=0.05, p_value=0.5)
    given: dict[str, Any] = {
        "task": "plain",
        "name": "first",
        "metric": "answer_f1",
        "word": "better",
        "sentence": "Better: +11.7 points on 150 questions.",
        "baseline": "rag",
        "subject": "compiled",
        "notes": ("It is the compiled program.",),
        "facts": (("Cost", "$0.01"),),
        "first": (Step(who="Whoever deploys it", what="use `compiled`"),),
        "arms": (
            Arm(name="rag", figures=_figures(0.179, 0.002)),
            Arm(name="compiled", figures=_figures(0.296, 0.004, ci_low=0.25, ci_high=0.34), difference=better),
            Arm(name="closed book", figures=_figures(0.16, 0.003), difference=open_),
        ),
        "detectable_gain": 0.09,
        "questions": (
            asked("won", {"rag": 0.0, "compiled": 1.0, "closed book": 0.0}, {"rag": "misread"}, slice="direct"),
            asked("lost", {"rag": 1.0, "compiled": 0.0, "closed book": 0.0}, {"compiled": "unsupported"}),
            asked("failed", {"rag": 0.0, "compiled": None}, {"rag": "misread", "compiled": "error"}),
        ),
        "sources": (Source(id="p1", place="fees.md: Fees > Deposits, page 3", text="A deposit of five pounds."),),
        "search": (
            Tried(label="baseline", score=0.18, n=3, settings={"k": 3, "alpha": 0.5}),
            Tried(label="bootstrap <1>", score=0.27, n=3, settings={"k": 1, "alpha": 0.5}),
            Tried(
                label="bootstrap 2",
                score=0.5,
                eligible=False,
                why_not="over the limits",
                settings={"k": 3, "alpha": 0.5},
            ),
        ),
        "prompts": (Prompt(name="answer", instructions="Answer shortly.", demonstrations=({"question": "?"},)),),
        "configuration": (("program", "programs.plain:Plain"),),
        "commands": ("ragc compare plain --experiment first",),
    }
    return Study(**{**given, **parts})
