"""More real data that is installed anyway: wines, digits in other shapes, Python's manual."""

import functools
import re
from pydoc_data.topics import topics

import numpy as np
from sklearn.datasets import load_wine

from programs.data import Arrays, diabetes, digits, tumours
from programs.program import standardised

WORDS, LENGTH, TOPICS = 2000, 24, 4  # words that are known, words of a passage, topics to tell
CHARACTERS, WINDOW = 64, 32


def wines() -> Arrays:
    """178 rows of 13 measurements, from 0.1 to 1680 in their own units; growers 0 to 2."""
    x, y = load_wine(return_X_y=True)
    return x.astype(np.float32), y


def scaled_tumours() -> Arrays:
    """The tumours, each measurement with mean 0 and deviation 1."""
    x, y = tumours()
    return standardised(x), y


def scaled_diabetes() -> Arrays:
    """The diabetes table, measurements and target with mean 0 and deviation 1."""
    x, y = diabetes()
    return standardised(x), standardised(y.reshape(-1, 1))


def digit_images() -> Arrays:
    """The digits as [8, 8, 1], from 0 to 1."""
    return _digits_as(8, 8, 1)


def digit_rows() -> Arrays:
    """The digits as 8 steps of 8 pixels, from 0 to 1."""
    return _digits_as(8, 8)


def digit_pixels() -> Arrays:
    """The digits as 64 steps of one pixel, from 0 to 1."""
    return _digits_as(64, 1)


@functools.cache
def passages() -> Arrays:
    """1,940 passages of 24 words of 4 chapters of Python's manual, and which chapter."""
    chapters = sorted(topics, key=lambda name: (-len(topics[name]), name))[:TOPICS]
    texts = [re.findall(r"[a-z_]+", topics[name].lower()) for name in chapters]
    words, counts = np.unique(np.concatenate(texts), return_counts=True)
    known = words[np.argsort(-counts, kind="stable")][: WORDS - 1]
    number = {word: place + 1 for place, word in enumerate(known)}
    rows = [
        ([number.get(word, 0) for word in text[start : start + LENGTH]], label)
        for label, text in enumerate(texts)
        for start in range(0, len(text) - LENGTH, LENGTH // 2)
    ]
    return np.array([row for row, _ in rows], np.int32), np.array([y for _, y in rows], np.int32)


@functools.cache
def next_characters() -> Arrays:
    """1,998 times 32 characters of Python's manual in a row, and the 32 one place further on."""
    text = topics["compound"].lower()[:24_000]
    known = sorted(set(text), key=lambda each: (-text.count(each), each))[: CHARACTERS - 1]
    number = {each: place + 1 for place, each in enumerate(known)}
    codes = np.array([number.get(each, 0) for each in text], np.int32)
    starts = range(0, len(codes) - WINDOW - 1, 12)
    windows = np.stack([codes[start : start + WINDOW + 1] for start in starts])
    return windows[:, :-1], windows[:, 1:]


def _digits_as(*shape: int) -> Arrays:
    x, y = digits()
    return x.reshape(-1, *shape), y
