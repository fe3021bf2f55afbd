"""What a training is compared with: earlier healthy verdicts of its pipeline, or one pinned one.

`folder` keeps and finds them, and touches the disk; all else is pure. A baseline never decides by
itself: without one, or with one that is not fit, a rule is not proven.
"""
