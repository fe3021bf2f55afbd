"""Keeps the terminal for the answer where TensorFlow and TFX, or code of the user's, are imported.

Their advice to users of Google's libraries is forty lines long, and is not about the question.
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Final

_LEVELS: Final = {"TF_CPP_MIN_LOG_LEVEL": "3", "ABSL_MIN_LOG_LEVEL": "3", "GRPC_VERBOSITY": "NONE"}
_THEIRS: Final = (
    r"(apache_beam|google|keras|pkg_resources|tensorflow(_\w+)?|tf_keras|tfx(_bsl)?)(\..*)?$"
)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within, their warnings are silent, and what is printed goes to standard error.

    An environment variable that is set stays: who wants to hear TensorFlow does.
    """
    for name, value in _LEVELS.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.filterwarnings("ignore", module=_THEIRS)
        yield
