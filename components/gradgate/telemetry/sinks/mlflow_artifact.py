"""Every step of a record in one Parquet file, unless it would be too large to upload."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.columns import SCHEMA, to_table

ARTIFACT = "series.parquet"
_ROWS = 4096  # in memory at a time, and in a row group, unless a batch has more


class SeriesFile:
    """Writes batch by batch, and stops when the file gets larger than it may be.

    Args:
        folder: Where the file is made.
        most_bytes: Largest size; 0 makes none.

    Attributes:
        path: Of the file; None as soon as it is known to be too large.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.path: Path | None = folder / ARTIFACT if most_bytes else None
        self._most_bytes = most_bytes
        self._waiting: list[pa.Table] = []
        self._rows = 0
        if self.path is not None:
            self._writer = pq.ParquetWriter(self.path, SCHEMA, compression="zstd")

    def add(self, batch: StepBatch) -> None:
        """Adds steps."""
        if self.path is None:
            return
        self._waiting.append(to_table(batch))
        self._rows += len(batch)
        if self._rows >= _ROWS:
            self._write()

    def close(self) -> Path | None:
        """Finishes the file; returns it unless it is too large."""
        if self.path is not None:
            self._write()
        if self.path is not None:
            self._writer.close()
            self._drop_if_too_large()
        return self.path

    def _write(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
            self._waiting, self._rows = [], 0
            self._drop_if_too_large()

    def _drop_if_too_large(self) -> None:
        assert self.path is not None, "asked only while there is a file"
        if self.path.stat().st_size > self._most_bytes:
            self._writer.close()
            self.path.unlink()
            self.path = None
