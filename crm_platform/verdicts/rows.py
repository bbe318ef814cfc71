"""Rows of both sides as arrays, the same whatever order they came in, and the digest of each side.

What belongs here: what may be given (numpy arrays, pyarrow columns, lists), its checks, picking the days that count.
What does not: what is computed from rows (spread.py, judging.py).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from crm_platform.verdicts.days import Ranges, Span

_EXACT: Final = 2**53  # floats hold whole numbers below it

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Column: TypeAlias = "npt.NDArray[Any] | pa.Array | pa.ChunkedArray | Sequence[Any]"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rows:
    """One side's rows, a column of equal length each, in any order.

    Of waits: `cluster` the chat, `value` its seconds, or whether it succeeded (1, 0), `day` its local day. Of
    campaigns: `cluster` the campaign, `value` the numerator, `of` the denominator. Without `day` all rows count,
    whatever days were dropped. Without `cluster` rows, and units within one, are independent: recipients of a single
    campaign.
    """

    value: Column
    cluster: Column | None = None
    of: Column | None = None
    day: Column | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Rows that count. `cluster`: numbers from 0, the same cluster having the same on both sides; None: independent.

    `rank`: place of a row's value among the different values of both sides. `digest`: of the rows, blind to their order
    and to the unit of `value`.
    """

    value: Floats
    of: Floats
    rank: Integers
    cluster: Integers | None
    digest: str

    @property
    def clusters(self) -> int:
        """How many clusters have a row."""
        return len(self.value) if self.cluster is None else int(np.count_nonzero(np.bincount(self.cluster)))


def sides(current: Rows, base: Rows, ranges: Ranges | None = None) -> tuple[Side, Side]:
    """Read both sides. `ranges`: only rows of its kept days, where rows have days.

    Raises ValueError on columns of different lengths, values that are missing or negative, a share above 1.
    """
    if (current.of is None) != (base.of is None):
        raise ValueError("both sides have `of`, or none has")
    spans = (None, None) if ranges is None else (ranges.current, ranges.base)
    one, other = _read((current, base), spans, is_digested=True)
    return one, other


def alone(rows: Rows) -> Side:
    """Read rows that are compared with none, so that nothing is drawn by their digest: it is empty.

    Raises ValueError as `sides`.
    """
    (side,) = _read((rows,), (None,), is_digested=False)
    return side


def _read(given: Sequence[Rows], spans: Sequence[Span | None], *, is_digested: bool) -> list[Side]:
    masks = [_mask(rows, span) for rows, span in zip(given, spans, strict=True)]
    values = [_numbers(rows.value, "value")[mask] for rows, mask in zip(given, masks, strict=True)]
    ofs = [
        np.ones(len(value)) if rows.of is None else _numbers(rows.of, "of")[mask]
        for rows, mask, value in zip(given, masks, values, strict=True)
    ]
    _, rank = np.unique(np.concatenate(values), return_inverse=True)
    ends = np.cumsum([len(value) for value in values])[:-1]
    ranks = np.split(rank.astype(np.int64), ends)
    clusters, names = _clusters(given, masks)
    # Values of waits by their rank, so that seconds and minutes are drawn alike; numerators as they are.
    told = ranks if given[0].of is None else values
    found = []
    for value, of, place, cluster, key in zip(values, ofs, ranks, clusters, told, strict=True):
        columns = [key.astype(np.float64), of, *(() if cluster is None else (cluster.astype(np.float64),))]
        found.append(Side(value, of, place, cluster, _digest(names, columns) if is_digested else ""))
    return found


def _digest(names: bytes, columns: Sequence[Floats]) -> str:
    order = _order(columns)
    return hashlib.sha256(names + b"".join(column[order].tobytes() for column in columns)).hexdigest()


def pooled(several: Sequence[Rows]) -> Rows:
    """Rows of several as one. Raises ValueError where one has a column that another lacks."""
    for name in ("cluster", "of"):
        if len({getattr(rows, name) is None for rows in several}) > 1:
            raise ValueError(f"candidates have the same columns: `{name}` is missing in some")
    return Rows(
        value=np.concatenate([_numbers(rows.value, "value") for rows in several]),
        cluster=None if several[0].cluster is None else pa.concat_arrays([_names(rows.cluster) for rows in several]),
        of=None if several[0].of is None else np.concatenate([_numbers(rows.of, "of") for rows in several]),
    )


def _order(columns: Sequence[Floats]) -> Integers:
    """Places of the rows in the order of their columns, which are numbers from 0; the last one comes first."""
    sizes = [column.max(initial=0) + 1 for column in columns]
    if math.prod(sizes) >= _EXACT or any((column % 1).any() for column in columns):
        return np.lexsort(columns)
    # Whole numbers that fit into one: sorting that takes a fifteenth of the time.
    one = np.zeros(len(columns[0]))
    for size, column in zip(reversed(sizes), reversed(columns), strict=True):
        one = one * size + column
    return np.argsort(one)


def _arrow(column: Column) -> pa.Array:
    found = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    return found.dictionary_decode() if isinstance(found, pa.DictionaryArray) else found


def _names(column: Column) -> pa.Array:
    found = _arrow(column).cast(pa.string())
    if found.null_count:
        raise ValueError("`cluster` has missing values: leave such rows out")
    return found


def _numbers(column: Column, name: str) -> Floats:
    found = _arrow(column)
    if found.null_count:
        raise ValueError(f"`{name}` has missing values: leave such rows out")
    if pa.types.is_boolean(found.type):
        found = found.cast(pa.int8())
    numbers: Floats = found.to_numpy(zero_copy_only=False).astype(np.float64)
    if not np.isfinite(numbers).all() or (numbers < 0).any():
        raise ValueError(f"`{name}` holds numbers from 0: leave others out")
    return numbers


def _mask(rows: Rows, span: Span | None) -> npt.NDArray[np.bool_]:
    lengths = {len(column) for column in (rows.value, rows.cluster, rows.of, rows.day) if column is not None}
    if len(lengths) > 1:
        raise ValueError(f"columns of rows have one length, not {sorted(lengths)}")
    if span is None or rows.day is None:
        return np.ones(len(rows.value), dtype=np.bool_)
    day = _arrow(rows.day).cast(pa.date32()).to_numpy(zero_copy_only=False).astype("datetime64[D]")
    return np.isin(day, np.array(span.kept, dtype="datetime64[D]"))


def _clusters(given: Sequence[Rows], masks: Sequence[npt.NDArray[np.bool_]]) -> tuple[list[Integers | None], bytes]:
    """Numbers of clusters in the order of their names, and these names."""
    if all(rows.cluster is None for rows in given):
        return [None for _ in given], b""
    if any(rows.cluster is None for rows in given):
        raise ValueError("both sides name their clusters, or none does")
    names = [_names(rows.cluster).filter(pa.array(mask)) for rows, mask in zip(given, masks, strict=True)]
    encoded = pa.concat_arrays(names).dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    codes = place[encoded.indices.to_numpy()]
    ends = np.cumsum([len(one) for one in names])[:-1]
    return list(np.split(codes, ends)), "\0".join(encoded.dictionary.take(order).to_pylist()).encode()
