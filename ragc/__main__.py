"""`python -m ragc`: the same as `ragc`."""

from __future__ import annotations

from ragc.cli import main

if __name__ == "__main__":
    main()
