"""The parts of a record that is being written: added one by one, found and cut back after a kill.

Every operation leaves, wherever it is cut off, parts whose readable beginning holds all that was
there before the steps that were to go.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gradgate.contracts import Part, sha256
from gradgate.telemetry.batch import HISTOGRAM_BINS, StepBatch
from gradgate.telemetry.columns import SCHEMA, from_table, to_table
from gradgate.telemetry.durable import sync_folder, write_durably

PARTS = "parts"
_NAME = re.compile(r"(\d{5,})\.parquet")
_ROWS = 8192  # in memory at a time, however long the run was
_MOST_OTHERS = 4096  # values of a step in a column whose width no card tells, such as of replicas
_VALUE, _SLACK = 32, 1 << 20  # bytes of a value with its place in a list, and of a page's head


class Parts:
    """What is on disk of a record that is not finished.

    Args:
        record: Directory of the record.

    Attributes:
        written: The parts that are whole, in order.
        damage: Why what follows them cannot be read; empty when nothing follows.
    """

    def __init__(self, record: Path) -> None:
        self._record = record
        self.written: list[Part] = []
        self.damage = ""

    @property
    def end(self) -> int:
        """The step after the last one."""
        return self.written[-1].last_step + 1 if self.written else 0

    def rows(self, before: int | None = None) -> int:
        """Number of steps on disk; of those `before` a step, if one is given."""
        end = self.end if before is None else before
        return sum(
            min(part.last_step + 1, end) - part.first_step
            for part in self.written
            if part.first_step < end
        )

    def has_files(self) -> bool:
        """Whether there is any part, readable or not."""
        return bool(self._paths())

    def add(self, batch: StepBatch) -> None:
        """Writes steps that follow those written before; they must rise by 1."""
        name = f"{PARTS}/{len(self.written):05d}.parquet"
        self.written.append(self._write(name, to_table(batch)))

    def find(self, *, variables: int, activations: int) -> Iterator[StepBatch]:
        """Yields the steps that a killed training left; `written` and `damage` are known after it.

        Args:
            variables: Number of variables.
            activations: Number of layers whose activations were looked at.
        """
        self.written, self.damage = [], ""
        for number, path in enumerate(self._paths()):
            name = f"{PARTS}/{path.name}"
            try:
                if path.name != f"{number:05d}.parquet":
                    raise ValueError(f"part {number:05d} is missing")
                data = path.read_bytes()
                batches = list(read_part(data, variables=variables, activations=activations))
                if not batches or batches[0].step[0] < self.end:
                    raise ValueError(f"does not go on from step {self.end}")
            except (ValueError, OSError) as error:
                self.damage = f"{name}: {error}"
                return
            first, last = int(batches[0].step[0]), int(batches[-1].step[-1])
            self.written.append(_part(name, data, first, last))
            yield from batches

    def cut(self, steps: int) -> bool:
        """Removes all steps from this one on, and whatever could not be read.

        The last part goes first, and the one that holds the step is replaced last, so at every
        moment all earlier steps are there.

        Returns:
            Whether there was anything to remove.
        """
        if self.end <= steps and not self.damage:
            return False
        kept = sum(part.first_step < steps for part in self.written)
        for path in reversed(self._paths()[kept:]):
            path.unlink()
        sync_folder(self._record / PARTS)
        del self.written[kept:]
        self.damage = ""
        if self.end > steps:
            part = self.written[-1]
            table = pq.ParquetFile(pa.BufferReader((self._record / part.path).read_bytes())).read()
            table = table.slice(0, steps - part.first_step)
            self.written[-1] = self._write(part.path, table)
        return True

    def _write(self, name: str, table: pa.Table) -> Part:
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        data = buffer.getvalue()
        write_durably(self._record / name, data)
        steps = table.column("step")
        return _part(name, data, steps[0].as_py(), steps[-1].as_py())

    def _paths(self) -> list[Path]:
        found = (self._record / PARTS).iterdir()
        return sorted(
            (path for path in found if _NAME.fullmatch(path.name)), key=lambda path: int(path.stem)
        )


def read_part(
    data: bytes, *, variables: int, activations: int, most_rows: int | None = None
) -> Iterator[StepBatch]:
    """Yields the steps of a part, in bounded memory.

    Args:
        data: The bytes of the file.
        variables: Number of variables.
        activations: Number of layers whose activations were looked at.
        most_rows: How many steps there may be; None for any number.

    Raises:
        ValueError: If these are not the bytes of a part, or its steps do not rise by 1.
    """
    expected = None
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        _refuse_bomb(file.metadata, most_rows, max(variables * HISTOGRAM_BINS, activations))
        known = [name for name in file.schema_arrow.names if name in SCHEMA.names]
        # Without threads: one that is still there when a short command ends can take it down.
        for rows in file.iter_batches(batch_size=_ROWS, columns=known, use_threads=False):
            batch = from_table(pa.Table.from_batches([rows]), variables, activations)
            first = int(batch.step[0]) if expected is None else expected
            if (batch.step != range(first, first + len(batch))).any():
                raise ValueError(f"steps do not rise by 1 from {first}")
            expected = first + len(batch)
            yield batch
    except (OSError, pa.ArrowException) as error:
        raise ValueError(str(error)) from error


def _refuse_bomb(footer: pq.FileMetaData, most_rows: int | None, width: int) -> None:
    """Refuses a small file that unpacks to more than its steps can hold, before it is unpacked.

    Args:
        footer: What the file says of itself.
        most_rows: How many steps there may be; None for any number.
        width: Most values that a step has in one column, as far as the model card says it.
    """
    if most_rows is not None and footer.num_rows > most_rows:
        raise ValueError(f"has {footer.num_rows} rows, the manifest says {most_rows}")
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        most = group.num_rows * max(width, _MOST_OTHERS)
        for place in range(group.num_columns):
            column = group.column(place)
            if column.num_values > most or column.total_uncompressed_size > _VALUE * most + _SLACK:
                raise ValueError(
                    f"column {column.path_in_schema} holds {column.num_values} values in"
                    f" {column.total_uncompressed_size} bytes, too many for {group.num_rows} steps"
                )


def _part(name: str, data: bytes, first: int, last: int) -> Part:
    return Part(
        path=name,
        size=len(data),
        sha256=sha256(data),
        rows=last - first + 1,
        first_step=first,
        last_step=last,
    )
