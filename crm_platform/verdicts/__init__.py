"""Verdicts: what may be said of a change, or of the best of several, for pages, alerts and the digest alike.

What belongs here: which days are compared (days.py), how far chance moves a figure (spread.py), the verdict on one
figure (judging.py), on a page of them (claim.py), on the best of several (best.py), the interval of one rate
(interval.py). What does not: reading rows from tables, sentences, colours. Everything is a pure function of what it is
given; docs/verdicts.md has what was measured.

    ranges = like_with_like(start, end, days)
    faster = median(Question(figure="first_response", good="down", ranges=ranges), current, base)
    claims = on_one_page([faster, answered, resolved])
"""

from crm_platform.verdicts.best import Best, Candidate, best
from crm_platform.verdicts.claim import Claim, Verdict, is_told_as_numbers, on_one_page
from crm_platform.verdicts.days import Day, Dropped, Ranges, Span, like_with_like, whole_ranges
from crm_platform.verdicts.interval import Interval, interval
from crm_platform.verdicts.judging import Question, count, median, rate, stock
from crm_platform.verdicts.rows import Rows

__all__ = [
    "Best",
    "Candidate",
    "Claim",
    "Day",
    "Dropped",
    "Interval",
    "Question",
    "Ranges",
    "Rows",
    "Span",
    "Verdict",
    "best",
    "count",
    "interval",
    "is_told_as_numbers",
    "like_with_like",
    "median",
    "on_one_page",
    "rate",
    "stock",
    "whole_ranges",
]
