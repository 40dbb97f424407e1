"""An artifact for promptfoo: a configuration with the task's questions, and the Python that answers and scores them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ragc._files import write_atomically
from ragc._messages import shown_path
from ragc.errors import ConfigError

if TYPE_CHECKING:
    from ragc.artifact._manifest import Manifest
    from ragc.artifact._program import Artifact
    from ragc.data import Example
    from ragc.evaluation.metrics import Measure

CONFIG = "promptfooconfig.yaml"
_SCHEMA = "# yaml-language-server: $schema=https://promptfoo.dev/config-schema.json\n"
_MARK = "Written by `ragc export promptfoo"
_TEMPLATE = ("{{", "{%", "{#")
"""What promptfoo would take for a template in a question."""
_PROVIDER = '''"""{mark} {task}`: promptfoo calls it to answer and to score."""

from pathlib import Path

from ragc.artifact import promptfoo_answer, promptfoo_score

ARTIFACT = Path(__file__).resolve().parent / {path!r}
INPUTS = {inputs!r}
METRIC = {metric!r}


def call_api(prompt, options, context):
    """Answer one question with the artifact."""
    return promptfoo_answer(ARTIFACT, INPUTS, context)


def score(output, context):
    """Score one answer with the task's metric, 0 to 1."""
    return promptfoo_score(ARTIFACT, INPUTS, METRIC, output, context)
'''


def write_promptfoo(
    manifest: Manifest,
    examples: Sequence[Example],
    folder: Path,
    *,
    metric: Measure,
    split: str,
    threshold: float = 0.5,
) -> tuple[Path, ...]:
    """Write `promptfooconfig.yaml` and the Python that it names to `folder`, and return their paths.

    A question passes when the metric gives it `threshold` (0 to 1). Files of the same names that this did not write are
    left alone: ConfigError; so are metrics that need more than question, labels and answer.
    """
    import os

    import yaml

    if metric.need is not None:
        raise ConfigError(
            f'metric "{metric.spec}" needs the passages or a judge, which promptfoo does not hand over; '
            "name another with --metric answer_f1"
        )
    name = f"ragc_{manifest.task}.py"
    config, provider = folder / CONFIG, folder / name
    for path in (config, provider):
        if path.exists() and _MARK not in path.read_text("utf-8", errors="replace")[:1000]:
            raise ConfigError(f"{shown_path(path)} was not written by ragc export; move it, or name another --out")
    document = {
        "description": f"{_MARK} {manifest.task}`: artifact {manifest.name}, {split} split",
        "prompts": ["{{question}}"],
        "providers": [{"id": f"file://{name}", "label": f"{manifest.task} {manifest.name}"}],
        "defaultTest": {
            "options": {"disableVarExpansion": True},
            "assert": [
                {"type": "python", "value": f"file://{name}:score", "metric": metric.name, "threshold": threshold}
            ],
        },
        "tests": [_test(example) for example in examples],
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    way = os.path.relpath(os.path.realpath(manifest.path), os.path.realpath(folder))
    inputs = tuple(dict.fromkeys(["question", *(name for example in examples for name in example.inputs)]))
    code = _PROVIDER.format(mark=_MARK, task=manifest.task, path=way, inputs=inputs, metric=metric.spec)
    write_atomically(provider, code)
    write_atomically(config, _SCHEMA + text)
    return config, provider


def promptfoo_answer(artifact: Path, inputs: Sequence[str], context: Mapping[str, Any]) -> dict[str, Any]:
    """What a provider of promptfoo returns: the answer, or the error in one line.

    `inputs` are the names of the program's own: promptfoo adds variables of its own to a test's.
    """
    from ragc.errors import RagcError

    try:
        found = _loaded(artifact)(**_inputs(inputs, context))
    except RagcError as error:
        return {"error": str(error)}
    return {"output": str(found.answer), "metadata": {"citations": list(found.citations)}}


def promptfoo_score(
    artifact: Path, inputs: Sequence[str], metric: str, output: str, context: Mapping[str, Any]
) -> dict[str, Any]:
    """What an assertion of promptfoo returns: the score of one answer, and why.

    promptfoo itself says whether that passes, by the assertion's `threshold`.
    """
    labels = context["test"]["metadata"]
    measure, is_own = _metric(artifact, metric)
    answer: Any = SimpleNamespace(answer=output)
    if is_own:
        import dspy

        answer = dspy.Prediction(answer=output)
    scored = measure(_example(labels, _inputs(inputs, context)), answer)
    said = scored.feedback or f"accepted: {', '.join(labels['answers']) or 'only that it does not know'}"
    return {"pass": True, "score": scored.value, "reason": f"{metric} {scored.value:.2f}; {said}"}


@functools.lru_cache(maxsize=4)
def _loaded(artifact: Path) -> Artifact:
    from ragc.artifact._load import load

    return load(artifact)


@functools.lru_cache(maxsize=4)
def _metric(artifact: Path, spec: str) -> tuple[Measure, bool]:
    from ragc.evaluation import load_metric
    from ragc.project import Project

    measure = load_metric(Project.find(artifact), spec)
    return measure, measure.is_own


def _example(labels: Mapping[str, Any], inputs: Mapping[str, Any]) -> Example:
    from ragc.data import Example

    others = {name: value for name, value in inputs.items() if name != "question"}
    answers = tuple(labels["answers"])
    return Example(labels["id"], inputs["question"], answers, slice=labels.get("slice"), inputs=others)


def _inputs(names: Sequence[str], context: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in context["vars"].items() if name in names}


def _test(example: Example) -> dict[str, Any]:
    inputs = {"question": example.question, **example.inputs}
    metadata = {"id": example.id, "answers": list(example.answers), "slice": example.slice}
    return {
        "description": example.id,
        "vars": {name: _verbatim(value) for name, value in inputs.items()},
        "metadata": {name: value for name, value in metadata.items() if value is not None},
    }


def _verbatim(value: Any) -> Any:
    """A text that promptfoo would read as a template or as a file's name, so that it does not."""
    if isinstance(value, str) and (any(sign in value for sign in _TEMPLATE) or value.startswith("file://")):
        return f"{{% raw %}}{value}{{% endraw %}}"
    return value


def _plain(value: Any) -> Any:
    """The same text without the marks, where promptfoo hands it over as it was written."""
    if isinstance(value, str) and value.startswith("{% raw %}"):
        return value.removeprefix("{% raw %}").removesuffix("{% endraw %}")
    return value
