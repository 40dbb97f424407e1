"""One compile run: read and check, index, estimate, baseline, optimizer, select, test once, seal, log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragc.artifact import check_target, collect_sources, refuse_secrets
from ragc.compiler._bench import Bench, open_bench
from ragc.compiler._compilation import Compilation
from ragc.compiler._eventlog import Teller
from ragc.compiler._events import OnEvent, ignore
from ragc.compiler._history import Opened, identify, only_run, open_look, open_replay, open_run
from ragc.compiler._interrupts import Interrupts
from ragc.compiler._result import CompileResult
from ragc.data import check_openings
from ragc.errors import ConfigError, RagcError
from ragc.project import Budget, Project, load_optimizer, optimizer_settings

if TYPE_CHECKING:
    import dspy

    from ragc.compiler._bench import Labelled
    from ragc.models import Gateway


def compile(  # noqa: PLR0913  the public name of what the product does, and its command's flags
    task: str | None = None,
    *,
    project: Project | Path | str | None = None,
    optimizer: str | None = None,
    settings: Mapping[str, Any] | None = None,
    lm: str | None = None,
    budget: Mapping[str, Any] | None = None,
    seed: int = 0,
    threads: int | None = None,
    fresh: bool = False,
    replay: bool | str | Path = False,
    dry_run: bool = False,
    exact: bool = False,
    strict: bool = False,
    target: Path | None = None,
    events: Path | None = None,
    on_event: OnEvent = ignore,
    on_second_interrupt: Callable[[], None] | None = None,
) -> CompileResult:
    """Compiles a task of `project` (default: the one around the working folder) and seals the result.

    What was paid for once is in the project's journal: the same command goes on with a run that was killed, and asks
    nothing anew where nothing changed, unless `fresh`. Ctrl-C, or a budget that runs out, seals the best so far: see
    `CompileResult.stopped`.

    `settings` are the optimizer's, as text or as they are; `lm` stands in for the configured model, and `budget`
    (`usd`, `calls`, `input_tokens`, `output_tokens`, `seconds`) for the task's caps. With `replay` everything comes
    from the journal: the last such run, from the export at a path, or as the artifact of an id was made; no key, no
    network, no call. With `dry_run` no LM call is made and the result holds the estimate alone; with `exact` as well,
    the provider counts the tokens of the first prompts, where it does. `events` is a file to which every event is
    appended, one JSON object a line. `target` is the folder to seal into, `compiled/<task>` by default.
    `on_second_interrupt` is called at the second Ctrl-C; without it KeyboardInterrupt is raised again.

    Raises:
        BudgetError: the budget cannot fund baseline, one candidate and the final test.
        RagcError: anything else the user can mend, before or while it runs; nothing is sealed then.
    """
    if exact and not dry_run:
        raise ConfigError("exact goes with a dry run (--dry-run --exact): a run observes what its questions take")
    if replay and (fresh or dry_run):
        raise ConfigError("a replay asks nothing: it goes neither with --fresh nor with --dry-run")
    found = project if isinstance(project, Project) else Project.find(project)
    if lm is not None:
        found = found.with_lm(lm)
    chosen = found.task(task)
    name = optimizer or chosen.optimizer
    if name is None:
        raise RagcError(f'task "{chosen.name}" has no optimizer: set one in [tool.ragc.tasks.{chosen.name}]')
    function = load_optimizer(found, name)
    values = optimizer_settings(function, settings or {})
    caps = Budget() if replay else caps_of(chosen.budget, budget or {})
    check_target(target or found.compiled_path(chosen))
    started = time.perf_counter()
    opened: list[Opened] = []
    teller = Teller(on_event, events)

    def gateway_for(labelled: Labelled, program: type[dspy.Module]) -> Gateway:
        modules = {"program": program.__module__, "optimizer": function.__module__}
        decisions = {"program name": program.__qualname__, "optimizer name": name, "settings": values, "seed": seed}
        identity = identify(found, chosen, labelled, modules, **decisions)
        if dry_run:
            opened.append(open_look(found, chosen))
        elif replay:
            opened.append(open_replay(found, chosen, identity, replay, on_event=teller))
        else:
            check_openings(labelled.openings.path)
            opened.append(open_run(found, chosen, identity, caps, fresh=fresh, on_event=teller))
        teller.follow(opened[0].gateway)
        return opened[0].gateway

    with teller, only_run(found, chosen, teller) if not (dry_run or replay) else nullcontext():
        bench = open_bench(
            found,
            chosen,
            gateway_for=gateway_for,
            threads=threads,
            on_event=teller,
            strict=strict,
            is_replay=bool(replay),
        )
        with closing(bench), bench.context(), Interrupts(bench.gateway, on_second_interrupt):
            _refuse_secrets(bench, values)
            compilation = Compilation(
                bench,
                opened[0],
                name,
                function,
                values,
                caps,
                seed,
                teller,
                started,
                replay=bool(replay),
                target=target,
            )
            result = compilation.dry(exact=exact) if dry_run else compilation.whole()
            teller.result(result.as_json())
            return result


def caps_of(configured: Budget, given: Mapping[str, Any]) -> Budget:
    """The configured budget with the caps that were given. Raises ConfigError for one of another name, or no cap."""
    for name in given:
        if name not in Budget.model_fields:
            near = get_close_matches(name, Budget.model_fields, n=1)
            hint = f'. Did you mean "{near[0]}"?' if near else ""
            raise ConfigError(f'budget: unknown cap "{name}": expected {", ".join(Budget.model_fields)}{hint}')
    return Budget.from_flags(configured, **given)


def _refuse_secrets(bench: Bench, values: Mapping[str, Any]) -> None:
    """Raises ArtifactError for a key in what will be sealed whatever the run finds: refused before anything is paid."""
    sources = collect_sources(bench.project.root, bench.program_class.__module__)
    settings = bench.project.settings
    refuse_secrets(
        {**sources, "--set": json.dumps(dict(values), default=str).encode()},
        settings.lm.model_dump(),
        settings.embedder.model_dump(),
    )
