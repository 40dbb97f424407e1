"""A loaded artifact: a dspy.Module that answers with its sealed model, instructions and retrieval settings."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import dspy

from ragc.artifact._failures import explained, refuse_blank
from ragc.artifact._manifest import Manifest
from ragc.artifact._serving import Opened, Serving
from ragc.errors import StoreError

if TYPE_CHECKING:
    from ragc.retrieval import Index

THREADS = 8
"""Questions of a batch that are in flight at once."""

Inputs = str | Mapping[str, Any]
"""A question, or the program's inputs by name."""


class Artifact(dspy.Module):  # type: ignore[misc]  # dspy ships no types
    """A program as it was sealed. `ragc.load` and `from compiled import …` make it.

        prediction = handbook(question="Can I carry days over?")
        prediction.answer, prediction.citations, prediction.provenance

    It answers under its own LM and adapter (`dspy.context`, nothing global), composes into other modules and can be
    optimized again: its predictors and `Retrieve` are reached as `program.…`. A copy shares model and index. It is safe
    in threads, and a forked process opens its own.
    """

    def __init__(self, program: dspy.Module, serving: Serving) -> None:
        super().__init__()
        self.program = program
        self._serving = serving
        self._sealed = _Settings.of(program)
        self._bound: Index | None = None

    @property
    def manifest(self) -> Manifest:
        """What it says about itself."""
        return self._serving.manifest

    @property
    def id(self) -> str:
        """The artifact's id, 64 hexadecimal digits."""
        return self.manifest.id

    @property
    def module(self) -> Artifact:
        """Itself, as `module` of a lazily imported artifact."""
        return self

    def forward(self, *question: str, **inputs: Any) -> dspy.Prediction:
        """Answer. Raises ModelError, StoreError, ArtifactError, ExampleError, and what the program itself raises.

        ExampleError: this one question was not answered; it is empty, or the model's answer has not the expected form.
        """
        given = _named(question, inputs)
        opened = self._ready()
        with dspy.context(lm=opened.lm, adapter=opened.adapter), explained(opened.model):
            return self._signed(self.program(**given), opened)

    async def aforward(self, *question: str, **inputs: Any) -> dspy.Prediction:
        """Answer without blocking the event loop; a program that has no `aforward` runs in a thread."""
        given = _named(question, inputs)
        opened = self._ready() if self._serving.opened else await asyncio.to_thread(self._ready)
        with dspy.context(lm=opened.lm, adapter=opened.adapter), explained(opened.model):
            if hasattr(self.program, "aforward"):
                prediction = await self.program.acall(**given)
            else:
                prediction = await asyncio.to_thread(self.program, **given)
            return self._signed(prediction, opened)

    def batch(self, inputs: Sequence[Inputs], *, threads: int = THREADS) -> list[dspy.Prediction | Exception]:
        """Answer many, `threads` at once; an answer or the error that it ended in, in the order of `inputs`.

        Unlike `dspy.Module.batch` it takes plain questions or mappings and never drops one. Raises at once what no
        question could be answered with: a missing key, a missing index.
        """
        self._ready()

        def answer(given: Inputs) -> dspy.Prediction | Exception:
            try:
                return self(given) if isinstance(given, str) else self(**given)
            except Exception as error:  # noqa: BLE001 one question's error is its result, whatever the program raised
                return error

        with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
            waiting = [pool.submit(contextvars.copy_context().run, answer, given) for given in inputs]
            return [future.result() for future in waiting]

    def ready(self) -> str:
        """Check index, embedder, model and key, without a call, and return one line that says what it answers with.

        Raises ModelError, StoreError, ArtifactError or ConfigError, in one line that says what to do.
        """
        opened = self._ready()
        self._check_embedder()
        passages = f", {opened.index.stats().passages:,} passages" if opened.index else ""
        outdated = self._serving.outdated()
        warning = "" if outdated is None else f"; {outdated}"
        return f"{self.manifest.task} {self.manifest.name} is ready: {opened.model}{passages}{warning}"

    def __repr__(self) -> str:
        manifest = self.manifest
        model, verdict = manifest.identity["model"]["model"], manifest.verdict["word"]
        return f"<artifact {manifest.task} {manifest.name}: {model}, {verdict}>"

    def _ready(self) -> Opened:
        """Open what is needed and bind this copy's `Retrieve`s to the index of this process."""
        opened = self._serving.open()
        if opened.index is not None and self._bound is not opened.index:
            from ragc.retrieval import bind

            bind(self.program, opened.index, opened.count_tokens, self._serving.choices.filters)
            self._bound = opened.index
        return opened

    def _check_embedder(self) -> None:
        """Raise ModelError without the key of an embedder that questions will be sent to."""
        from ragc.artifact._home import reached_embedder
        from ragc.retrieval import Retrieve, check_embedder

        if any(retrieve.alpha > 0 for _, retrieve in self.program.named_sub_modules(type_=Retrieve)):
            check_embedder(reached_embedder(self.manifest))

    def _signed(self, prediction: dspy.Prediction, opened: Opened) -> dspy.Prediction:
        """Return a new prediction with the whole provenance; the program's own is kept as it is."""
        differs = [*opened.differs, *_Settings.of(self.program).differs(self._sealed)]
        given = dict(prediction.items())
        told = given.get("provenance") or {}
        provenance = {
            **told,
            "artifact": self.id,
            "model": opened.model,
            "measured": not differs,
            "differs": differs,
            "outdated": self._outdated(told.get("corpus_version")),
        }
        signed = dspy.Prediction(**{**given, "provenance": provenance})
        signed.set_lm_usage(prediction.get_lm_usage())
        return signed

    def _outdated(self, corpus_version: str | None) -> list[str]:
        """The documents whose former text demonstrations still show the model."""
        try:
            outdated = self._serving.outdated(corpus_version)
        except StoreError:  # the answer stands: what it was made of had been read before
            return []
        return [] if outdated is None else list(outdated.documents)


class _Settings:
    """The part of a program that was measured: settings of every `Retrieve`, instructions, demonstrations."""

    def __init__(self, retrieval: list[Any], prompts: list[Any]) -> None:
        self.retrieval = retrieval
        self.prompts = prompts

    @classmethod
    def of(cls, program: dspy.Module) -> _Settings:
        retrieval, prompts = [], []
        for name, parameter in program.named_parameters():
            if isinstance(parameter, dspy.Predict):
                prompts.append((name, parameter.signature.instructions, list(parameter.demos)))
            else:
                retrieval.append((name, parameter.dump_state(json_mode=True)))
        return cls(retrieval, prompts)

    def differs(self, sealed: _Settings) -> list[str]:
        changed = {"retrieval": self.retrieval != sealed.retrieval, "prompts": self.prompts != sealed.prompts}
        return [name for name, does in changed.items() if does]


def _named(question: tuple[str, ...], inputs: dict[str, Any]) -> dict[str, Any]:
    """One string without a name is the question. Raises ExampleError for an empty one."""
    if len(question) > 1 or (question and "question" in inputs):
        raise TypeError('an artifact takes one question, or inputs by name: handbook(question="…")')
    given = {"question": question[0], **inputs} if question else inputs
    refuse_blank(given)
    return given
