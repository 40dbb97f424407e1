"""The embedded store: one SQLite file, with FTS5 for text and sqlite-vec for vectors."""
