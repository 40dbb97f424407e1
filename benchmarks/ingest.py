"""Reading 1,000 mixed files: time, the most resident memory of all processes, parallel beside serial, and again.

The files are made from passages of Wikipedia (`RAGC_BENCH_DATA`: a folder with `wiki_passages/*.jsonl`): a fixed mix of
Markdown, PDF, DOCX, PPTX, XLSX, HTML, CSV and e-mail. Needs the extra `documents`, fpdf2 and python-docx.

    python benchmarks/ingest.py [--files 1000]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

PAGES = 4
"""Passages in a file, and pages of a PDF."""
READ = """
import json, sys, time
from pathlib import Path
from ragc.data import read_corpus
begun = time.perf_counter()
corpus = read_corpus(Path(sys.argv[1]), strict=True)
print(json.dumps([time.perf_counter() - begun, len(corpus.documents), corpus.fingerprint]))
"""


def texts(data: Path) -> Iterator[tuple[str, str]]:
    """Titles and passages, again from the start when they are used up; half the text in the core fonts of a PDF."""
    found = []
    for file in sorted(data.glob("wiki_passages/*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            record = json.loads(line)
            plain = record["text"].encode("latin-1", "ignore").decode("latin-1")
            found.append((str(record.get("title") or record["id"]), " ".join(plain.split())))
    if not found:
        sys.exit(f"error: no wiki_passages/*.jsonl in {data}; set RAGC_BENCH_DATA")
    return itertools.cycle(found)


def write_markdown(path: Path, parts: list[tuple[str, str]]) -> None:
    path.write_text("\n\n".join(f"# {title}\n\n{text}" for title, text in parts), "utf-8")


def write_html(path: Path, parts: list[tuple[str, str]]) -> None:
    body = "".join(f"<h2>{title}</h2><p>{text}</p>" for title, text in parts)
    path.write_text(f"<html><head><title>{parts[0][0]}</title></head><body>{body}</body></html>", "utf-8")


def write_csv(path: Path, parts: list[tuple[str, str]]) -> None:
    import csv

    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("title", "text"), *parts])


def write_eml(path: Path, parts: list[tuple[str, str]]) -> None:
    from email.message import EmailMessage

    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ada@example.org", "bob@example.org", parts[0][0][:60]
    message.set_content("\n\n".join(text for _, text in parts))
    path.write_bytes(message.as_bytes())


def write_pdf(path: Path, parts: list[tuple[str, str]]) -> None:
    from fpdf import FPDF

    pdf = FPDF()
    for title, text in parts:
        pdf.add_page()
        pdf.set_font("Helvetica", size=11)
        pdf.multi_cell(0, 6, f"{title.encode('latin-1', 'ignore').decode('latin-1')}\n\n{text}")
    pdf.output(str(path))


def write_docx(path: Path, parts: list[tuple[str, str]]) -> None:
    import docx

    document = docx.Document()
    for title, text in parts:
        document.add_heading(title, 1)
        document.add_paragraph(text)
    document.save(str(path))


def write_pptx(path: Path, parts: list[tuple[str, str]]) -> None:
    import pptx

    deck = pptx.Presentation()
    for title, text in parts:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text = title, text
    deck.save(str(path))


def write_xlsx(path: Path, parts: list[tuple[str, str]]) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (("Title", "Text"), *parts):
        book.active.append(row)
    book.save(path)


WRITERS: dict[str, tuple[int, Callable[[Path, list[tuple[str, str]]], None]]] = {
    "pdf": (30, write_pdf),
    "docx": (25, write_docx),
    "md": (15, write_markdown),
    "html": (10, write_html),
    "pptx": (5, write_pptx),
    "xlsx": (5, write_xlsx),
    "csv": (5, write_csv),
    "eml": (5, write_eml),
}
"""Suffix: percent of the files, and who writes it."""


def make(folder: Path, files: int, passages: Iterator[tuple[str, str]]) -> dict[str, int]:
    made = {}
    for suffix, (share, write) in WRITERS.items():
        made[suffix] = files * share // 100
        for number in range(made[suffix]):
            write(folder / f"{number:04}.{suffix}", list(itertools.islice(passages, PAGES)))
    return made


def read(folder: Path, cache: Path, readers: int | None) -> tuple[float, str, int]:
    """Seconds, fingerprint, and the most resident bytes of the process and all below it."""
    env = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    if readers is not None:
        env["RAGC_READERS"] = str(readers)
    process = subprocess.Popen([sys.executable, "-c", READ, str(folder)], stdout=subprocess.PIPE, env=env)
    most, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            most[0] = max(most[0], resident(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    answer = process.communicate()[0]
    stop.set()
    watcher.join()
    if process.returncode:
        sys.exit(f"error: reading ended with {process.returncode}")
    seconds, _, fingerprint = json.loads(answer)
    return seconds, fingerprint, most[0]


def resident(pid: int) -> int:
    """Resident bytes of a process and its children, shared pages counted for each; 0 where /proc is not."""
    try:
        own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = {child for task in tasks for child in (task / "children").read_text().split()}
    except (OSError, IndexError):
        return 0
    return own + sum(resident(int(child)) for child in children)


def main() -> None:
    parser = argparse.ArgumentParser(description="Read many mixed files.")
    parser.add_argument("--files", type=int, default=1_000)
    files = parser.parse_args().files
    passages = texts(Path(os.environ.get("RAGC_BENCH_DATA", "")))
    root = Path(tempfile.mkdtemp(prefix="ragc-ingest-"))
    try:
        (root / "corpus").mkdir()
        made = make(root / "corpus", files, passages)
        print(f"{sum(made.values()):,} files: {', '.join(f'{n} {suffix}' for suffix, n in made.items())}")
        parallel, first, memory = read(root / "corpus", root / "one", None)
        again, second, _ = read(root / "corpus", root / "one", None)
        serial, third, _ = read(root / "corpus", root / "two", 1)
        if not first == second == third:
            sys.exit("error: the same files gave different corpora")
        print(f"read in parallel  {parallel:6.1f} s   {memory / 2**20:,.0f} MiB resident at most, all processes")
        print(f"one after another {serial:6.1f} s   {serial / parallel:.2f} times as long")
        print(f"again, unchanged  {again:6.2f} s")
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
