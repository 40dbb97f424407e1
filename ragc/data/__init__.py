"""Examples and corpora: read, checked against each other, split."""

from __future__ import annotations

from ragc.data._corpus import Corpus, Document, Scalar, Skipped, read_corpus
from ragc.data._examples import Evidence, Example, examples_fingerprint, read_examples
from ragc.data._labels import Labels, Span, Stale, check_labels, gold_spans, is_gold, verbatim_in_corpus
from ragc.data._near import near_duplicates
from ragc.data._splits import Aside, Splits, assign_splits, find_leaks

__all__ = [
    "Aside",
    "Corpus",
    "Document",
    "Evidence",
    "Example",
    "Labels",
    "Scalar",
    "Skipped",
    "Span",
    "Splits",
    "Stale",
    "assign_splits",
    "check_labels",
    "examples_fingerprint",
    "find_leaks",
    "gold_spans",
    "is_gold",
    "near_duplicates",
    "read_corpus",
    "read_examples",
    "verbatim_in_corpus",
]
