"""Artifacts: what a compile run leaves behind, sealed so that nobody can touch it unnoticed, and loaded again.

    compiled/handbook/
      manifest.json   schema version, id and what it is made of, a hash of every other file and of itself
      state.json      instructions, demonstrations, retrieval settings
      corpus.json     the documents that it was compiled on, by id and digest
      answers.json    what the program answered to the test questions, before compiling and after
      source/         the program's own source, with the project modules that it imports
      card.md         the same for a person
      report.html     one self-contained page

Names are loaded on first use: reading and checking an artifact imports no DSPy, running one does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._lazy import on_first_use

if TYPE_CHECKING:
    from ragc.artifact._content import Candidate, Content
    from ragc.artifact._drift import Drift, drift
    from ragc.artifact._evaluated import last_evaluated, record_evaluation
    from ragc.artifact._figures import prompts, sealed_side, tried_settings
    from ragc.artifact._glance import Glance, glance, is_tested, replaces
    from ragc.artifact._home import chosen_lm, locate, reached_embedder
    from ragc.artifact._load import load
    from ragc.artifact._manifest import Manifest, Verified, read, verify
    from ragc.artifact._package import package
    from ragc.artifact._program import Artifact
    from ragc.artifact._promptfoo import promptfoo_answer, promptfoo_score, write_promptfoo
    from ragc.artifact._quotes import Outdated, quoted_documents
    from ragc.artifact._seal import Sealed, check_target, refuse_secrets, seal
    from ragc.artifact._sources import collect_sources
    from ragc.artifact._status import Moved, Status, status
    from ragc.artifact._suspects import Suspect, find_suspects
    from ragc.artifact.answers._audit import Audit, audit
    from ragc.artifact.answers._shown import audit_details, audit_rows

_HOME = {
    "Artifact": "_program",
    "Audit": "answers._audit",
    "Candidate": "_content",
    "Content": "_content",
    "Drift": "_drift",
    "Glance": "_glance",
    "Manifest": "_manifest",
    "Moved": "_status",
    "Outdated": "_quotes",
    "Sealed": "_seal",
    "Status": "_status",
    "Suspect": "_suspects",
    "Verified": "_manifest",
    "audit": "answers._audit",
    "audit_details": "answers._shown",
    "audit_rows": "answers._shown",
    "check_target": "_seal",
    "chosen_lm": "_home",
    "collect_sources": "_sources",
    "drift": "_drift",
    "find_suspects": "_suspects",
    "glance": "_glance",
    "is_tested": "_glance",
    "last_evaluated": "_evaluated",
    "load": "_load",
    "locate": "_home",
    "package": "_package",
    "promptfoo_answer": "_promptfoo",
    "promptfoo_score": "_promptfoo",
    "prompts": "_figures",
    "quoted_documents": "_quotes",
    "read": "_manifest",
    "reached_embedder": "_home",
    "record_evaluation": "_evaluated",
    "refuse_secrets": "_seal",
    "replaces": "_glance",
    "seal": "_seal",
    "sealed_side": "_figures",
    "status": "_status",
    "tried_settings": "_figures",
    "verify": "_manifest",
    "write_promptfoo": "_promptfoo",
}

__all__ = [
    "Artifact",
    "Audit",
    "Candidate",
    "Content",
    "Drift",
    "Glance",
    "Manifest",
    "Moved",
    "Outdated",
    "Sealed",
    "Status",
    "Suspect",
    "Verified",
    "audit",
    "audit_details",
    "audit_rows",
    "check_target",
    "chosen_lm",
    "collect_sources",
    "drift",
    "find_suspects",
    "glance",
    "is_tested",
    "last_evaluated",
    "load",
    "locate",
    "package",
    "promptfoo_answer",
    "promptfoo_score",
    "prompts",
    "quoted_documents",
    "reached_embedder",
    "read",
    "record_evaluation",
    "refuse_secrets",
    "replaces",
    "seal",
    "sealed_side",
    "status",
    "tried_settings",
    "verify",
    "write_promptfoo",
]


__getattr__, __dir__ = on_first_use(__name__, _HOME)
