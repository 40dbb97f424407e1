"""Plants leaks in a copy of the handbook's labels and counts how many are found.

    python benchmarks/leaks.py [--seed 0] [--missed]

Each plant is a copy of a test question's label, put into the training split under another id: with the same question,
with one word of it changed (another word, a slip of a key, a word left out), and asked in other words (30 paraphrases,
written by hand). Others stand, with an accepted answer, in a demonstration or in the instructions of a program.
Printed is what share of each is found, and what is found where nothing was planted: on the handbook, and on the 876
questions of XQuAD where they are at hand (RAGC_BENCH_DATA, else ../shared/data), whose pairs are printed to be judged.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ragc.data import (
    Example,
    Splits,
    find_paraphrases,
    find_told,
    nearly_same,
    perhaps_same,
    read_examples,
    recorded_splits,
)
from ragc.project import EmbedderSettings
from ragc.retrieval import make_embedder

HANDBOOK = Path(__file__).resolve().parents[1] / "data" / "handbook"
XQUAD = Path(os.environ.get("RAGC_BENCH_DATA", HANDBOOK.parents[2] / "shared" / "data")) / "xquad_en" / "examples.jsonl"
EMBEDDER = "local/wordllama-256"

PARAPHRASES: Mapping[str, str] = {
    "relocation-amount-04": "How much does a B3 get for moving house inside the country on company business?",
    "data-disposal-01": "For what period are certificates about destroyed disks kept?",
    "halifax-seaday-01": "How much extra do Halifax people get for a day at sea?",
    "halifax-mileage-02": "Driving my own vehicle for work in Halifax: what is the rate per km for the first 5,000?",
    "data-restricted-storage-04": "On which drive may I keep files that are classed as Restricted?",
    "leave-selling-07": "Is it still possible to get cash for three unused holidays this autumn?",
    "rotterdam-allowance-01": "When in the year do Rotterdam staff receive their holiday money?",
    "bonus-joining-02": "What is the latest start date in Bristol that still counts for the bonus of 2025/26?",
    "leave-closure-03": "How much of my Bristol holiday is kept back for the shutdown at Christmas?",
    "halifax-cabin-02": "On domestic Canadian flights, how long must one be before Halifax staff get premium economy?",
    "canteen-price-35": "Price of the staff lunch (main dish) in the Gdańsk canteen?",
    "vpn-contractor-01": "For how many days can an outside contractor be given Pilot access before it must be renewed?",
    "pay-december-01": "When do Bristol people get their pay for December?",
    "sick-pay-09": "I'm in Bristol with nine years behind me and ill: how many weeks of half pay follow the full pay?",
    "shift-swap-23": "Until when can two of us in Gdańsk production still trade shifts in Harbour?",
    "parking-charge-32": "What is the time limit for leaving my electric car plugged in at the office?",
    "travel-approver-02": "Who has to sign off a trip from Bristol to a German conference these days?",
    "buying-single-source-01": "What is the validity of a PR-7 once it has been signed?",
    "sick-halifax-07": "Halifax, three years of service: how many days ill are paid in full each year?",
    "lisbon-late-02": "How much more do I earn on the late shift in Lisbon?",
    "flights-flexible-01": "By what percentage may a flexible fare exceed the fixed one?",
    "leave-long-service-08": "After seven years in Bristol, what is my annual holiday entitlement?",
    "sick-phased-return-02": "For how many weeks can someone come back gradually and still be paid in full?",
    "flights-carnet-01": "How early do I order an ATA carnet for a sensor that I demonstrate abroad?",
    "card-statement-01": "What's the deadline for adding receipts to last month's company card spending?",
    "pay-gdansk-account-07": "By which day must a Gdańsk worker change bank details for the coming wage to go there?",
    "oldbess-card-97": "What boat card must the skipper of Old Bess hold?",
    "lisbon-laptop-02": "How old does a laptop get in Lisbon before it is replaced?",
    "relocation-distance-01": "From what distance between home and the new job is moving paid for?",
    "leaving-redundancy-04": "If I'm made redundant, how much do I get for each year that I worked here?",
}
"""By the id of the test question that each asks in other words."""

Plant = tuple[Example, Example]
"""The test question, and what was planted of it."""


def copies(test: Sequence[Example], change: Callable[[Example], str | None]) -> list[Plant]:
    """A copy of each test question's label with its question changed; None: it cannot be changed so."""
    changed = ((example, change(example)) for example in test)
    return [
        (example, replace(example, id=f"planted-{example.id}", question=question, split=None))
        for example, question in changed
        if question is not None
    ]


def word_changed(test: Sequence[Example], rng: random.Random) -> list[Plant]:
    """One word is another one, from any question: neither a number nor the only word of its kind."""
    words = sorted({word for example in test for word in example.question.split() if word.isalpha() and len(word) > 3})

    def change(example: Example) -> str:
        return _exchanged(example.question, rng, lambda _: rng.choice(words))

    return copies(test, change)


def word_misspelt(test: Sequence[Example], rng: random.Random) -> list[Plant]:
    def slip(word: str) -> str:
        place = rng.randrange(1, max(2, len(word) - 1))
        return word[:place] + word[place + 1 :]

    return copies(test, lambda example: _exchanged(example.question, rng, slip))


def word_left_out(test: Sequence[Example], rng: random.Random) -> list[Plant]:
    return copies(test, lambda example: _exchanged(example.question, rng, lambda _: ""))


def _exchanged(question: str, rng: random.Random, new: Callable[[str], str]) -> str:
    words = question.split()
    place = rng.choice([i for i, word in enumerate(words) if not any(map(str.isdigit, word))])
    words[place] = new(words[place])
    return " ".join(filter(None, words))


def found_as_same(examples: Sequence[Example], plants: Iterable[Plant]) -> list[bool]:
    """Whether each plant, put among the examples, is found to ask the same as its original, or named as perhaps so."""
    planted = list(plants)
    together = [*examples, *(plant for _, plant in planted)]
    pairs = {(together[i].id, together[j].id) for i, j in (*nearly_same(together), *perhaps_same(together))}
    return [(original.id, plant.id) in pairs for original, plant in planted]


def found_as_paraphrase(examples: Sequence[Example], plants: Iterable[Plant]) -> list[bool]:
    planted = list(plants)
    together = [*examples, *(plant for _, plant in planted)]
    embed = make_embedder(EmbedderSettings(model=EMBEDDER)).embed_documents
    pairs = {(together[one.first].id, together[one.second].id) for one in find_paraphrases(together, embed)}
    return [(original.id, plant.id) in pairs for original, plant in planted]


def found_in_state(splits: Splits, plants: Iterable[Plant], state: Callable[[Example], object]) -> list[bool]:
    """Whether each is found in the state that `state` makes of it."""
    return [
        any(told.example.id == original.id for told in find_told(splits, {"respond": state(plant)}))
        for original, plant in plants
    ]


def in_demonstration(plant: Example) -> object:
    answer = (plant.answers or ("The handbook does not say.",))[0]
    demo = {"question": plant.question, "answer": answer}
    return {"signature": {"instructions": "Answer from the passages."}, "demos": [demo]}


def in_instructions(plant: Example) -> object:
    answer = (plant.answers or ("The handbook does not say.",))[0]
    told = f"Answer from the passages. For example, to the question {plant.question} the answer is {answer}. Be short."
    return {"signature": {"instructions": told}, "demos": []}


def between_splits(examples: Sequence[Example], splits: Splits, pairs: Iterable[tuple[int, int]]) -> list[str]:
    """The pairs that stand in two splits, as a person reads them."""
    held = {one.id: name for name in ("train", "validation", "test") for one in getattr(splits, name)}
    return [
        f"{examples[i].question} | {examples[j].question}"
        for i, j in pairs
        if held.get(examples[i].id) != held.get(examples[j].id)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--missed", action="store_true", help="print what was not found")
    arguments = parser.parse_args()
    examples = read_examples(HANDBOOK / "examples.jsonl")
    splits = recorded_splits(examples, HANDBOOK / "splits.json")
    test = splits.test
    rng = random.Random(arguments.seed)
    exact, changed = copies(test, lambda example: example.question), word_changed(test, rng)
    paraphrased = copies(test, lambda example: PARAPHRASES.get(example.id))
    by_label = [one for one in changed if one[0].answerable]
    without = [one for one in changed if not one[0].answerable]
    rows = [
        ("the same question", exact, found_as_same(examples, exact)),
        ("one word changed, answerable", by_label, found_as_same(examples, by_label)),
        ("one word changed, unanswerable", without, found_as_same(examples, without)),
        *(
            (name, plants, found_as_same(examples, plants))
            for name, plants in (
                ("a letter left out", word_misspelt(test, rng)),
                ("a word left out", word_left_out(test, rng)),
            )
        ),
        ("in other words, by words alone", paraphrased, found_as_same(examples, paraphrased)),
        (f"in other words, {EMBEDDER}", paraphrased, found_as_paraphrase(examples, paraphrased)),
        ("in a demonstration", exact, found_in_state(splits, exact, in_demonstration)),
        ("in a demonstration, a word changed", by_label, found_in_state(splits, by_label, in_demonstration)),
        ("in the instructions", exact, found_in_state(splits, exact, in_instructions)),
    ]
    print(f"planted in {len(examples)} labels, of {len(test)} test questions; found:")
    for name, plants, found in rows:
        print(f"  {name:36} {sum(found):4} of {len(found):4}  ({sum(found) / len(found):.1%})")
        if arguments.missed:
            for (original, plant), is_found in zip(plants, found, strict=True):
                if not is_found:
                    print(f"      {original.question}  ->  {plant.question}")
    embed = make_embedder(EmbedderSettings(model=EMBEDDER)).embed_documents
    begun = time.process_time()
    same = between_splits(examples, splits, [*nearly_same(examples), *perhaps_same(examples)])
    seconds = time.process_time() - begun
    begun = time.process_time()
    near = between_splits(examples, splits, ((one.first, one.second) for one in find_paraphrases(examples, embed)))
    took = time.process_time() - begun
    print(f"nothing planted, pairs between splits: {len(same)} by words ({seconds:.2f} s CPU), ", end="")
    print(f"{len(near)} by embeddings ({took:.2f} s)")
    if XQUAD.exists():
        others = read_examples(XQUAD)
        pairs = [*nearly_same(others), *perhaps_same(others)]
        also = [(one.first, one.second) for one in find_paraphrases(others, embed)]
        more = sorted(set(also) - set(pairs))
        print(f"XQuAD, {len(others)} questions: {len(pairs)} pairs by words, {len(more)} more by embeddings, such as")
        for i, j in [*pairs[:3], *more[:10]]:
            print(f"      {others[i].question}  |  {others[j].question}  |  {others[i].answers[0]}")


if __name__ == "__main__":
    main()
