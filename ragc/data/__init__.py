"""Examples and corpora: read, checked against each other, split."""

from __future__ import annotations

from ragc.data._corpus import Corpus, Document, Scalar, Skipped, read_corpus
from ragc.data._doubts import Doubts, doubt_labels, unsupported_in_words
from ragc.data._drafts import Draft, Drafts, drafts_beside, passage_key, read_drafts, read_known
from ragc.data._edited import contradict, nearly_same, perhaps_same
from ragc.data._examples import SPLITS, Evidence, Example, examples_fingerprint, read_examples
from ragc.data._findings import Finding
from ragc.data._health import Health, Repeated, check_data
from ragc.data._inputs import check_inputs
from ragc.data._labels import Labels, Span, Stale, check_labels, evidence_fault, gold_spans, is_gold
from ragc.data._lines import json_records
from ragc.data._near import near_duplicates
from ragc.data._nearest import Lost, Nearest, find_lost
from ragc.data._openings import (
    OpenedTest,
    Opening,
    Openings,
    check_openings,
    in_times,
    open_test,
    openings_beside,
    read_openings,
    record_renewal,
    too_often,
)
from ragc.data._paraphrases import Embed, Paraphrase, find_paraphrases
from ragc.data._places import Places, place_in_words, placed
from ragc.data._renewal import Renewal, renew_test
from ragc.data._splits import Aside, Splits, assign_splits, find_leaks, recorded_splits
from ragc.data._told import Told, find_told, refuse_told
from ragc.data._verbatim import Verbatim, telling_answers, unsupported_answers, verbatim_in_corpus

__all__ = [
    "Aside",
    "Corpus",
    "Document",
    "Doubts",
    "Draft",
    "Drafts",
    "Embed",
    "Evidence",
    "Example",
    "Finding",
    "Health",
    "Labels",
    "Lost",
    "Nearest",
    "OpenedTest",
    "Opening",
    "Openings",
    "Paraphrase",
    "Places",
    "Renewal",
    "Repeated",
    "SPLITS",
    "Scalar",
    "Skipped",
    "Span",
    "Splits",
    "Stale",
    "Told",
    "Verbatim",
    "assign_splits",
    "check_data",
    "check_inputs",
    "check_labels",
    "check_openings",
    "contradict",
    "doubt_labels",
    "drafts_beside",
    "evidence_fault",
    "examples_fingerprint",
    "find_leaks",
    "find_lost",
    "find_paraphrases",
    "find_told",
    "gold_spans",
    "in_times",
    "is_gold",
    "json_records",
    "near_duplicates",
    "nearly_same",
    "open_test",
    "openings_beside",
    "passage_key",
    "perhaps_same",
    "place_in_words",
    "placed",
    "read_corpus",
    "read_drafts",
    "read_examples",
    "read_known",
    "read_openings",
    "record_renewal",
    "recorded_splits",
    "refuse_told",
    "renew_test",
    "telling_answers",
    "too_often",
    "unsupported_answers",
    "unsupported_in_words",
    "verbatim_in_corpus",
]
