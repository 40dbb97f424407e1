"""The error tree. Every error a user can meet is one line that says what, where and what to do.

RagcError                    exit code 2
├── ConfigError              [tool.ragc], a flag, a program or an optimizer that does not load
├── DataError                examples, splits, corpus
├── StoreError               the index or the store behind it
├── ModelError               weights, keys, a provider that refuses for good
├── ArtifactError            touched, newer, or made for another index
├── BudgetError              a budget that cannot fund the run (refused before anything is paid)
│   └── BudgetExhausted      the search's share is used up; the run goes on with its best so far (exit 3)
├── Interrupted              Ctrl-C: no further call is begun (exit 130)
├── CheckFailed              a check that the user asked for did not hold (exit 1)
└── ExampleError             one example could not be answered; counted and shown, never scored
"""

from __future__ import annotations


class RagcError(Exception):
    """Root of every error that ragc raises on purpose.

    `exit_code` is what the command line exits with. The message is one line: what was found, where, what was
    expected, what to do.
    """

    exit_code = 2


class ConfigError(RagcError):
    """The configuration, a flag, a program or an optimizer cannot be used."""


class DataError(RagcError):
    """Examples, splits or corpus cannot be used."""


class StoreError(RagcError):
    """The store cannot be reached or written, or holds an index made with other settings."""


class ModelError(RagcError):
    """A model cannot be used at all: unknown, without key or weights, or refused by its provider for good."""


class ArtifactError(RagcError):
    """An artifact was touched, is of a newer schema, or does not fit the index it is loaded with."""


class BudgetError(RagcError):
    """The budget cannot fund the run; raised before anything is paid."""


class BudgetExhausted(BudgetError):
    """The search's share of the budget is used up. Caught by the compiler, which goes on with the best so far."""

    exit_code = 3


class Interrupted(RagcError):
    """The run was interrupted: no further call is begun."""

    exit_code = 130


class CheckFailed(RagcError):
    """A check that the user asked for did not hold."""

    exit_code = 1


class ExampleError(RagcError):
    """One example could not be answered (context exceeded, output that does not parse); counted, never scored."""

    transient = False
    """Whether the same example may be answered when it is asked again."""
