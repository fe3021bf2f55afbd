"""What a failure to send means: try this address later, try this job later, or never."""

import json
import re
from typing import Literal

from mlflow.exceptions import MlflowException, RestException
from requests.exceptions import RequestException
from sqlalchemy.exc import OperationalError

Remedy = Literal["address", "job", "never"]
_ADDRESS = {401, 403, 429, 502, 503, 504}  # of the server, or of what stands before it
_JOB = {408, 500}
_TIMEOUTS = {"ReadTimeout", "ReadTimeoutError"}  # of requests, of urllib3
_HINTS = {
    401: "check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    403: "this user may not write there: check MLFLOW_TRACKING_USERNAME, or ask for the right",
}
_UNKNOWN_HOST = (
    "the server does not know itself by the name in its address: start it with"
    " --allowed-hosts NAME,NAME:PORT (both forms)"
)
_PLAIN = (
    (re.compile(r"(?:\[Errno -?\d+\] |Error\(\d+, ')([^'\")]+)"), "{}"),
    (re.compile(r"too many (\d+) error responses"), "the server answers {}"),
    (re.compile(r"failed with error code (\d+)"), "the server answers {}"),
)


def remedy(error: BaseException) -> Remedy:
    """Returns what to wait for before the job is tried again.

    Returns:
        "address": the server is away, slow, overloaded, locked or closed to us, or is none; until
        that is mended nothing else gets there either. "job": the server, or what it answered,
        broke at this job; others may go through. "never": trying again cannot help.
    """
    if isinstance(error, MlflowException):
        if isinstance(_cause(error), RequestException):
            return "address"
        status = error.get_http_status_code()
        if status in _ADDRESS or (status == 404 and not isinstance(error, RestException)):
            return "address"  # MLflow's own 404 is about a run or an experiment
        return "job" if status in _JOB else "never"
    answer = getattr(error, "response", None)
    if answer is not None:  # to an upload, which MLflow hands on as it came
        status = answer.status_code
        return "address" if status in _ADDRESS else "job" if status >= 500 else "never"
    if isinstance(error, (RequestException, ConnectionError, TimeoutError, OperationalError)):
        return "address"
    return "job" if isinstance(error, json.JSONDecodeError) else "never"


def is_timeout(error: BaseException) -> bool:
    """Whether the server may only be slow."""
    cause: object = _cause(error) or error
    for _ in range(4):  # with no retry left, the time-out is wrapped as what made retrying end
        if type(cause).__name__ in _TIMEOUTS or isinstance(cause, TimeoutError):
            return True
        wrapped = getattr(cause, "args", ())
        cause = getattr(cause, "reason", None) or (wrapped[0] if wrapped else None)
    return False


def reason(error: BaseException) -> str:
    """Returns why, in one line for people."""
    text = " ".join(str(error).split()) or type(error).__name__
    if is_timeout(error):
        return "no answer in time"
    found = ((pattern.search(text), form) for pattern, form in _PLAIN)
    plain = next((form.format(match[1]) for match, form in found if match), text[:300])
    status = error.get_http_status_code() if isinstance(error, MlflowException) else None
    if status == 403 and "Invalid Host header" in text:
        return f"{plain}: {_UNKNOWN_HOST}"
    return f"{plain}: {_HINTS[status]}" if status in _HINTS else plain


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ or error.__context__
