"""A compile run as an MLflow run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ragc
from conftest import RunRagc
from ragc.artifact import verify

from .conftest import configure


def test_the_run_is_logged_to_mlflow(hosted_project: Path) -> None:
    configure(hosted_project, 'tracking = "off"', 'tracking = "sqlite:///.ragc/mlflow.db"')
    result = ragc.compile(project=hosted_project, optimizer="bootstrap", settings={"candidates": "2"})
    script = (
        "import json, sys\n"
        "from mlflow import MlflowClient\n"
        "client = MlflowClient(tracking_uri=sys.argv[1])\n"
        "experiment = client.get_experiment_by_name('ragc/allotments')\n"
        "run, = client.search_runs([experiment.experiment_id])\n"
        "steps = client.get_metric_history(run.info.run_id, 'validation.candidate')\n"
        "files = [f.path for f in client.list_artifacts(run.info.run_id, 'compiled/allotments')]\n"
        "print(json.dumps({'params': run.data.params, 'metrics': run.data.metrics, 'tags': run.data.tags,\n"
        "  'steps': [s.step for s in steps], 'files': files, 'status': run.info.status,\n"
        "  'inputs': [d.dataset.name for d in run.inputs.dataset_inputs]}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, f"sqlite:///{hosted_project}/.ragc/mlflow.db"],
        capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["status"] == "FINISHED"
    assert found["tags"]["ragc.artifact"] == result.id
    assert found["params"]["optimizer.candidates"] == "2"
    assert found["steps"] == [1, 2]
    assert found["metrics"]["test.difference"] == pytest.approx(result.as_json()["test"]["difference"])
    assert found["metrics"]["test.difference_ci_low"] < found["metrics"]["test.difference"]
    assert "compiled/allotments/manifest.json" in found["files"]
    assert sorted(found["inputs"]) == ["corpus", "examples", "splits"]


def test_a_tracking_server_that_is_down_costs_a_warning(hosted_project: Path, run_ragc: RunRagc) -> None:
    configure(hosted_project, 'tracking = "off"', 'tracking = "http://127.0.0.1:9"')
    done = run_ragc("compile", cwd=hosted_project)
    assert done.returncode == 0
    assert "warning: not tracked: the tracking server at http://127.0.0.1:9 cannot be reached" in done.stderr
    verify(hosted_project / "compiled" / "allotments")
