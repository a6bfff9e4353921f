"""Words out of text."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.transforms.compose import Draw
from sparkdl.errors import DataError


class Tokenize:
    """Text (UTF-8 ``bytes`` or ``str``) to lists of tokens: every match of the regular expression ``pattern``.

    The default takes words and single punctuation marks; ``pattern="(?s)."`` single characters.
    """

    def __init__(self, pattern: str = r"\w+|[^\w\s]", lower: bool = True) -> None:
        self.pattern, self.lower = re.compile(pattern), lower

    def __call__(self, x: NDArray, draw: Draw) -> NDArray:
        tokens = np.empty(len(x), object)
        for i, text in enumerate(x):
            tokens[i] = self.tokens(text)
        return tokens

    def tokens(self, text: str | bytes) -> list[str]:
        """The tokens of one text."""
        if isinstance(text, bytes):
            try:
                text = text.decode()
            except UnicodeDecodeError as error:
                raise DataError(f"{self!r}: {text[:40]!r} is not UTF-8 text: {error}.") from error
        if not isinstance(text, str):
            raise DataError(f"{self!r} takes text, got {type(text).__name__}.")
        return self.pattern.findall(text.lower() if self.lower else text)

    def __repr__(self) -> str:
        return f"Tokenize({self.pattern.pattern!r}, lower={self.lower})"
