from __future__ import annotations

import asyncio
import copy
import os
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dspy
import pytest

import ragc
from provider import Asked, Provider, fields
from ragc.artifact import Artifact, Content, Drift, chosen_lm, drift, glance, seal, verify
from ragc.errors import ArtifactError, ConfigError, ExampleError, ModelError

MakeContent = Callable[..., Content]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", "any")


@pytest.fixture(autouse=True)
def no_bytecode_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a user's process: Python writes byte code where it imports from files."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


@pytest.fixture
def target(root: Path, content: MakeContent, hosted_model: Provider) -> Path:
    """A sealed artifact whose model answers every question with two words."""
    hosted_model.script = lambda asked: fields(answer="forty two")
    lm = {**content().lm, "base_url": hosted_model.base_url}
    return seal(content(lm=lm), root / "compiled" / "plain").path


def test_it_answers_with_its_sealed_model_instructions_and_demonstrations(target: Path, hosted_model: Provider) -> None:
    plain = ragc.load(target)
    prediction = plain(question="How many?")
    assert prediction.answer == "forty two, sir!"
    request = hosted_model.requests[0].body
    assert request["model"] == "scripted"
    assert request["temperature"] == 0
    text = str(request["messages"])
    assert "Answer shortly." in text
    assert "What is <b>1 + 1</b>?" in text


def test_provenance_names_artifact_and_model_and_keeps_what_the_program_says(target: Path) -> None:
    plain = ragc.load(target)
    assert plain(question="How many?").provenance == {
        "words": 2,
        "artifact": plain.id,
        "model": "openai/scripted",
        "measured": True,
        "differs": [],
        "outdated": [],
    }


def test_loading_calls_nothing_and_sets_nothing_global(target: Path, hosted_model: Provider) -> None:
    before = dspy.settings.lm
    plain = ragc.load(target)
    assert hosted_model.requests == []
    plain(question="How many?")
    assert dspy.settings.lm is before


def test_another_model_can_be_chosen_and_is_said_not_to_be_measured(
    target: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {"model": "openai/bigger", "base_url": hosted_model.base_url, "api_key_env": "SCRIPTED_KEY"}
    assert ragc.load(target, lm=table)(question="?").provenance["differs"] == ["model"]
    assert hosted_model.requests[-1].body["model"] == "bigger"

    monkeypatch.setenv("RAGC_LM", "{ " + ", ".join(f'{key} = "{value}"' for key, value in table.items()) + " }")
    assert ragc.load(target)(question="?").provenance["model"] == "openai/bigger"

    # What the call says goes before the environment, and the sealed model's name means the sealed table.
    provenance = ragc.load(target, lm="openai/scripted")(question="?").provenance
    assert (provenance["model"], provenance["measured"]) == ("openai/scripted", True)


def test_an_lm_object_can_be_given(target: Path, hosted_model: Provider) -> None:
    from ragc.models import make_lm
    from ragc.project import ModelSettings

    lm = make_lm(ModelSettings(model="openai/x", base_url=hosted_model.base_url, api_key_env="SCRIPTED_KEY"))
    prediction = ragc.load(target, lm=lm)(question="?")
    assert prediction.provenance["model"] == "openai/x"
    assert prediction.provenance["differs"] == ["model"]


def test_a_bad_model_table_is_one_line(target: Path) -> None:
    with pytest.raises(ConfigError, match=r"^lm=: modle"):
        ragc.load(target, lm={"modle": "x"})(question="?")


def test_a_missing_key_is_named_when_it_is_asked_or_checked(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCRIPTED_KEY")
    plain = ragc.load(target)
    for use in (plain.ready, lambda: plain(question="?"), lambda: plain.batch(["?"])):
        with pytest.raises(ModelError, match="SCRIPTED_KEY"):
            use()
    monkeypatch.setenv("SCRIPTED_KEY", "any")
    assert plain(question="?").answer == "forty two, sir!"


def test_ready_says_in_one_line_what_it_answers_with(target: Path, hosted_model: Provider) -> None:
    plain = ragc.load(target)
    assert plain.ready() == f"plain {plain.id[:8]} is ready: openai/scripted"
    assert hosted_model.requests == []


def test_acall_is_real_async(target: Path, hosted_model: Provider) -> None:
    """All questions are in flight before the first is answered."""
    together = threading.Barrier(8, timeout=4)

    def script(asked: Asked) -> str:
        together.wait()
        return fields(answer="forty two")

    hosted_model.script = script
    plain = ragc.load(target)

    async def ask() -> list[dspy.Prediction]:
        return await asyncio.gather(*(plain.acall(question=f"{number}?") for number in range(8)))

    assert {prediction.answer for prediction in asyncio.run(ask())} == {"forty two, sir!"}
    assert len(hosted_model.requests) == 8


def test_acall_of_a_program_without_aforward_does_not_block(
    root: Path, content: MakeContent, target: Path, hosted_model: Provider
) -> None:
    sources = content().sources
    source = sources["programs/plain.py"].replace(b"async def aforward", b"async def not_aforward")
    lm = {**content().lm, "base_url": hosted_model.base_url}
    sealed = seal(content(lm=lm, sources={**sources, "programs/plain.py": source}), target)
    together = threading.Barrier(2, timeout=4)

    def script(asked: Asked) -> str:
        together.wait()
        return fields(answer="forty two")

    hosted_model.script = script
    with pytest.warns(UserWarning, match="changed"):
        plain = ragc.load(sealed.path)

    async def ask() -> list[dspy.Prediction]:
        return await asyncio.gather(*(plain.acall(question=question) for question in ("one?", "two?")))

    assert [prediction.answer for prediction in asyncio.run(ask())] == ["forty two, sir!"] * 2
    assert len(hosted_model.requests) == 2


def test_batch_returns_answers_and_errors_in_order(target: Path, hosted_model: Provider) -> None:
    def script(asked: Asked) -> str:
        text = asked.text
        return "nothing that parses" if "three" in text else fields(answer=f"about {text.split('ask ')[1][:4]}")

    hosted_model.script = script
    found = ragc.load(target).batch(["ask zero", {"question": "ask one_"}, "ask three", "ask four"], threads=3)
    answers = [item.answer if isinstance(item, dspy.Prediction) else item for item in found]
    assert answers[0] == "about zero, sir!"
    assert answers[1] == "about one_, sir!"
    assert isinstance(answers[2], Exception)
    assert answers[3] == "about four, sir!"


def test_many_threads_share_one_artifact(target: Path, hosted_model: Provider) -> None:
    hosted_model.script = lambda asked: fields(answer=asked.text.split("<<")[1].split(">>")[0])
    plain = ragc.load(target)
    found = plain.batch([f"<<{number}>>" for number in range(64)], threads=16)
    assert [item.answer for item in found if isinstance(item, dspy.Prediction)] == [f"{n}, sir!" for n in range(64)]


def test_a_question_can_be_given_without_its_name(target: Path) -> None:
    plain = ragc.load(target)
    assert plain("How many?").answer == "forty two, sir!"
    with pytest.raises(TypeError, match=r'handbook\(question="…"\)'):
        plain("How", "many?")


def test_it_composes_and_is_reached_by_optimizers(target: Path) -> None:
    class Outer(dspy.Module):  # type: ignore[misc]  # dspy ships no types
        def __init__(self) -> None:
            super().__init__()
            self.inner = ragc.load(target)

        def forward(self, question: str) -> dspy.Prediction:
            return dspy.Prediction(answer=self.inner(question=question).answer.upper())

    outer = Outer()
    assert outer(question="?").answer == "FORTY TWO, SIR!"
    assert [name for name, _ in outer.named_predictors()] == ["inner.program.answer"]


def test_a_copy_can_be_changed_and_says_so(target: Path, hosted_model: Provider) -> None:
    plain = ragc.load(target)
    plain(question="?")
    copied = copy.deepcopy(plain)
    assert copied(question="?").provenance["measured"]
    copied.program.answer.demos = []
    assert copied(question="?").provenance["differs"] == ["prompts"]
    assert plain(question="?").provenance["measured"]
    assert not plain._compiled


def test_it_can_be_compiled_again(target: Path) -> None:
    plain = ragc.load(target)
    trainset = [dspy.Example(question=f"{n}?", answer="forty two, sir!").with_inputs("question") for n in range(2)]
    optimizer = dspy.BootstrapFewShot(metric=lambda example, prediction, trace=None: True, max_bootstrapped_demos=2)
    again = optimizer.compile(plain, trainset=trainset)
    assert isinstance(again, Artifact)
    assert len(again.program.answer.demos) == 2
    assert again(question="?").provenance["differs"] == ["prompts"]
    assert len(plain.program.answer.demos) == 1


def test_the_sealed_source_runs_whatever_became_of_the_projects(target: Path, root: Path) -> None:
    (root / "programs" / "tone.py").write_text('MARK = "?"\n')
    (root / "programs" / "parts" / "phrases.py").write_text("raise RuntimeError\n")
    with pytest.warns(UserWarning, match=r"programs/parts/phrases\.py, programs/tone\.py changed since \(ragc compile"):
        plain = ragc.load(target)
    assert plain(question="?").answer == "forty two, sir!"


def test_an_artifact_needs_no_programs_folder_and_no_project(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = tmp_path / "elsewhere" / "plain"
    alone.parent.mkdir()
    target.rename(alone)
    monkeypatch.chdir(alone.parent)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ragc.load(alone)(question="?").answer == "forty two, sir!"


def test_two_artifacts_with_modules_of_one_name_stay_apart(
    target: Path, root: Path, content: MakeContent, hosted_model: Provider
) -> None:
    sources = {**content().sources, "programs/tone.py": b'MARK = "?"\n'}
    lm = {**content().lm, "base_url": hosted_model.base_url}
    other = seal(content(lm=lm, sources=sources), root / "compiled" / "other").path
    with pytest.warns(UserWarning, match=r"programs/tone\.py changed"):
        asking = ragc.load(other)
    telling = ragc.load(target)
    assert asking(question="?").answer == "forty two, sir?"
    assert telling(question="?").answer == "forty two, sir!"
    assert type(telling.program).__module__ == f"ragc_sealed_{telling.id[:12]}.programs.plain"
    assert type(ragc.load(target).program) is type(telling.program)
    assert "programs" not in sys.modules or not hasattr(sys.modules["programs"], "plain")


def test_nothing_is_written_into_the_artifact(target: Path) -> None:
    before = sorted(target.rglob("*"))
    ragc.load(target)(question="?")
    assert sorted(target.rglob("*")) == before
    assert ragc.load(target).ready()


def test_a_touched_artifact_does_not_load(target: Path) -> None:
    path = target / "source/programs/words.py"
    path.write_bytes(path.read_bytes().replace(b"len(text", b"0*len(text"))
    with pytest.raises(ArtifactError, match=r"source/programs/words\.py was changed after sealing"):
        ragc.load(target)


def test_the_id_can_be_pinned(target: Path) -> None:
    found = ragc.load(target).id
    assert ragc.load(target, id=found).id == ragc.load(target, id=found[:8].upper()).id == found
    with pytest.raises(ArtifactError, match=f"is artifact {found[:8]}, not 00000000"):
        ragc.load(target, id="00000000")
    with pytest.raises(ArtifactError, match="too short"):
        ragc.load(target, id=found[:7])


def test_a_program_that_does_not_import_here_names_the_cause(
    root: Path, content: MakeContent, hosted_model: Provider
) -> None:
    for source, cause in (
        (b"import not_installed_anywhere\n", "ModuleNotFoundError: No module named 'not_installed_anywhere'"),
        (b"from programs.missing import x\n", "No module named 'programs.missing'"),
        (b"x = (\n", "SyntaxError"),
        (b"x = 1\n", "has no attribute 'Plain'"),
    ):
        path = seal(content(sources={"programs/plain.py": source}), root / "compiled" / "plain").path
        with pytest.warns(UserWarning, match="changed since"), pytest.raises(ArtifactError) as caught:
            ragc.load(path)
        assert cause in str(caught.value)
        assert "ragc_sealed" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_class_that_is_no_module_is_refused(root: Path, content: MakeContent) -> None:
    sources = {"programs/plain.py": b"class Plain:\n    pass\n"}
    path = seal(content(sources=sources), root / "compiled" / "plain").path
    with pytest.warns(UserWarning, match="changed"), pytest.raises(ArtifactError, match=r"Plain is no dspy\.Module"):
        ragc.load(path)


def test_a_state_that_does_not_fit_says_so(root: Path, content: MakeContent) -> None:
    path = seal(content(state={"other": {}}), root / "compiled" / "plain").path
    with pytest.raises(ArtifactError, match="the sealed state does not fit this DSPy"):
        ragc.load(path)


def test_a_forked_process_answers_too(target: Path) -> None:
    plain = ragc.load(target)
    plain(question="?")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads is what pre-forking servers do
        child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if plain(question="?").answer == "forty two, sir!" else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_tracebacks_show_the_sealed_line(root: Path, content: MakeContent) -> None:
    import traceback

    source = content().sources["programs/plain.py"].replace(b"return finished(self", b"raise KeyError(1) or (self")
    path = seal(content(sources={**content().sources, "programs/plain.py": source}), root / "compiled" / "plain").path
    with pytest.warns(UserWarning, match="changed"):
        plain = ragc.load(path)
    with pytest.raises(KeyError) as caught:
        plain(question="?")
    shown = "".join(traceback.format_exception(caught.value))
    assert "raise KeyError(1)" in shown
    assert str(path / "source/programs/plain.py") in shown


def test_a_malformed_answer_is_one_line_with_dspys_error_as_its_cause(target: Path, hosted_model: Provider) -> None:
    hosted_model.script = lambda asked: "I would\nrather " + "not " * 60
    plain = ragc.load(target)
    with pytest.raises(ExampleError, match=r"^the model did not answer in the expected form: expected answer, found "):
        plain(question="How many?")
    with pytest.raises(
        ExampleError, match=r"'I would rather not .{60,75}…'; ask again, or use another model$"
    ) as caught:
        asyncio.run(plain.acall(question="How many?"))
    assert type(caught.value.__cause__).__name__ == "AdapterParseError"
    assert [type(result) for result in plain.batch(["How many?"])] == [ExampleError]


def test_the_errors_of_a_given_lm_are_ragcs_and_hold_no_key(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dspy import lm15

    monkeypatch.setenv("THEIR_API_KEY", "abcdefgh-12345")

    class Failing:
        def __init__(self, error: Exception) -> None:
            self.error = error

        def complete(self, request: Any) -> Any:
            raise self.error

    for error, kind in (
        (lm15.AuthError("refuses abcdefgh-12345\nand more"), ModelError),
        (lm15.ServerError("is down"), ExampleError),
        (ValueError("is odd"), ExampleError),
    ):
        lm = dspy.LM("openai/theirs", engine=Failing(error), cache=False, num_retries=0)
        with pytest.raises(kind, match=r"^openai/theirs: .*(refuses \*\*\*|is down|is odd)$") as caught:
            ragc.load(target, lm=lm)(question="?")
        assert type(caught.value.__cause__).__module__.startswith("dspy.")


@pytest.mark.parametrize("question", ["", " \n", None])
def test_an_empty_question_is_refused_before_anything_is_asked(
    target: Path, hosted_model: Provider, question: Any
) -> None:
    plain = ragc.load(target)
    with pytest.raises(ExampleError, match=r"^the question is empty"):
        plain(question=question)
    with pytest.raises(ExampleError, match=r"^the question is empty"):
        asyncio.run(plain.acall(question=question))
    assert [type(result) for result in plain.batch(["", "How many?"])] == [ExampleError, dspy.Prediction]
    assert len(hosted_model.requests) == 1


def configure(root: Path, lm: str) -> None:
    """Make the project's `lm` another one."""
    file = root / "pyproject.toml"
    file.write_text(file.read_text("utf-8").replace('lm = "openai/other"', f"lm = {lm}"), "utf-8")


def test_the_project_says_where_the_sealed_model_is_reached(
    root: Path, content: MakeContent, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = seal(content(), root / "compiled" / "plain").path  # its address, port 9, is gone
    hosted_model.script = lambda asked: fields(answer="forty two")
    monkeypatch.setenv("NEW_KEY", "any")
    monkeypatch.delenv("SCRIPTED_KEY")
    configure(root, f'{{ model = "openai/scripted", base_url = "{hosted_model.base_url}", api_key_env = "NEW_KEY" }}')
    for lm in (None, "openai/scripted"):
        assert ragc.load(path, lm=lm)(question="?").provenance["measured"] is True
    rows = {row[0]: row[1:] for row in glance(path).rows}
    assert rows["address"] == (f"{hosted_model.base_url}, the key in NEW_KEY",)

    # Where the model is reached is taken from the project, what it is told is not.
    assert hosted_model.requests[0].body["temperature"] == 0
    monkeypatch.setenv("RAGC_LM", '{ model = "openai/third", base_url = "http://127.0.0.1:9/v1" }')
    with pytest.raises(ModelError, match="openai/third"):
        ragc.load(path)(question="?")


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ('"openai/scripted"', ("http://127.0.0.1:9/v1", "SCRIPTED_KEY", 5)),
        ('{ model = "openai/scripted", timeout = 90 }', ("http://127.0.0.1:9/v1", "SCRIPTED_KEY", 90)),
        ('{ model = "openai/scripted", api_key_env = "B" }', ("http://127.0.0.1:9/v1", "B", 5)),
        ('{ model = "openai/scripted", base_url = "http://b/v1" }', ("http://b/v1", None, 5)),
        ('{ model = "openai/bigger", base_url = "http://b/v1" }', ("http://127.0.0.1:9/v1", "SCRIPTED_KEY", 5)),
    ],
)
def test_what_the_project_does_not_state_stays_sealed(
    root: Path, content: MakeContent, stated: str, expected: tuple[str, str, float]
) -> None:
    path = seal(content(), root / "compiled" / "plain").path
    configure(root, stated)
    chosen = chosen_lm(verify(path), None)
    assert (chosen.base_url, chosen.api_key_env, chosen.timeout) == expected


def test_what_moved_on_around_an_artifact_is_said_in_lines(
    root: Path, content: MakeContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = seal(content(), root / "compiled" / "plain")
    name = f"plain {sealed.id[:8]}"
    assert drift(sealed.path) == Drift(
        None, f"{name} answers with the sealed openai/scripted; pyproject.toml names openai/other"
    )
    monkeypatch.setenv("RAGC_LM", "openai/third")
    assert drift(sealed.path) == Drift(None, None)
    monkeypatch.delenv("RAGC_LM")
    (root / "programs" / "tone.py").write_text("MARK = '?'\n")
    configure(root, '"openai/scripted"')
    assert drift(sealed.path) == Drift(
        f"{name} runs its sealed source; programs/tone.py changed since (ragc compile plain seals the new one)", None
    )
    (root / "pyproject.toml").write_text("[tool.ragc]\nlmm = 1\n")
    assert drift(sealed.path).model is None
