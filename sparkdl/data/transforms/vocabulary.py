"""Numbers for tokens."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkdl.carry import carry
from sparkdl.data.transforms.compose import Draw
from sparkdl.data.transforms.tokenize import Tokenize
from sparkdl.errors import DataError, FormatError

PAD, UNKNOWN = 0, 1


class Vocabulary:
    """As a step: lists of tokens to lists of their numbers. 0 is padding, 1 any token that is not in ``tokens``.

    ``Vocabulary.of(texts)`` counts tokens in an iterable of texts, ``Vocabulary.of_frame(df, column)`` in a DataFrame;
    both keep the most frequent, ties in order of the text. ``save(path)`` and ``load(path)`` use a JSON file.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self.tokens = list(tokens)
        self.index = {token: 2 + i for i, token in enumerate(self.tokens)}
        if len(self.index) != len(self.tokens):
            raise ValueError("Vocabulary: a token is given twice.")

    @classmethod
    def of(
        cls, texts: Iterable[str | bytes], tokenize: Tokenize | None = None, most: int | None = None, least: int = 1
    ) -> Vocabulary:
        """The ``most`` frequent tokens that occur at least ``least`` times."""
        step = tokenize or Tokenize()
        return cls._of_counts(Counter(token for text in texts for token in step.tokens(text)), most, least)

    @classmethod
    def of_frame(
        cls, df: Any, column: str, tokenize: Tokenize | None = None, most: int | None = None, least: int = 1
    ) -> Vocabulary:
        """The same over a text column, counted by Spark's tasks."""
        step = tokenize or Tokenize()

        def count(batches: Iterator[Any]) -> Iterator[Any]:
            import pyarrow as pa

            counts: Counter[str] = Counter()
            for batch in batches:
                for text in batch.column(0).drop_null().to_pylist():
                    counts.update(step.tokens(text))
            columns = [pa.array(list(counts), pa.string()), pa.array(list(counts.values()), pa.int64())]
            yield pa.RecordBatch.from_arrays(columns, names=["token", "n"])

        if column not in df.columns:
            raise DataError(f"Vocabulary.of_frame: there is no column {column!r}; there are {', '.join(df.columns)}.")
        parts = df.select(column).mapInArrow(carry(count), "token string, n bigint")
        total = parts.groupBy("token").sum("n")
        return cls._of_counts(Counter({row[0]: row[1] for row in total.collect()}), most, least)

    @classmethod
    def _of_counts(cls, counts: Counter[str], most: int | None, least: int) -> Vocabulary:
        ranked = sorted((-n, token) for token, n in counts.items() if n >= least)
        return cls(token for _, token in ranked[:most])

    def __len__(self) -> int:
        """Rows that an embedding needs: all tokens, padding and unknown."""
        return 2 + len(self.tokens)

    def __call__(self, x: NDArray, draw: Draw) -> NDArray:
        numbers = np.empty(len(x), object)
        for i, tokens in enumerate(x):
            if not isinstance(tokens, list):
                kind = type(tokens).__name__
                raise DataError(f"{self!r} takes lists of tokens, got {kind}; put Tokenize() before it.")
            numbers[i] = [self.index.get(token, UNKNOWN) for token in tokens]
        return numbers

    def save(self, path: str | Path) -> None:
        """Write the tokens to a JSON file."""
        Path(path).write_text(json.dumps({"format": "sparkdl vocabulary", "version": 1, "tokens": self.tokens}))

    @classmethod
    def load(cls, path: str | Path) -> Vocabulary:
        """Read what ``save`` wrote."""
        try:
            content = json.loads(Path(path).read_text())
            if content["format"] != "sparkdl vocabulary" or not all(isinstance(t, str) for t in content["tokens"]):
                raise KeyError("format")
            return cls(content["tokens"])
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(f"{path} is not a vocabulary that Vocabulary.save wrote ({error}).") from error

    def __repr__(self) -> str:
        return f"Vocabulary({len(self.tokens):,} tokens)"
