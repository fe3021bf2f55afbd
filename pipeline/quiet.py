"""Turns down what TensorFlow, TFX and Beam say of their own accord, and settles their kernels.

Call `hush` before the first import of any of them: TensorFlow reads its environment once.
What is left goes to file descriptors 1 and 2 from C++, where only a redirection catches it.
"""

import logging
import os
import warnings

_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "2",  # C++: errors only
    "ABSL_MIN_LOG_LEVEL": "2",
    "GRPC_VERBOSITY": "ERROR",
    # oneDNN's fused ReLU makes a NaN a 0, TensorFlow's own lets it through. TensorFlow chooses
    # by the CPU (oneDNN where there is AVX512-VNNI); here the story is the same on every one.
    "TF_ENABLE_ONEDNN_OPTS": "1",
}
_LOGGERS = ("absl", "apache_beam", "google", "keras", "tensorflow", "tfx")
_MODULES = r"(apache_beam|google|keras|pkg_resources|tensorflow(_\w+)?|tf_keras|tfx(_bsl)?)(\..*)?$"


def hush() -> None:
    """Sets levels and filters for this process; an environment variable that is set stays."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=_MODULES)
