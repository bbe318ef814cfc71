"""Words of people's making that leave the house: what looks like a person's is masked, what is long is cut.

What belongs here: what an e-mail address or a telephone number looks like, and the SQL that takes it out of a text.
What does not: which columns hold such words (the schemas say so, with `published="masked"`), ids (pseudonyms.py).

A value of a custom field or a campaign's name may be anything that somebody typed. Two values must not become one, or
rows of one key would be two: what was changed carries a keyed digest of what it was. DuckDB's regular expressions take
linear time, and they see no more than the beginning of a text.
"""

from __future__ import annotations

from typing import Final

from crm_platform.publish.pseudonyms import pseudonym_sql

LONGEST: Final = 200
"""Characters of a text that are published."""

_SEEN: Final = 1000  # characters that are looked at: what is masked is shorter than it was
_DIGITS: Final = 12  # hexadecimal, of the digest

# Between the digits of a number: blanks, dots, dashes, brackets, slashes, and what is not seen.
_BETWEEN: Final = r"[\s.()/_\-\x{00a0}\x{2000}-\x{2015}\x{202f}\x{2060}\x{feff}]"
_DIGIT: Final = r"\p{Nd}"
_WORD: Final = r'[^\s@\x{ff20}<>(),;:"\[\]]'

# A date with an hour, or two dates, have as many digits as a number.
_DATE: Final = (
    r"\b((?:19|20)\d\d([-/._])\d\d?[-/._]\d\d?|\d\d?[-/.]\d\d?[-/.](?:19|20)\d\d"
    r"|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))\b"
)
_FENCE: Final = "\ue000"  # around a date, while numbers are looked for; in private use, so in nobody's text

_ADDRESS: Final = rf"{_WORD}+[@\x{{ff20}}]{_WORD}+\.[\p{{L}}\p{{Nd}}\-]{{2,}}"
_NUMBER: Final = (
    rf"[+\x{{ff0b}}]{_BETWEEN}{{0,3}}(?:{_DIGIT}{_BETWEEN}{{0,3}}){{6,}}{_DIGIT}"
    rf"|\(?(?:{_DIGIT}{_BETWEEN}{{0,3}}){{8,}}{_DIGIT}"
)


def masked_sql(column: str) -> str:
    """SQL of a text as it is published, in a session that the pseudonyms' key is bound to; NULL stays NULL."""
    seen = f"left({column}, {_SEEN})"
    fenced = f"regexp_replace(replace({seen}, '{_FENCE}', ''), '{_DATE}', '{_FENCE}\\1{_FENCE}', 'g')"
    masked = f"regexp_replace({fenced}, '{_ADDRESS}', '[e-mail]', 'g')"
    masked = f"replace(regexp_replace({masked}, '{_NUMBER}', '[number]', 'g'), '{_FENCE}', '')"
    shown = f"left({masked}, {LONGEST}) || case when length({masked}) > {LONGEST} then '…' else '' end"
    digest = f"left({pseudonym_sql(column, 'value')}, {_DIGITS})"
    # The length first: a text of a megabyte is not compared with its beginning.
    return (
        f"case when length({column}) <= {LONGEST} and {masked} = {column} then {column}"
        f" else {shown} || ' #' || {digest} end"
    )
