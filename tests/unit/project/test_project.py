"""Finding a project and reading its configuration."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ragc.errors import ConfigError
from ragc.project import Budget, Project

MakeProject = Callable[..., Project]
TASK = '[tool.ragc.tasks.handbook]\nprogram = "grounded"\ncorpus = "c"\nexamples = "e.jsonl"\n'


def complaint(make_project: MakeProject, config: str) -> str:
    with pytest.raises(ConfigError) as caught:
        make_project(config=config)
    message = str(caught.value)
    assert "\n" not in message
    assert "pyproject.toml" in message
    return message


def test_defaults(make_project: MakeProject) -> None:
    project = make_project()
    settings, task = project.settings, project.task()
    assert settings.lm.model == "local/smollm2-135m-instruct"
    assert settings.lm.timeout == 60
    assert settings.teacher is None
    assert settings.embedder.model == "local/wordllama-256"
    assert settings.store == "sqlite://.ragc/index.db"
    assert settings.tracking == "sqlite:///.ragc/mlflow.db"
    assert (task.name, task.metric, task.optimizer) == ("handbook", "answer_f1", "bootstrap")
    assert (task.budget.usd, task.budget.calls, task.max_error_rate) == (None, None, 0.2)
    assert (task.chunk.size, task.chunk.overlap, task.chunk.by) == (500, 0, "characters")


def test_tables_are_read(make_project: MakeProject) -> None:
    project = make_project(
        config="""
[project]
name = "ours"
[tool.ragc]
teacher = "openai/gpt-5"
embedder = { model = "openai/text-embedding-3-small", dimensions = 256 }
[tool.ragc.lm]
model = "openai/our-llama"
base_url = "http://127.0.0.1:8000/v1"
api_key_env = "OUR_KEY"
max_tokens = 256
temperature = 0.0
threads = 16
timeout = 30
rpm = 500
tpm = 30_000
price = { input = 0.15, output = 0.60, cached_input = 0.075 }
[tool.ragc.tasks.faq]
program = "grounded"
corpus = "c.jsonl"
examples = "faq.csv"
budget = { usd = 2, calls = 5000, input_tokens = 10_000_000, output_tokens = 500_000, seconds = 3600 }
limits = { usd_per_question = 0.01, latency_p95 = 2.5 }
chunk = { size = 300, overlap = 20, by = "tokens" }
validation_sample = 50
"""
    )
    assert project.name == "ours"
    lm, task = project.settings.lm, project.task("faq")
    assert lm.price is not None
    assert (lm.base_url, lm.api_key_env, lm.price.cached_input) == ("http://127.0.0.1:8000/v1", "OUR_KEY", 0.075)
    assert (lm.rpm, lm.tpm) == (500, 30_000)
    assert project.settings.teacher is not None
    assert project.settings.embedder.dimensions == 256
    assert (task.budget.usd, task.limits.latency_p95, task.chunk.by) == (2.0, 2.5, "tokens")
    caps = task.budget
    assert (caps.calls, caps.input_tokens, caps.output_tokens, caps.seconds) == (5000, 10_000_000, 500_000, 3600)


def test_found_from_a_folder_below(make_project: MakeProject) -> None:
    project = make_project({"data/handbook/corpus/a.md": "x", "data/pyproject.toml": "[tool.ruff]\n"})
    assert Project.find(project.root / "data" / "handbook" / "corpus") == project
    assert Project.find(project.root / "pyproject.toml") == project


def test_found_from_the_working_folder(make_project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project()
    monkeypatch.chdir(project.root)
    assert Project.find() == project


def test_no_project_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\n")
    with pytest.raises(ConfigError, match=r'no pyproject.toml with \[tool.ragc\] in .*; run "ragc init"'):
        Project.find(tmp_path)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no folder .*nowhere"):
        Project.find(tmp_path / "nowhere")


def test_bad_toml_names_file_and_line(make_project: MakeProject) -> None:
    message = complaint(make_project, '[tool.ragc]\nlm = "x\n')
    assert "pyproject.toml line 2: bad TOML" in message


def test_configuration_in_another_encoding(make_project: MakeProject, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes('[tool.ragc]\nlm = "é"'.encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        Project.find(tmp_path)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            TASK + 'optimiser = "x"',
            '[tool.ragc.tasks.handbook] key "optimiser": unknown key, did you mean "optimizer"?',
        ),
        ("[tool.ragc]\nembeder = 1", '[tool.ragc] key "embeder": unknown key, did you mean "embedder"?'),
        (
            "[tool.ragc]\nxyz = 1",
            "known are audit, development, embedder, experiments, judge, lm, prices, redact, rerankers, store, tasks, "
            "teacher, tracking",
        ),
        (
            '[tool.ragc]\nlm = { model = "a/b", base_ur = "x" }',
            '[tool.ragc.lm] key "base_ur": unknown key, did you mean "base_url"?',
        ),
        (
            '[tool.ragc]\nteacher = { model = "a/b", prices = 3 }',
            '[tool.ragc.teacher] key "prices": unknown key, did you mean "price"?',
        ),
        (TASK + "budget = { dollars = 3 }", '[tool.ragc.tasks.handbook.budget] key "dollars": unknown key, known are'),
    ],
)
def test_unknown_key_names_the_nearest(make_project: MakeProject, config: str, expected: str) -> None:
    assert expected in complaint(make_project, config)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("[tool.ragc]\nlm = 3", '[tool.ragc] key "lm": expected a model\'s name or a table, found 3'),
        ("[tool.ragc]\nstore = true", 'key "store": expected text, found true'),
        ('[tool.ragc]\ntasks = "handbook"', 'key "tasks": expected a table, found "handbook"'),
        ("[tool.ragc.tasks]\nhandbook = 3", '[tool.ragc.tasks] key "handbook": expected a table, found 3'),
        (TASK + "corpus = 3".replace("corpus", "metric"), 'key "metric": expected text, found 3'),
        (TASK + 'budget = { usd = "2" }', '[tool.ragc.tasks.handbook.budget] key "usd": expected a number, found "2"'),
        (TASK + "budget = { calls = 2.5 }", 'key "calls": expected a whole number, found 2.5'),
        (TASK + "budget = { usd = nan }", 'key "usd": expected a finite number, found nan'),
        (TASK + "budget = { usd = 0 }", 'key "usd": must be greater than 0, found 0'),
        ('[tool.ragc]\nlm = { model = "a/b", rpm = 0 }', 'key "rpm": must be greater than 0, found 0'),
        ('[tool.ragc]\nlm = { model = "a/b", tpm = 0.5 }', 'key "tpm": expected a whole number, found 0.5'),
        (TASK + "budget = { calls = -1 }", 'key "calls": must be greater than 0, found -1'),
        (TASK + "budget = { input_tokens = 0 }", 'key "input_tokens": must be greater than 0, found 0'),
        (TASK + "budget = { output_tokens = 1.5 }", 'key "output_tokens": expected a whole number, found 1.5'),
        (TASK + "budget = { seconds = -60 }", 'key "seconds": must be greater than 0, found -60'),
        (
            "[tool.ragc.lm]\nmodel = 'a/b'\nprice = { input = -1, output = 1 }",
            'key "input": must be at least 0, found -1',
        ),
        ("[tool.ragc.embedder]\nmodel = 'a/b'\nprice = { input = -1 }", 'key "input": must be at least 0, found -1'),
        (TASK + "chunk = { size = 10, overlap = 10 }", "overlap (10) must be smaller than size (10)"),
        (TASK + 'chunk = { by = "words" }', "must be 'characters' or 'tokens', found \"words\""),
        (TASK + "max_error_rate = 2", "must be less than or equal to 1, found 2"),
        ('[tool.ragc.tasks.handbook]\nprogram = "p"\ncorpus = "c"', 'key "examples" is missing'),
        (TASK.replace("e.jsonl", "e.xlsx"), "must be a .jsonl or .csv file, not 'e.xlsx'"),
        (TASK.replace("handbook", "my-task"), "call the task 'my_task'"),
        (TASK.replace("handbook", "class"), "call the task 'task_class'"),
        (TASK + 'name = "x"', "the table's own name is the task's name"),
        ('[tool.ragc]\nlm = { model = "" }', "must not be empty"),
        ('[tool.ragc]\nlm = { model = "openai/x", context = 8 }', "context is for local/… models"),
        ('[tool.ragc]\nlm = { model = "a/b", base_url = "host:80" }', "must begin with http:// or https://"),
        ("[tool]\nragc = 3", "[tool.ragc] must be a table"),
    ],
)
def test_wrong_value_is_one_line(make_project: MakeProject, config: str, expected: str) -> None:
    assert expected in complaint(make_project, config)


def test_several_faults_are_counted(make_project: MakeProject) -> None:
    assert complaint(make_project, "[tool.ragc]\nstore = 1\ntracking = 2").endswith("(and 1 more)")


@pytest.mark.parametrize(
    "config",
    [
        '[tool.ragc]\nlm = { model = "a/b", api_key = "sk-hidden" }',
        '[tool.ragc]\napi_key = "sk-hidden"',
        '[tool.ragc]\nlm = { model = "a/b", api_key_env = "sk-hidden" }',
        '[tool.ragc]\nlm = { model = "a/b", base_url = "http://me:sk-hidden@host/v1" }',
        '[tool.ragc]\ntracking = "http://me:sk-hidden@host"',
    ],
)
def test_secrets_are_refused_and_not_shown(make_project: MakeProject, config: str) -> None:
    message = complaint(make_project, config)
    assert "environment" in message
    assert "hidden" not in message


def test_environment_overrides_the_file(make_project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGC_LM", "openai/other")
    monkeypatch.setenv("RAGC_EMBEDDER", "openai/embedder")
    monkeypatch.setenv("RAGC_STORE", "sqlite:///elsewhere.db")
    monkeypatch.setenv("RAGC_TRACKING", "off")
    settings = make_project(config='[tool.ragc]\nlm = { model = "a/b", base_url = "http://host" }').settings
    assert settings.lm.model == "openai/other"
    assert settings.lm.base_url is None
    assert settings.embedder.model == "openai/embedder"
    assert (settings.store, settings.tracking) == ("sqlite:///elsewhere.db", "off")


def test_empty_variable_overrides_nothing(make_project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGC_LM", "")
    assert make_project().settings.lm.model == "local/smollm2-135m-instruct"


def test_flag_overrides_the_environment(make_project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGC_LM", "openai/other")
    assert make_project().with_lm("openai/flag").settings.lm.model == "openai/flag"


def test_the_configured_model_keeps_its_table(make_project: MakeProject) -> None:
    project = make_project(config='[tool.ragc]\nlm = { model = "a/b", base_url = "http://host" }')
    assert project.with_lm("a/b").settings.lm.base_url == "http://host"


def test_flag_with_another_model_of_the_same_provider_stays_at_the_endpoint(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = '{ model = "openai/ours", base_url = "http://host", api_key_env = "OUR_KEY", max_tokens = 9 }'
    project = make_project(config=f"[tool.ragc]\nlm = {table}")
    other = project.with_lm("openai/other").settings.lm
    assert (other.model, other.base_url, other.api_key_env) == ("openai/other", "http://host", "OUR_KEY")
    assert other.max_tokens is None
    for elsewhere in ("anthropic/claude", "local/smollm2-135m-instruct", '{ model = "openai/other" }'):
        lm = project.with_lm(elsewhere).settings.lm
        assert (lm.base_url, lm.api_key_env) == (None, None), elsewhere
    monkeypatch.setenv("RAGC_LM", "openai/other")
    assert Project.find(project.root).settings.lm.base_url == "http://host"


def test_a_name_without_a_provider_is_one_of_the_configured_provider(make_project: MakeProject) -> None:
    table = '{ model = "openai/ours", base_url = "http://host", api_key_env = "OUR_KEY", max_tokens = 9 }'
    project = make_project(config=f"[tool.ragc]\nlm = {table}")
    lm = project.with_lm("rail-2").settings.lm
    assert (lm.model, lm.base_url, lm.api_key_env) == ("openai/rail-2", "http://host", "OUR_KEY")
    assert project.with_lm("ours").settings.lm.max_tokens == 9
    ollama = make_project(config='[tool.ragc]\nlm = "ollama/llama3.2"', name="other")
    assert ollama.with_lm("llama3.2:3b").settings.lm.model == "ollama/llama3.2:3b"


@pytest.mark.parametrize("configured", ["local/smollm2-135m-instruct", "gpt-5"])
def test_a_name_without_a_provider_stays_where_none_is_configured(make_project: MakeProject, configured: str) -> None:
    project = make_project(config=f'[tool.ragc]\nlm = "{configured}"')
    assert project.with_lm("gpt-5-mini").settings.lm.model == "gpt-5-mini"


def test_flags_stand_over_the_configured_budget() -> None:
    configured = Budget(usd=2.0, calls=100, seconds=60.0)
    budget = Budget.from_flags(configured, usd=0.5, output_tokens=9)
    assert budget == Budget(usd=0.5, calls=100, seconds=60.0, output_tokens=9)
    assert Budget.from_flags(configured) == configured


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"usd": -1.0}, "--budget-usd -1: expected more than 0"),
        ({"usd": 0}, "--budget-usd 0: expected more than 0"),
        ({"usd": float("nan")}, "--budget-usd nan: expected a number"),
        ({"usd": float("inf")}, "--budget-usd inf: expected a number"),
        ({"calls": 0}, "--budget-calls 0: expected more than 0"),
        ({"calls": 2.5}, "--budget-calls 2.5: expected a whole number"),
        ({"input_tokens": -3}, "--budget-input-tokens -3: expected more than 0"),
        ({"output_tokens": -3}, "--budget-output-tokens -3: expected more than 0"),
        ({"seconds": -0.5}, "--budget-seconds -0.5: expected more than 0"),
    ],
)
def test_a_flag_that_is_no_budget_is_named(flags: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Budget.from_flags(Budget(usd=2.0), **flags)
    assert str(caught.value) == expected


def test_flag_may_be_a_table(make_project: MakeProject) -> None:
    lm = make_project().with_lm('{ model = "a/b", max_tokens = 9 }').settings.lm
    assert (lm.model, lm.max_tokens) == ("a/b", 9)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{ model = ", "--lm: not a TOML table"),
        ('{ model = "a/b", max_token = 9 }', '--lm: key "max_token": unknown key, did you mean "max_tokens"?'),
        ('{ model = "a/b", max_tokens = "9" }', '--lm: key "max_tokens": expected a whole number, found "9"'),
        ("", '--lm: key "model": must not be empty'),
    ],
)
def test_bad_flag_names_the_flag(make_project: MakeProject, value: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_project().with_lm(value)
    assert expected in str(caught.value)


def test_unknown_task_names_the_nearest(make_project: MakeProject) -> None:
    with pytest.raises(ConfigError, match='unknown task "handbok", did you mean "handbook"'):
        make_project().task("handbok")


def test_one_of_several_tasks_must_be_named(make_project: MakeProject) -> None:
    project = make_project(config=TASK + TASK.replace("handbook", "faq"))
    with pytest.raises(ConfigError, match="2 tasks in this project; name one of faq, handbook"):
        project.task()


def test_no_task_says_what_to_do(make_project: MakeProject) -> None:
    with pytest.raises(ConfigError, match=r"no \[tool.ragc.tasks"):
        make_project(config="[tool.ragc]").task()


def test_paths(make_project: MakeProject) -> None:
    project = make_project(config=TASK.replace("e.jsonl", "data/faq/examples.jsonl"))
    task = project.task()
    assert project.path(task.corpus) == project.root / "c"
    assert project.splits_path(task) == project.root / "data/faq/splits.json"
    assert project.compiled_path(task) == project.root / "compiled/handbook"


def test_two_files_of_examples_have_their_own_splits(make_project: MakeProject) -> None:
    project = make_project(config=TASK.replace("e.jsonl", "data/faq.csv"))
    assert project.splits_path(project.task()) == project.root / "data/faq.splits.json"


def test_import_is_light() -> None:
    code = "import sys, ragc.project; print([m for m in ('pydantic', 'dspy', 'numpy', 'yaml') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
