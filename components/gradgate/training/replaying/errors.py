"""What stands against taking a step again."""


class ReplayError(ValueError):
    """A step that cannot be taken again; the message says why, and what to do."""
