"""A loaded artifact: a dspy.Module that answers with its sealed model, instructions and retrieval settings."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import dspy

from ragc.artifact._answering import Answering
from ragc.artifact._failures import refuse_blank
from ragc.artifact._manifest import Manifest
from ragc.artifact._serving import Opened, Serving
from ragc.errors import ConfigError, StoreError
from ragc.retrieval import access_conditions, in_force

if TYPE_CHECKING:
    from ragc.retrieval import Condition, Index

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

    def __init__(self, program: dspy.Module, serving: Serving, conditions: tuple[Condition, ...] = ()) -> None:
        """`conditions` hold for every search, and for what demonstrations show."""
        super().__init__()
        self.program = program
        self._serving = serving
        self._conditions = conditions
        self._sealed = _Settings.of(program)
        self._bound: Index | None = None
        self._screened: tuple[str | None, list[Any]] = (None, [])

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
        if narrowed := self._narrowed_here():
            return narrowed(**given)
        opened = self._ready()
        answering = Answering(opened, given, self._conditions)
        try:
            with answering.context():
                prediction = self.program(**given)
            prediction = self._signed(prediction, opened, answering.provenance)
        except Exception as error:
            answering.end(error)
            raise
        answering.end(prediction)
        return prediction

    async def aforward(self, *question: str, **inputs: Any) -> dspy.Prediction:
        """Answer without blocking the event loop; a program that has no `aforward` runs in a thread."""
        given = _named(question, inputs)
        if narrowed := self._narrowed_here():
            return await narrowed.acall(**given)
        is_ready = self._serving.opened is not None and not self._conditions
        opened = self._ready() if is_ready else await asyncio.to_thread(self._ready)
        answering = Answering(opened, given, self._conditions)
        try:
            with answering.context():
                if hasattr(self.program, "aforward"):
                    prediction = await self.program.acall(**given)
                else:
                    prediction = await asyncio.to_thread(self.program, **given)
            prediction = self._signed(prediction, opened, answering.provenance)
        except Exception as error:
            await answering.aend(error)
            raise
        await answering.aend(prediction)
        return prediction

    def with_filters(self, filters: Mapping[str, Any]) -> Artifact:
        """Return a copy that finds only what matches `filters`, and the filters that hold already.

        It shares model and index, so that one is made for each user or request. Demonstrations that quote other
        documents, or none that can be told, are left out of its prompts. Raises ConfigError as `ragc.load` does, and
        for filters that name no field.
        """
        return self._narrowed(guarding(self.manifest, filters, retrieves=self._serving.retrieves))

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
        self._check_retrieval(opened)
        if opened.log is not None:
            opened.log.check()
        if opened.index is not None and self._conditions:  # names a field that no document has
            opened.index.search(self.manifest.task, k=1, alpha=0, filters=self._conditions)
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

            bind(self.program, opened.index, opened.count_tokens, self._conditions)
            self._bound = opened.index
        if self._conditions:
            self._leave_out(opened.index)
        return opened

    def _narrowed(self, conditions: tuple[Condition, ...]) -> Artifact:
        copied = Artifact(self.program.deepcopy(), self._serving, (*self._conditions, *conditions))
        copied._sealed = self._sealed
        return copied

    def _narrowed_here(self) -> Artifact | None:
        """A copy for the filters of an artifact that this one is called inside of; None where there are none."""
        more = tuple(one for one in in_force() if not any(one is ours for ours in self._conditions))
        return self._narrowed(more) if more else None

    def _leave_out(self, index: Index | None) -> None:
        """Take demonstrations out that show what the filters exclude; again for each state of the documents."""
        predictors = [one for _, one in self.program.named_sub_modules(type_=dspy.Predict) if one.demos]
        if not predictors:
            return
        version = None if index is None else index.corpus_version
        shown = [demonstration for one in predictors for demonstration in one.demos]
        screened, passed = self._screened
        if version is not None and version == screened and list(map(id, shown)) == list(map(id, passed)):
            return
        for one in predictors:
            one.demos = [each for each in one.demos if self._serving.may_show(each, self._conditions, version)]
        self._screened = (version, [demonstration for one in predictors for demonstration in one.demos])

    def _check_retrieval(self, opened: Opened) -> None:
        """Raise ModelError without the key of an embedder or a reranker that questions will be sent to."""
        from ragc.artifact._home import reached_embedder
        from ragc.retrieval import Retrieve, check_embedder

        retrieves = [retrieve for _, retrieve in self.program.named_sub_modules(type_=Retrieve)]
        if any(retrieve.alpha > 0 for retrieve in retrieves):
            check_embedder(reached_embedder(self.manifest))
        for name in {retrieve.reranker for retrieve in retrieves if retrieve.reranker}:
            if opened.index is not None:
                opened.index.rerankers.get(name).check()

    def _signed(self, prediction: dspy.Prediction, opened: Opened, log: Mapping[str, str]) -> dspy.Prediction:
        """Return a new prediction with the whole provenance; the program's own is kept as it is."""
        filtered = ["filters"] if self._conditions else []
        differs = [*opened.differs, *filtered, *_Settings.of(self.program).differs(self._sealed)]
        given = dict(prediction.items())
        told = given.get("provenance") or {}
        provenance = {
            **told,
            "artifact": self.id,
            "model": opened.model,
            "measured": not differs,
            "differs": differs,
            "outdated": self._outdated(told.get("corpus_version")),
            **log,
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


def guarding(manifest: Manifest, filters: Mapping[str, Any], *, retrieves: bool) -> tuple[Condition, ...]:
    """Return the conditions of `filters`. Raises ConfigError for those that guard nothing, or compare with nothing."""
    conditions = access_conditions(filters)
    if not retrieves:
        raise ConfigError(f"filters: the program of {manifest.task} retrieves nothing that they could hold for")
    return conditions


def _named(question: tuple[str, ...], inputs: dict[str, Any]) -> dict[str, Any]:
    """One string without a name is the question. Raises ExampleError for an empty one."""
    if len(question) > 1 or (question and "question" in inputs):
        raise TypeError('an artifact takes one question, or inputs by name: handbook(question="…")')
    given = {"question": question[0], **inputs} if question else inputs
    refuse_blank(given)
    return given
