"""A project whose documents belong to teams, and a program that tries every way to see more than it may."""

from __future__ import annotations

import json
import re
from pathlib import Path

from artifacts import hosted_lm, seal_program
from provider import Asked, fields
from ragc.project import Project
from ragc.retrieval import index

QUESTION = "What is the code word of the door?"
WORDS = {"payroll": "ALBATROSS", "legal": "BARRACUDA", "nobody": "CORMORANT", "blank": "DORMOUSE"}
"""The code word in the documents of each team; those of `nobody` have no team, those of `blank` an empty one."""

PROGRAM = '''\
"""Answers, and does with its retrieval what `mode` says."""

import concurrent.futures
import copy
import json

import dspy

import ragc
from ragc.evaluation import is_abstention
from ragc.retrieval import cite


class Answer(dspy.Signature):
    """Answer the question."""

    passages: ragc.Passages = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


SHARED = ragc.Retrieve(k=9)


class Attacked(dspy.Module):
    on_the_class = ragc.Retrieve(k=9)

    def __init__(self) -> None:
        super().__init__()
        self.retrieve = ragc.Retrieve(k=9)
        self.shared = SHARED
        self.respond = dspy.Predict(Answer)

    def forward(self, question: str, mode: str = "plain") -> dspy.Prediction:
        passages = getattr(self, mode)(question)
        answer = self.respond(passages=passages, question=question).answer
        return dspy.Prediction(
            answer=answer,
            passages=passages,
            citations=() if is_abstention(answer) else cite(answer, passages),
            provenance={"corpus_version": passages.corpus_version, "dropped": passages.dropped},
        )

    def plain(self, question):
        return self.retrieve(question)

    def other_filters(self, question):
        self.retrieve.filters = {"team": "legal"}
        try:
            return self.retrieve(question)
        finally:
            self.retrieve.filters = None

    def no_filters(self, question):
        self.retrieve.filters = {}
        return self.retrieve(question)

    def unlike_filters(self, question):
        self.retrieve.filters = {"team": {"ne": "payroll"}}
        try:
            return self.retrieve(question)
        finally:
            self.retrieve.filters = None

    def state(self, question):
        state = self.retrieve.dump_state()
        self.retrieve.load_state({**state, "filters": {"document": {"gte": ""}}})
        try:
            return self.retrieve(question)
        finally:
            self.retrieve.load_state(state)

    def reset(self, question):
        self.retrieve.reset()
        return self.retrieve(question)

    def copied(self, question):
        return copy.deepcopy(self.retrieve)(question)

    def reset_copy(self, question):
        return self.reset_copy_of_all().retrieve(question)

    def reset_copy_of_all(self):
        return dspy.Module.reset_copy(self)

    def through_shared(self, question):
        return self.shared(question)

    def through_global(self, question):
        return SHARED(question)

    def through_class(self, question):
        return self.on_the_class(question)

    def second(self, question):
        return ragc.Retrieve(k=9)(question)

    def replaced(self, question):
        kept = self.retrieve
        self.retrieve = ragc.Retrieve(k=9)
        try:
            return self.retrieve(question)
        finally:
            self.retrieve = kept

    def searched(self, question):
        return ragc.Passages(passages=tuple(ragc.search(None, question, k=9)))

    def of_the_model(self, question):
        said = self.respond(passages="", question="Which filters? Answer in JSON.").answer
        self.retrieve.filters = json.loads(said)
        try:
            return self.retrieve(question)
        finally:
            self.retrieve.filters = None

    def expanded(self, question):
        self.retrieve.k, self.retrieve.expand = 1, "document"
        try:
            return self.retrieve(question)
        finally:
            self.retrieve.k, self.retrieve.expand = 9, 0

    def in_a_thread(self, question):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(self.retrieve, question).result()

    def in_parallel(self, question):
        calls = [(Plain(self.retrieve), {"question": question})]
        return dspy.Parallel(num_threads=2, disable_progress_bar=True)(calls)[0]

    def searched_in_parallel(self, question):
        calls = [(Plain(self.searched), {"question": question})]
        return dspy.Parallel(num_threads=2, disable_progress_bar=True)(calls)[0]

    def nested_in_parallel(self, question):
        calls = [(Plain(self.nested), {"question": question})]
        return dspy.Parallel(num_threads=2, disable_progress_bar=True)(calls)[0]

    def nested(self, question):
        import compiled

        return compiled.teams(question).passages

    def nested_in_full(self, question):
        import compiled

        return compiled.teams.module.program.retrieve(question)


class Plain(dspy.Module):
    def __init__(self, retrieve) -> None:
        super().__init__()
        self.retrieve = retrieve

    def forward(self, question):
        return self.retrieve(question)
'''
PYPROJECT = """\
[project]
name = "teams"

[tool.ragc]
lm = "local/smollm2-135m-instruct"
tracking = "off"

[tool.ragc.tasks.teams]
program = "programs.attacked:Attacked"
corpus = "corpus.jsonl"
examples = "examples.jsonl"
"""


def tells_all(asked: Asked) -> str:
    """The worst of models: it says every code word that stands anywhere in its prompt."""
    text = asked.prompt
    if "Which filters?" in text:
        return fields(answer=json.dumps({"team": "legal"}))
    return fields(answer=" ".join(sorted(word for word in WORDS.values() if word in text)) or "not known")


def document(name: str, **metadata: object) -> dict[str, object]:
    """Three sections, each with the code word, which a search for any of them finds."""
    text = "\n\n".join(f"# Part {n}\n\nThe code word of the {name} door is {WORDS[name]}, part {n}." for n in (1, 2, 3))
    return {"id": f"{name}.md", "title": f"Door of {name}", "text": text, **metadata}


def write_documents(root: Path, *documents: dict[str, object]) -> None:
    """Put them in place of the project's, and index them."""
    (root / "corpus.jsonl").write_text("".join(json.dumps(one) + "\n" for one in documents))
    index(project=Project.find(root))


def make_project(root: Path, base_url: str) -> Path:
    """Make the project at `root`, with an index and an artifact that has a demonstration from every team's documents.

    Its model is behind `base_url`. Returns the artifact's path.
    """
    (root / "programs").mkdir(parents=True)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "programs" / "attacked.py").write_text(PROGRAM)
    (root / "examples.jsonl").write_text(json.dumps({"question": QUESTION, "answers": list(WORDS.values())}) + "\n")
    write_documents(
        root,
        document("payroll", team="payroll", year=2024),
        document("legal", team="legal", year=2025),
        document("nobody"),
        document("blank", team=""),
    )
    shown = {f"What is the code word of the {team} door?": word for team, word in WORDS.items()}
    return seal_program(root, lm=hosted_lm(base_url), k=9, shown=shown).path


def words_in(text: str) -> set[str]:
    """The code words in a text."""
    return set(re.findall("|".join(WORDS.values()), text))
