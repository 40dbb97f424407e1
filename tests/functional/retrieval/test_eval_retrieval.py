"""`ragc eval --retrieval`: what retrieval alone is worth, without a model."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provider import Provider
from ragc.evaluation import MEASURES
from scenes import LOCAL, configure, model_table

Run = Callable[..., Any]


def test_a_grid_of_k_and_alpha_with_slices_and_what_was_missed(project: Path, run_ragc: Run) -> None:
    done = run_ragc(
        "eval", "allotments", "--retrieval", "--k", "1,4", "--alpha", "0,1", "--json", "--csv", "g.csv", cwd=project
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(one["alpha"], one["k"]) for one in found["settings"]] == [(0, 1), (0, 4), (1, 1), (1, 4)]
    for one in found["settings"]:
        assert one["n"] == found["n"] == 12 - found["without_evidence"]
        assert all(0 <= one[name] <= 1 for name in MEASURES)
        assert all(low <= one[name] <= high for name, (low, high) in one["intervals"].items())
    assert found["settings"][1]["recall"] >= found["settings"][0]["recall"] > 0.3
    assert sum(part[0]["n"] for part in found["slices"].values()) == found["n"]
    lines = list(csv.DictReader((project / "g.csv").read_text("utf-8").splitlines()))
    assert [[float(line[f"ndcg{end}"]) for end in ("_low", "", "_high")] for line in lines[:4]] == [
        [one["intervals"]["ndcg"][0], one["ndcg"], one["intervals"]["ndcg"][1]] for one in found["settings"]
    ]
    assert [line["slice"] for line in lines[4::4]] == list(found["slices"])
    assert found["best"] in found["settings"]
    assert found["paid"] is None
    assert 0 < found["unanswerable"] <= found["without_evidence"]
    complete = found["best"]["recall"] == 1
    assert bool(found["missed"]) != complete
    for missed in found["missed"]:
        assert missed["evidence"]
        assert 1 <= len(missed["instead"]) <= 3


def test_what_is_printed_and_checked(project: Path, run_ragc: Run) -> None:
    done = run_ragc("eval", "--retrieval", "--k", "1", "--alpha", "1", "--fail-under", "0.99", cwd=project)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("allotments retrieval on ")
    assert lines[1].strip() == "1 question left out: no evidence in the label, 1 of them unanswerable"
    assert lines[3].split() == ["alpha", "k", "precision", "recall", "95%", "interval", "MRR", "nDCG"]
    assert lines[4].endswith("best")
    assert "missed     evidence of " in done.stdout
    assert "  wanted  " in done.stdout
    assert "retrieval recall of allotments is 0." in done.stderr
    again = run_ragc("eval", "--retrieval", "--k", "1", "--alpha", "1", cwd=project)
    assert (again.returncode, again.stdout) == (0, done.stdout)


def test_no_model_is_asked(project: Path, hosted_model: Provider, run_ragc: Run) -> None:
    configure(project, LOCAL, model_table(hosted_model))
    done = run_ragc("eval", "--retrieval", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    assert hosted_model.requests == []
    assert len(json.loads(done.stdout)["settings"]) == 20
