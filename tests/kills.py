"""A compile that is killed, at any moment and as often as one likes, and then goes on: what it cost, as others count.

What the provider was asked is counted by the provider, what the journal holds is read from a copy of its file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from launcher import Done
from scenes import THREADS, Scene


@dataclass(frozen=True)
class Moment:
    """So long after the provider has got so many requests in this command; or after its start, where that is 0."""

    requests: int
    seconds: float = 0.0


@dataclass(frozen=True)
class Kill:
    """What was so when the process was gone."""

    asked: int
    """Requests that the provider had got, in all commands."""
    delivered: int
    """Those that it had answered whole, as far as it knows."""
    journaled: int
    flying: int
    """Requests that the journal has down as on their way."""
    too_late: bool
    """The command had ended before."""


@dataclass(frozen=True)
class Story:
    """A compile that was killed and went on."""

    kills: tuple[Kill, ...]
    end: Done
    counts: Counter[str]
    """How often each request was sent, in all."""


@dataclass
class Clean:
    """The same compile, not disturbed."""

    done: Done
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def calls(self) -> int:
        return self.counts.total()


def undisturbed(scene: Scene, *arguments: str) -> Clean:
    """Compiles, and forgets that."""
    scene.forget()
    done = scene.compile(*arguments)
    counts = scene.provider.counts()
    scene.forget()
    return Clean(done, counts)


def killed(scene: Scene, moments: Iterable[Moment], *arguments: str) -> Story:
    """Compiles in a project that knows nothing yet, with a kill at each moment and the same command after it."""
    scene.forget()
    kills = []
    for moment in moments:
        before = scene.asked
        running = scene.start("compile", "--json", *arguments)
        running.until(lambda before=before, moment=moment: scene.asked - before >= moment.requests)  # type: ignore[misc]
        running.until(lambda: False, moment.seconds)
        too_late = running.has_ended
        running.kill()
        asked, delivered = scene.asked, scene.provider.counts(delivered=True).total()
        kills.append(Kill(asked, delivered, scene.in_journal(), scene.in_journal("flights"), too_late))
    return Story(tuple(kills), scene.compile(*arguments), scene.provider.counts())


def broken(story: Story, clean: Clean) -> list[str]:
    """What the story does not keep of what was promised; nothing, where all is well."""
    found = []
    if story.end.returncode != clean.done.returncode:
        return [f"ended with {story.end.returncode}: {story.end.stderr[-500:]}"]
    last = story.kills[-1]
    paid, known = story.end.json["paid_calls"], clean.done.json
    if story.end.json["id"] != known["id"]:
        found.append(f"artifact {story.end.json['id'][:8]}, not {known['id'][:8]}")
    if story.end.json["cost"] != known["cost"]:
        found.append(f"cost {story.end.json['cost']}, not {known['cost']}")
    if (again := story.counts.total() - last.asked) != clean.calls - last.journaled:
        found.append(f"{again} asked at the end, where {last.journaled} of {clean.calls} were in the journal")
    if paid != clean.calls - last.journaled:
        found.append(f"says that it paid {paid}, where {last.journaled} of {clean.calls} were in the journal")
    for before, kill in zip((Kill(0, 0, 0, 0, False), *story.kills), story.kills, strict=False):
        if kill.delivered - before.delivered > kill.journaled - before.journaled + THREADS:
            found.append(f"received and lost: {before}, {kill}")
        if kill.asked - before.asked > kill.journaled - before.journaled + kill.flying or kill.flying > THREADS:
            found.append(f"sent and not written down: {before}, {kill}")
    extra = story.counts - clean.counts
    if extra.total() > THREADS * len(story.kills):
        found.append(f"{extra.total()} asked again for {len(story.kills)} kills")
    if set(story.counts) != set(clean.counts):
        found.append("other questions than in the clean run")
    return found


def moments(luck: Random, calls: int, number: int) -> list[Moment]:
    """Anywhere in a run of so many calls: before the first, between two, while it seals."""
    return [Moment(luck.randrange(calls + 1), luck.choice((0.0, luck.uniform(0, 0.08)))) for _ in range(number)]
