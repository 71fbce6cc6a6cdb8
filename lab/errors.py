"""The one error of the lab: a line for a person, and nothing left broken behind it."""


class LabError(Exception):
    """What went wrong and what to do about it, in one line."""
