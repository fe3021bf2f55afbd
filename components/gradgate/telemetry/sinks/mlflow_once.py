"""Calls that make something, and that MLflow must not repeat by itself.

Its client sends every request again whose answer was lost, whatever it asks for: a version that was
made then is made twice. We look first, ask once, and look again.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


@contextmanager
def asking_once() -> Iterator[None]:
    """Lets MLflow send each request once; it reads its environment at each call.

    For the sender alone, which has one thread.
    """
    before = os.environ.get(_RETRIES)
    os.environ[_RETRIES] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_RETRIES]
        else:
            os.environ[_RETRIES] = before
