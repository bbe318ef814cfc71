"""What becomes of a campaign's messages: who receives it, and who reads, answers or misses it when.

What belongs here: `outcomes`, the one function that both a chat (its template messages) and a report (its sums) are
drawn from, so that they agree. What does not: which campaigns there are (`campaigns.py`), texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from crm_platform.sandbox.chance import HOUR, NEVER, Hashes, Times, lognormal, mix

if TYPE_CHECKING:
    from crm_platform.sandbox.campaigns import SandboxCampaign

SETTLES_AFTER: Final = 72 * HOUR  # the longest from sending to the last reaction; the three caps below add up to it

_DELIVERED_AFTER: Final = np.array(lognormal(6, 2.3, most=24 * 3600), dtype=np.int64)
_READ_AFTER: Final = np.array(lognormal(25 * 60, 1.9, most=40 * 3600), dtype=np.int64)
_REPLIED_AFTER: Final = np.array(lognormal(9 * 60, 1.7, most=8 * 3600), dtype=np.int64)
_FAILED_AFTER: Final = np.array(lognormal(8, 1.0, most=600), dtype=np.int64)


class Outcomes(NamedTuple):
    """What happens to each of many (campaign, receiver) pairs; times in milliseconds, NEVER = does not happen."""

    sent: Times
    delivered: Times
    read: Times
    replied: Times
    failed: Times


def _column(values: Sequence[int]) -> Times:
    return np.array(values, dtype=np.int64)


class Terms:
    """Several campaigns' numbers as columns, to be set against receivers by broadcasting."""

    def __init__(self, campaigns: Sequence[SandboxCampaign]) -> None:
        self.campaigns = tuple(campaigns)
        self.seeds: Hashes = np.array([one.seed for one in campaigns], dtype=np.uint64)
        self.starts = _column([one.starts for one in campaigns])
        self.duration = _column([one.duration for one in campaigns])
        self.stops = _column([one.stops for one in campaigns])
        self.share = _column([one.share for one in campaigns])
        self.audience = _column([one.audience for one in campaigns])
        self.read_chance = _column([one.read_chance for one in campaigns])
        self.reply_chance = _column([one.reply_chance for one in campaigns])
        self.fail_chance = _column([one.fail_chance for one in campaigns])


def _bits(draws: Hashes, shift: int, count: int) -> Times:
    return ((draws >> np.uint64(shift)) & np.uint64((1 << count) - 1)).astype(np.int64)


def recipients(terms: Terms, indexes: Times) -> tuple[npt.NDArray[np.bool_], Hashes]:
    """Draw whom campaigns of the world's own choose; and the draws, for what else is drawn from them."""
    draws = mix(terms.seeds + indexes.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return (_bits(draws, 0, 20) < terms.share) & (indexes < terms.audience), draws


def outcomes(terms: Terms, indexes: Times, *, places: Times | None = None, of: int = 1) -> Outcomes:
    """Draw what happens: one campaign × many receivers, or many campaigns × one receiver (broadcast).

    `places`: each receiver's place in line of `of`, for a list given through the API; None draws both the choice of
    receivers and their order.
    """
    receives, first = recipients(terms, indexes)
    second = mix(first)
    if places is None:
        sent = terms.starts + (_bits(first, 20, 20) * terms.duration >> 20)
    else:
        receives = np.ones(len(indexes), dtype=np.bool_)
        sent = terms.starts + places * terms.duration // of
    is_sent = receives & (terms.starts < NEVER) & (sent < terms.stops)
    fails = is_sent & (_bits(first, 40, 10) < terms.fail_chance)
    arrives = is_sent & ~fails
    delivered = sent + _DELIVERED_AFTER[_bits(second, 0, 10)]
    reads = arrives & (_bits(second, 10, 10) < terms.read_chance)
    read = delivered + _READ_AFTER[_bits(second, 20, 10)]
    replies = reads & (_bits(second, 30, 10) < terms.reply_chance)
    replied = read + _REPLIED_AFTER[_bits(second, 40, 10)]
    failed = sent + _FAILED_AFTER[_bits(second, 50, 10)]
    return Outcomes(
        sent=np.where(is_sent, sent, NEVER),
        delivered=np.where(arrives, delivered, NEVER),
        read=np.where(reads, read, NEVER),
        replied=np.where(replies, replied, NEVER),
        failed=np.where(fails, failed, NEVER),
    )
