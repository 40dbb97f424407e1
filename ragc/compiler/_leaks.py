"""Leaks that are found before anything is paid: questions in two splits in other words, a program that was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._messages import counted
from ragc.compiler._candidate import state_of
from ragc.compiler._events import OnEvent, Warned
from ragc.data import SPLITS, find_paraphrases, perhaps_same, refuse_told
from ragc.retrieval import is_local, make_embedder

if TYPE_CHECKING:
    from ragc.compiler._bench import Bench


def tell_leaks(bench: Bench, on_event: OnEvent) -> None:
    """Warns of questions in two splits that may ask the same; of paraphrases where the embedder makes no call.

    Raises DataError where the uncompiled program knows a test question: nothing that it answers would be a test.
    """
    splits = bench.labelled.splits
    refuse_told(splits, state_of(bench.program()), "the program")
    held = [(name, example) for name in SPLITS for example in getattr(splits, name)]
    examples = [example for _, example in held]
    pairs = set(perhaps_same(examples))
    settings = bench.project.settings.embedder
    if is_local(settings):
        embed = make_embedder(settings).embed_documents
        pairs |= {(found.first, found.second) for found in find_paraphrases(examples, embed)}
    across = [
        f"{examples[i].named} in {held[i][0]} and {examples[j].named} in {held[j][0]}"
        for i, j in sorted(pairs)
        if held[i][0] != held[j][0]
    ]
    if across:
        number = f"{counted(len(across), 'pair')} of questions in two splits may ask the same in other words"
        on_event(Warned(f"{number}, such as {across[0]}: `ragc check {bench.task.name}` lists them"))
