"""The judge: a model that scores answers, what people say of the same answers, and how far the two agree.

Names are loaded on first use: reading what is calibrated needs neither dspy nor statsmodels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._lazy import on_first_use

if TYPE_CHECKING:
    from ragc.evaluation.judge._agreement import FEWEST, Agreement, Opinion, agreement_of, family
    from ragc.evaluation.judge._calibrate import calibrated
    from ragc.evaluation.judge._calibration import (
        NOT_CALIBRATED,
        Calibration,
        Judged,
        Repeats,
        calibration_beside,
        find_calibration,
        keep_calibration,
        marked,
    )
    from ragc.evaluation.judge._judge import JUDGED, Judge, NotJudged, prompt_of
    from ragc.evaluation.judge._judgements import (
        Item,
        Judgement,
        add_judgements,
        judgements_beside,
        read_judgements,
        read_labels,
    )
    from ragc.evaluation.judge._levels import LEVELS, WORTH, Level, level_of
    from ragc.evaluation.judge._programs import SHARES, AnswerJudge, GradeAnswer, OffScale, StyleJudge, SupportJudge

_HOME = {
    "Agreement": "_agreement",
    "AnswerJudge": "_programs",
    "Calibration": "_calibration",
    "FEWEST": "_agreement",
    "GradeAnswer": "_programs",
    "Item": "_judgements",
    "JUDGED": "_judge",
    "Judge": "_judge",
    "Judged": "_calibration",
    "Judgement": "_judgements",
    "LEVELS": "_levels",
    "Level": "_levels",
    "NOT_CALIBRATED": "_calibration",
    "NotJudged": "_judge",
    "OffScale": "_programs",
    "Opinion": "_agreement",
    "Repeats": "_calibration",
    "SHARES": "_programs",
    "StyleJudge": "_programs",
    "SupportJudge": "_programs",
    "WORTH": "_levels",
    "add_judgements": "_judgements",
    "agreement_of": "_agreement",
    "calibrated": "_calibrate",
    "calibration_beside": "_calibration",
    "family": "_agreement",
    "find_calibration": "_calibration",
    "judgements_beside": "_judgements",
    "keep_calibration": "_calibration",
    "level_of": "_levels",
    "marked": "_calibration",
    "prompt_of": "_judge",
    "read_judgements": "_judgements",
    "read_labels": "_judgements",
}

__all__ = [
    "Agreement",
    "AnswerJudge",
    "Calibration",
    "FEWEST",
    "GradeAnswer",
    "Item",
    "JUDGED",
    "Judge",
    "Judged",
    "Judgement",
    "LEVELS",
    "Level",
    "NOT_CALIBRATED",
    "NotJudged",
    "OffScale",
    "Opinion",
    "Repeats",
    "SHARES",
    "StyleJudge",
    "SupportJudge",
    "WORTH",
    "add_judgements",
    "agreement_of",
    "calibrated",
    "calibration_beside",
    "family",
    "find_calibration",
    "judgements_beside",
    "keep_calibration",
    "level_of",
    "marked",
    "prompt_of",
    "read_judgements",
    "read_labels",
]

__getattr__, __dir__ = on_first_use(__name__, _HOME)
