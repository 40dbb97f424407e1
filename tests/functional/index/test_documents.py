"""`ragc index` on a folder of PDF, tables and text: pages in what is found, and what cannot be read."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from fpdf import FPDF

Run = Callable[..., "subprocess.CompletedProcess[str]"]
CORPUS = Path("data/allotments/corpus")


def write_pdf(path: Path, *pages: str) -> None:
    pdf = FPDF()
    for text in pages:
        pdf.add_page()
        pdf.set_font("Helvetica", size=11)
        pdf.multi_cell(0, 6, text)
    pdf.output(str(path))


def test_a_pdf_is_found_with_its_page_and_read_once(project: Path, tmp_path: Path, run_ragc: Run) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    hives, swarms = "Hives stand behind the shed. " * 20, "A swarm is told to the warden. " * 20
    write_pdf(project / CORPUS / "bees.pdf", hives, swarms)
    (project / CORPUS / "copy.md").write_text((project / CORPUS / "rent.md").read_text())
    (project / CORPUS / "scan.pdf").write_bytes(b"%PDF-1.7")

    done = run_ragc("index", "--json", cwd=project, env=env)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["documents"] == 12
    assert [one["path"] for one in report["skipped"]] == ["scan.pdf"]
    assert report["noted"] == [{"path": "rent.md", "kind": "duplicate", "text": "the same text as copy.md"}]

    done = run_ragc("search", "who is told of a swarm", "--k", "1", "--json", cwd=project, env=env)
    (found,) = json.loads(done.stdout)["passages"]
    assert found["document"] == "bees.pdf"
    assert found["metadata"] == {"format": "pdf", "page": 2}
    assert "bees.pdf, page 2" in run_ragc("search", "who is told of a swarm", cwd=project, env=env).stdout

    done = run_ragc("index", cwd=project, env=env)
    assert "12 unchanged; 0 passages embedded" in done.stdout
    assert "rent.md: duplicate: the same text as copy.md" in done.stdout

    done = run_ragc("index", "--strict", cwd=project, env=env)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "scan.pdf: not a PDF that can be opened" in done.stderr
