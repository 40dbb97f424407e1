"""`calibration.json`: what a judge was found to be worth, known by its model and its prompt.

Another model, another temperature, another word in the instructions: another judge, which is not calibrated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ragc._files import write_atomically, write_error
from ragc._messages import shown_path
from ragc.errors import DataError
from ragc.evaluation.judge._agreement import FEWEST, Agreement
from ragc.evaluation.judge._judgements import beside

SCHEMA = 1
NOT_CALIBRATED = "not calibrated"
"""What stands beside every figure of a judge that was not compared with people."""


@dataclass(frozen=True)
class Repeats:
    """The same answers, judged several times."""

    answers: int
    times: int
    changed: float
    """The share of answers that did not get the same word every time."""
    deviation: float
    """Standard deviation of an answer's scores, on average."""


@dataclass(frozen=True)
class Calibration:
    """One judge against people, on one task."""

    metric: str
    model: str
    prompt: str
    """`Judge.prompt`."""
    agreement: Agreement
    repeats: Repeats | None
    errors: int
    """Labelled answers to which the judge gave no score."""
    time: str


@dataclass(frozen=True)
class Judged:
    """Who judged a figure, and whether that judge is calibrated: what stands beside it everywhere."""

    metric: str
    model: str
    prompt: str
    calibration: Calibration | None = None

    @property
    def is_calibrated(self) -> bool:
        """Whether it was compared with people on enough answers."""
        return self.calibration is not None and self.calibration.agreement.n >= FEWEST

    @property
    def note(self) -> str:
        """A few words: `not calibrated`, or how far it agrees with people."""
        if self.calibration is None or not self.is_calibrated:
            return NOT_CALIBRATED
        found = self.calibration.agreement
        text = f"calibrated on {found.n} labels, agreement {100 * found.agreement:.0f}%"
        return text if found.kappa is None else f"{text}, κ {found.kappa:.2f}{interval(found)}"

    @property
    def sentence(self) -> str:
        """The whole of it, for a card or below a table."""
        who = f"Judged by {self.model}, {self.note}"
        return f"{who}." if self.is_calibrated else f"{who}: compare it with {FEWEST} labels of your own (ragc judge)."

    def as_json(self) -> dict[str, Any]:
        """For `--json` and the manifest."""
        found = self.calibration.agreement if self.calibration is not None and self.is_calibrated else None
        return {
            "metric": self.metric,
            "model": self.model,
            "prompt": self.prompt,
            "calibrated": found is not None,
            "note": self.note,
            "sentence": self.sentence,
            "n": 0 if found is None else found.n,
            "agreement": None if found is None else found.agreement,
            "kappa": None if found is None else found.kappa,
            "kappa_low": None if found is None else found.kappa_low,
            "kappa_high": None if found is None else found.kappa_high,
        }


def marked(metric: str, judged: Judged | None) -> str:
    """The metric as it stands before a score: `semantic_f1 (judge not calibrated)` where that is so."""
    return metric if judged is None or judged.is_calibrated else f"{metric} (judge {judged.note})"


def interval(found: Agreement) -> str:
    """` [0.55, 0.93]`; nothing where there is none."""
    return "" if found.kappa_low is None else f" [{found.kappa_low:.2f}, {found.kappa_high:.2f}]"


def calibration_beside(examples: Path) -> Path:
    """Where a task's calibrations are: `calibration.json` beside `examples.…`."""
    return beside(examples, "calibration.json")


def find_calibration(path: Path, metric: str, model: str, prompt: str) -> Calibration | None:
    """The newest calibration of that judge in a file; None where there is none. Raises DataError for a broken file."""
    same = [one for one in _read(path) if (one.metric, one.model, one.prompt) == (metric, model, prompt)]
    return same[-1] if same else None


def keep_calibration(path: Path, calibration: Calibration) -> None:
    """Write it beside those of other judges, in the place of an older one of the same. Raises DataError, RagcError."""
    key = (calibration.metric, calibration.model, calibration.prompt)
    kept = [one for one in _read(path) if (one.metric, one.model, one.prompt) != key]
    document = {"schema": SCHEMA, "calibrations": [asdict(one) for one in (*kept, calibration)]}
    try:
        write_atomically(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        raise write_error(path, error) from error


def _read(path: Path) -> list[Calibration]:
    if not path.exists():
        return []
    broken = f"{shown_path(path)} is damaged: restore it from version control, or take it away and calibrate again"
    try:
        document = json.loads(path.read_text("utf-8"))
        if document["schema"] > SCHEMA:
            raise DataError(f"{shown_path(path)}: schema {document['schema']} is newer than this ragc reads ({SCHEMA})")
        return [_calibration(one) for one in document["calibrations"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(broken) from error


def _calibration(record: Mapping[str, Any]) -> Calibration:
    plain = {name: record[name] for name in ("metric", "model", "prompt", "errors", "time")}
    agreement = Agreement(**{one.name: record["agreement"][one.name] for one in fields(Agreement)})
    repeats = record["repeats"]
    return Calibration(agreement=agreement, repeats=None if repeats is None else Repeats(**repeats), **plain)
