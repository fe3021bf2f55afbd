"""What stops the set-up and needs a person: the message says what, got what and what to do."""


class Problem(Exception):  # noqa: N818 - a problem of the machine, not an error of the program
    """Shown as it is, without a traceback."""
