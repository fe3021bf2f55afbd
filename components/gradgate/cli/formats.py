"""The forms in which commands write."""

from enum import Enum


class Format(str, Enum):
    """How a verdict is written."""

    text = "text"
    json = "json"
    markdown = "markdown"
    html = "html"
    junit = "junit"
    sarif = "sarif"


class Listing(str, Enum):
    """How everything else is written: for people, or for programs."""

    text = "text"
    json = "json"
