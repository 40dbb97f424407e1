"""A small project with a program of its own, and the content of a compile run of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ragc.artifact import Candidate, Content, Sealed, collect_sources, seal
from ragc.report import Answer, Question

PROGRAM = '''\
"""A program that answers from what it knows, with a part in another file and one beside it."""

import dspy

import programs.words
from programs.parts import POLITE

from . import tone


class Answer(dspy.Signature):
    """Answer the question."""

    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class Plain(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict(Answer)

    def forward(self, question: str) -> dspy.Prediction:
        return finished(self.answer(question=question).answer)

    async def aforward(self, question: str) -> dspy.Prediction:
        return finished((await self.answer.acall(question=question)).answer)


def finished(answer: str) -> dspy.Prediction:
    words = programs.words.count(answer)
    return dspy.Prediction(answer=answer + POLITE + tone.MARK, provenance={"words": words})
'''

FILES = {
    "pyproject.toml": (
        '[project]\nname = "small"\n\n[tool.ragc]\nlm = "openai/other"\ntracking = "off"\n\n'
        '[tool.ragc.tasks.plain]\nprogram = "plain"\ncorpus = "corpus"\nexamples = "examples.jsonl"\n'
    ),
    "programs/plain.py": PROGRAM,
    "programs/words.py": "def count(text: str) -> int:\n    return len(text.split())\n",
    "programs/parts/__init__.py": "from programs.parts.phrases import POLITE\n",
    "programs/parts/phrases.py": 'POLITE = ", sir"\n',
    "programs/tone.py": 'MARK = "!"\n',
    "programs/unused.py": "raise RuntimeError\n",
}

STATE: dict[str, Any] = {
    "answer": {
        "traces": [],
        "train": [],
        "demos": [{"question": "What is <b>1 + 1</b>?", "answer": "2 `or` more", "augmented": True}],
        "signature": {
            "instructions": "Answer shortly.",
            "fields": [
                {"prefix": "Question:", "description": "${question}"},
                {"prefix": "Answer:", "description": "${answer}"},
            ],
        },
        "lm": None,
    }
}


def _side(score: float) -> dict[str, Any]:
    return {
        "score": score,
        "n": 3,
        "errors": 1,
        "usd_per_question": None,
        "latency_p95": 0.128,
        "recall": None,
        "slices": {"direct": {"score": score, "n": 2, "errors": 0}, "table": {"score": 0.0, "n": 1, "errors": 1}},
    }


@pytest.fixture(autouse=True)
def fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for the disk: what is fsynced when has a test of its own."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a project."""
    folder = tmp_path / "small"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


MakeContent = Callable[..., Content]


@pytest.fixture
def content(root: Path) -> MakeContent:
    """The content of a compile run; keywords replace parts of it."""

    def make(**parts: Any) -> Content:
        scores = {"q1": 0.25, "q2": 1.0, "q3": 0.0, "q4": None}
        given: dict[str, Any] = {
            "task": "plain",
            "program": "programs.plain:Plain",
            "state": STATE,
            "sources": collect_sources(root, "programs.plain"),
            "model": {"model": "openai/scripted", "provider": "openai-chat", "revision": None},
            "lm": {
                "model": "openai/scripted",
                "base_url": "http://127.0.0.1:9/v1",
                "api_key_env": "SCRIPTED_KEY",
                "max_tokens": None,
                "temperature": 0.0,
                "threads": 4,
                "timeout": 5.0,
                "price": {"input": 0.15, "output": 0.6, "cached_input": None},
                "adapter": "auto",
                "context": None,
            },
            "adapter": "RepairingChatAdapter",
            "embedder": {"name": "local/wordllama-256", "fingerprint": "e" * 64, "dimensions": 256},
            "embedder_settings": {
                "model": "local/wordllama-256",
                "base_url": None,
                "api_key_env": None,
                "dimensions": None,
            },
            "chunking": {"size": 500, "overlap": 0, "by": "characters"},
            "fingerprints": {"examples": "a" * 64, "splits": "b" * 64, "corpus": "c" * 64},
            "optimizer": {"name": "bootstrap", "settings": {"demos": 4}, "seed": 7},
            "metric": "answer_f1",
            "scores": {
                "validation": {"baseline": scores, "compiled": scores},
                "test": {"baseline": scores, "compiled": scores},
            },
            "verdict": {
                "word": "better",
                "sentence": "Better: +11.7 points on 150 questions (40 won, 12 lost); 95% interval +6.9 to +16.3.",
                "difference": 0.117,
                "ci_low": 0.069,
                "ci_high": 0.163,
                "p_value": 0.0004,
                "n": 150,
            },
            "sealed": "candidate",
            "cost": {"usd": 0.0123, "calls": 640, "input_tokens": 212_000, "output_tokens": 9_000},
            "built": {"seconds": 211.4, "paid": {"usd": 0.0123, "calls": 640}, "stopped": None, "corpus": "corpus"},
            "results": {
                "validation": {"baseline": _side(0.184), "compiled": _side(0.31)},
                "test": {"baseline": _side(0.179), "compiled": _side(0.296)},
                "detectable_gain": 0.09,
            },
            "candidates": (
                Candidate(label="bootstrap 1", score=0.27, n=3, scores=scores),
                Candidate(label="bootstrap <2>", score=0.31, n=3, errors=1, scores=scores, latency_p95=0.128),
                Candidate(label="bootstrap 3", score=0.5, n=3, eligible=False, why_not="latency_p95 2.1 s > 1 s"),
            ),
            "questions": (
                Question(
                    id="q1",
                    question="What is <script>alert(1)</script>?",
                    answers=("nothing",),
                    slice="direct",
                    given={
                        "baseline": Answer(text="I do not know.", score=0.0, mode="refused wrongly"),
                        "compiled": Answer(text="nothing", score=1.0),
                    },
                ),
                Question(
                    id="q2",
                    question="Who?",
                    answers=(),
                    given={
                        "baseline": Answer(text="Me", score=0.0, mode="answered the unanswerable"),
                        "compiled": Answer(text=None, score=None, error="reset", mode="error"),
                    },
                ),
            ),
        }
        return Content(**{**given, **parts})

    return make


@pytest.fixture
def sealed(root: Path, content: MakeContent) -> Sealed:
    """An artifact in the project."""
    return seal(content(), root / "compiled" / "plain")
