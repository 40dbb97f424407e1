"""A faster exact scan for large collections: sqlite-vec's own blocks of vectors, multiplied by numpy.

sqlite-vec's wheels are built without SIMD and pick the nearest of a block one by one: 37 ms of processor time for the
nearest 100 of 100,000 vectors of 256 dimensions. The same blocks, read one after the other into one buffer that stays
in the processor's cache, take 9. What comes out are candidates, with room for the rounding of 32 bits; the distances
that decide are sqlite-vec's, so that a result does not depend on the way it was found.

Of sqlite-vec's storage this knows two tables: `…_chunks` has for each block which places are taken and by what, and
`…_vector_chunks00` its vectors. A block of another form ends the scan, and the caller asks sqlite-vec.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import apsw

if TYPE_CHECKING:
    from ragc.retrieval._query import Vector

FEWEST_BLOCKS = 16
"""Blocks (1,024 vectors each) from which this is worth importing numpy for."""
_ROUNDING = 1e-4
"""How far a product in 32 bits may be off: ten times what 4,096 dimensions can add up to in practice."""

Distances = list[tuple[int, float]]


def scan(connection: apsw.Connection, n: int, vector: Vector, depth: int) -> Distances | None:
    """Return number and cosine distance of the `depth` nearest passages, nearest first, ties by number.

    None: the collection is small, or not stored as this expects.
    """
    blocks = connection.execute("SELECT name FROM sqlite_schema WHERE name = ?", (f"vectors_{n}_chunks",)).get
    if not blocks or (connection.execute(f"SELECT count(*) FROM vectors_{n}_chunks").get or 0) < FEWEST_BLOCKS:
        return None
    candidates = _candidates(connection, n, vector, depth)
    if candidates is None:
        return None
    # CROSS: one look-up a candidate; with IN sqlite-vec would read every vector.
    found: list[Any] = connection.execute(
        "SELECT v.rowid, vec_distance_cosine(v.vector, ?) AS far FROM json_each(?) AS c"
        f" CROSS JOIN vectors_{n} AS v ON v.rowid = c.value ORDER BY far, v.rowid LIMIT ?",
        (vector.tobytes(), json.dumps(candidates), depth),
    ).fetchall()
    return found


def _candidates(connection: apsw.Connection, n: int, vector: Vector, depth: int) -> list[int] | None:
    """Numbers of the passages that may be among the nearest; vectors are normalised, so that products are cosines."""
    import numpy as np

    wanted = np.frombuffer(vector, dtype=np.float32)
    columns = "chunk_id, size, validity, rowids"
    blocks: list[Any] = connection.execute(f"SELECT {columns} FROM vectors_{n}_chunks").fetchall()
    size = blocks[0][1]
    buffer = np.empty((size, len(wanted)), dtype=np.float32)
    products = np.empty((len(blocks), size), dtype=np.float32)
    blob: apsw.Blob | None = None
    try:
        for row, (id_, places, validity, rowids) in enumerate(blocks):
            blob = _opened(connection, n, id_, blob)
            whole = blob.length() == buffer.nbytes and len(rowids) == 8 * size and 8 * len(validity) == size
            if places != size or not whole:
                return None
            blob.read_into(memoryview(buffer.data).cast("B"))
            np.dot(buffer, wanted, out=products[row])
            products[row][np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little") == 0] = -np.inf
    except apsw.SQLError:  # no such table or column
        return None
    finally:
        if blob is not None:
            blob.close()
    flat = products.ravel()
    depth = min(depth, len(flat))
    least = np.partition(flat, len(flat) - depth)[len(flat) - depth] - _ROUNDING
    numbers = np.frombuffer(b"".join(block[3] for block in blocks), dtype=np.int64)
    found: list[int] = numbers[(flat >= least) & np.isfinite(flat)].tolist()
    return found


def _opened(connection: apsw.Connection, n: int, id_: int, blob: apsw.Blob | None) -> apsw.Blob:
    if blob is None:
        return connection.blob_open("main", f"vectors_{n}_vector_chunks00", "vectors", id_, False)
    blob.reopen(id_)
    return blob
