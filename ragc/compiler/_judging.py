"""Answers for people to judge, and the judge compared with what they said."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragc._files import write_atomically, write_error
from ragc._messages import counted
from ragc.artifact import chosen_lm, load, verify
from ragc.compiler._bench import Bench, open_bench
from ragc.compiler._events import OnEvent, Working, ignore
from ragc.compiler._history import open_evaluation, open_look
from ragc.compiler._interrupts import Interrupts
from ragc.compiler._judged import judge_settings, open_judge
from ragc.data import read_examples
from ragc.errors import ArtifactError, ConfigError, DataError
from ragc.evaluation import is_abstention, load_metric
from ragc.evaluation.judge import (
    FEWEST,
    JUDGED,
    Calibration,
    Item,
    Judgement,
    add_judgements,
    calibrated,
    calibration_beside,
    judgements_beside,
    keep_calibration,
    read_judgements,
    read_labels,
)
from ragc.models import prepare_model
from ragc.project import Project

if TYPE_CHECKING:
    import dspy

    from ragc.data import Example
    from ragc.evaluation import Measure, Traced
    from ragc.models import Gateway
    from ragc.project import TaskSettings

ARMS = ".ragc/arms"
"""Below it a comparison seals its arms, a folder an experiment."""
FREE = "refusal"
"""A metric that asks nobody, for answers that people are to judge."""


@dataclass(frozen=True)
class Judging:
    """The answers of one task that people judge for one metric."""

    project: Project
    task: TaskSettings
    metric: Measure
    items: tuple[Item, ...]
    """All that can be judged, in a seeded random order."""
    judgements: Mapping[str, Judgement]
    """What was said so far, by item: of these items and of earlier answers."""

    @property
    def path(self) -> Path:
        """The file of judgements."""
        return judgements_beside(self.project.path(self.task.examples))

    @property
    def open(self) -> tuple[Item, ...]:
        """The items that nobody has judged."""
        return tuple(item for item in self.items if item.id not in self.judgements)

    def add(self, judgement: Judgement) -> None:
        """Keep one judgement, durably. Raises RagcError where the file cannot be written."""
        add_judgements(self.path, [judgement])

    def take(self, labels: Path) -> int:
        """Keep labels from elsewhere, lines of `{"id": …, "label": …}`; how many. Raises DataError, and takes none."""
        found = read_labels(labels, {item.id: item for item in self.items})
        add_judgements(self.path, found)
        return len(found)


def open_judging(
    task: str | None = None,
    *,
    project: Project | Path | str | None = None,
    metric: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    on_event: OnEvent = ignore,
) -> Judging:
    """The answers of a task that are to be judged: of its artifact, its sealed arms and its uncompiled program.

    They are what the journal knows of the training and validation questions; the test split stays closed. Where that is
    less than a calibration needs, artifact and uncompiled program are asked for the others. Answers that no judge is
    asked about are left out: abstentions, answers to unanswerable questions and, for `semantic_f1`, what is accepted
    word for word. `metric` is the task's where that is judged, else `semantic_f1`.

    Raises:
        RagcError: what cannot be used, in one line; a judgement of an answer or an example that is not known.
    """
    found, chosen, measure = _chosen(project, task, metric)
    known = read_judgements(judgements_beside(found.path(chosen.examples)), _ids(found, chosen))
    items: dict[str, Item] = {}
    sources = list(_sources(found, chosen))
    for asks in (False, True):
        if asks and len(items) >= FEWEST:
            break
        for source in sources:
            if asks and source.is_arm:
                continue
            for item in _answers(source, chosen, measure, threads, on_event, asks=asks):
                items.setdefault(item.id, item)
    order = sorted(items)
    random.Random(f"{seed}/{chosen.name}/{measure.name}/judge").shuffle(order)
    mine = {id_: one for id_, one in known.items() if one.item.metric == measure.name}
    return Judging(found, chosen, measure, tuple(items[id_] for id_ in order), mine)


def calibrate(
    task: str | None = None,
    *,
    project: Project | Path | str | None = None,
    metric: str | None = None,
    repeats: int = 3,
    threads: int | None = None,
    on_event: OnEvent = ignore,
) -> Calibration:
    """Compare the configured judge with what people said of a task's answers, and keep it beside the examples.

    Raises:
        DataError: fewer than 30 labels, or a judgement of an answer or an example that is not known.
        RagcError: the judge cannot be asked.
    """
    if repeats < 1:
        raise ConfigError(f"--repeats {repeats}: expected 1 or more")
    found, chosen, measure = _chosen(project, task, metric)
    settings = judge_settings(found, measure)
    if settings is None:
        raise ConfigError('no judge in [tool.ragc]: name a model that judges, such as judge = "openai/gpt-5"')
    path = judgements_beside(found.path(chosen.examples))
    mine = [one for one in read_judgements(path, _ids(found, chosen)).values() if one.item.metric == measure.name]
    mine, which = _unseen(found, measure, mine)
    if len(mine) < FEWEST:
        raise DataError(
            f"{counted(len(mine), 'label')} of {measure.name}{which}: a calibration needs {FEWEST}; "
            f"judge {FEWEST - len(mine)} more (ragc judge {chosen.name})"
        )
    prepare_model(settings)
    opened = open_evaluation(found, chosen, on_event)
    with closing(opened.gateway) as gateway, gateway.watching(), Interrupts(gateway):
        judge = open_judge(found, measure, gateway)
        if judge is None:
            raise ConfigError("no judge to calibrate")
        with gateway.step("calibration"):
            calibration = calibrated(
                judge,
                measure.name,
                mine,
                repeats=repeats,
                threads=threads or settings.threads or 8,
                on_judged=lambda done, total: on_event(Working("judge", done, total)),
            )
        gateway.journal.update_run(gateway.run, state="sealed")
    keep_calibration(calibration_beside(found.path(chosen.examples)), calibration)
    return calibration


def labels_of(judging: Judging) -> int:
    """How many labels there are now for what is judged, in its file."""
    known = read_judgements(judging.path, _ids(judging.project, judging.task))
    return sum(one.item.metric == judging.metric.name for one in known.values())


def export_judgements(path: Path, task: str | None = None, *, project: Project | Path | str | None = None) -> int:
    """Write the judgements of a task's answers as labelled examples for compiling the judge (`AnswerJudge`); how many.

    Raises DataError where there are none, RagcError where the file cannot be written.
    """
    import json

    found, chosen, _ = _chosen(project, task, "semantic_f1")
    known = read_judgements(judgements_beside(found.path(chosen.examples)), _ids(found, chosen))
    lines = [
        {
            "id": one.item.id,
            "question": one.item.question,
            "answers": [one.label],
            "accepted": list(one.item.accepted),
            "given": one.item.given,
            "slice": one.label,
        }
        for one in known.values()
        if one.item.metric == "semantic_f1"
    ]
    if not lines:
        raise DataError(f"no label of semantic_f1 yet: ragc judge {chosen.name}")
    try:
        write_atomically(path, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
    except OSError as error:
        raise write_error(path, error) from error
    return len(lines)


def _unseen(project: Project, metric: Measure, known: list[Judgement]) -> tuple[list[Judgement], str]:
    """The judgements that a compiled judge has not seen, those of its test split, and a word on that; else all."""
    folder = metric.settings.get("judge")
    if folder is None:
        return known, ""
    tested = (verify(project.path(folder)).identity["scores"].get("test") or {}).get("baseline") or {}
    return [one for one in known if one.item.id in tested], f" that {folder} was tested on"


def _chosen(
    project: Project | Path | str | None, task: str | None, metric: str | None
) -> tuple[Project, TaskSettings, Measure]:
    found = project if isinstance(project, Project) else Project.find(project)
    chosen = found.task(task)
    spec = metric or chosen.metric
    if metric is None and not load_metric(found, spec).wants_judge:
        spec = "semantic_f1"
    measure = load_metric(found, spec)
    if measure.name not in JUDGED or not measure.wants_judge:
        raise ConfigError(f'metric "{measure.spec}" is not judged: expected {", ".join(JUDGED)}')
    return found, chosen, measure


def _ids(project: Project, task: TaskSettings) -> set[str]:
    return {example.id for example in read_examples(project.path(task.examples))}


@dataclass(frozen=True)
class _Source:
    """A program that has answers, and the project with the model that gives them."""

    name: str
    project: Project
    place: Path | None = None
    """The artifact; None: the program as it is written."""
    is_arm: bool = False


def _sources(project: Project, task: TaskSettings) -> Iterator[_Source]:
    places = [place for place in (project.compiled_path(task),) if place.is_dir()]
    arms = sorted(manifest.parent for manifest in project.path(ARMS).glob("*/*/manifest.json"))
    for place in (*places, *arms):
        is_arm = place not in places
        try:
            manifest = verify(place)
        except ArtifactError:
            if is_arm:
                continue  # a comparison makes it again
            raise
        if manifest.task != task.name:
            continue
        settings = project.settings.model_copy(update={"lm": chosen_lm(manifest, None)})
        yield _Source(manifest.name, replace(project, settings=settings), place, is_arm)
    yield _Source("uncompiled", project)


def _answers(
    source: _Source, task: TaskSettings, metric: Measure, threads: int | None, on_event: OnEvent, *, asks: bool
) -> Iterator[Item]:
    """What `source` answered, from the journal alone unless it `asks`."""

    def gateway(*_: object) -> Gateway:
        opened = open_evaluation(project, task, on_event) if asks else open_look(project, task)
        return opened.gateway

    project = source.project
    bench = open_bench(
        project,
        task.model_copy(update={"metric": FREE}),
        gateway_for=gateway,
        threads=threads,
        on_event=on_event if asks else ignore,
        is_replay=not asks,
    )
    with closing(bench), bench.context(), Interrupts(bench.gateway):
        program = bench.program() if source.place is None else _sealed(bench, source.place)
        splits = bench.labelled.splits
        examples = [example for example in (*splits.train, *splits.validation) if example.answerable]
        label = "asks" if asks else "journal"
        with bench.gateway.step("answers"):
            runs = bench.evaluator.trace(program, examples)
            try:
                for number, (example, traced) in enumerate(zip(examples, runs, strict=True), 1):
                    on_event(Working(label, number, len(examples)))
                    item = _item(example, traced, metric, source)
                    if item is not None:
                        yield item
            finally:
                runs.close()
        if asks:
            bench.gateway.journal.update_run(bench.gateway.run, state="sealed")


def _sealed(bench: Bench, place: Path) -> dspy.Module:
    program: dspy.Module = load(place).program
    bench.bind(program)
    return program


def _item(example: Example, traced: Traced, metric: Measure, source: _Source) -> Item | None:
    """The answer as people judge it; None where there is none, or no judge would be asked about it."""
    from ragc._text import answer_key

    answer = traced.outcome.answer
    if answer is None or not answer.strip() or is_abstention(answer):
        return None
    context: Sequence[str] = ()
    if metric.name == "semantic_f1" and answer_key(answer) in {answer_key(one) for one in example.answers}:
        return None
    if metric.name == "faithfulness":
        context = [f"{passage.source}\n{passage.text}" for passage in traced.prediction.passages]
    if metric.name == "tone":
        context = metric.settings["style"].rules
    return Item(
        example.id,
        metric.name,
        example.question,
        example.answers,
        answer,
        tuple(context),
        model=source.project.settings.lm.model,
        source=source.name,
    )
