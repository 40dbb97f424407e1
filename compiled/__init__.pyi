"""Written by ragc, so that editors and type checkers know the names."""

from ragc.artifact import Artifact

handbook: Artifact
