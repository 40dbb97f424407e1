"""Many reader processes and one writer on one SQLite index: the benchmark, for as long as a test may take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).resolve().parents[3] / "benchmarks" / "readers.py"


def test_no_reader_fails_or_sees_half_an_update() -> None:
    command = [sys.executable, str(BENCHMARK), "--readers", "4", "--seconds", "3", "--documents", "60"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed     0" in done.stdout
