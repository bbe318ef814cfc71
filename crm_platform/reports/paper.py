"""A page as it stands on paper: what it says, without what can be pressed.

What belongs here: taking the page's content out of its HTML, and leaving out menus, forms, buttons, links and the
tables behind charts. What does not: how it looks (document.py).

Pages stand one below the other in a report: each one's ids get the page's name in front, so that none is there twice.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_MAIN: Final = re.compile(r"<main\b[^>]*>(.*)</main>", re.DOTALL)
_LEFT_OUT: Final = frozenset({"menu", "tools", "behind", "tip", "told", "pick"})  # classes
_PRESSED: Final = frozenset({"button", "input", "select", "script", "noscript"})
_UNWRAPPED: Final = frozenset({"form", "a"})
_VOID: Final = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_NAMES: Final = re.compile(r'(?<=\s)(id|aria-labelledby|for)="([^"]+)"')


class _Paper(HTMLParser):
    """Writes what it reads, but for what is left out. `depth`: elements that are open since one was left out."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=False)
        self._page = page
        self._depth = 0
        self.written: list[str] = []

    def _write(self, text: str) -> None:
        if not self._depth:
            self.written.append(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = (dict(attrs).get("class") or "").split()
        if self._depth or tag in _PRESSED or not _LEFT_OUT.isdisjoint(classes):
            self._depth += tag not in _VOID
        elif tag not in _UNWRAPPED:
            written = _NAMES.sub(rf'\1="{self._page}-\2"', self.get_starttag_text() or "")
            # Definitions stand in the menus for whoever cannot see the page. Here they stand in the notes alone.
            self._write(written.replace(' aria-hidden="true"', "") if "notes" in classes else written)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag not in _PRESSED:
            self._write(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        if self._depth:
            self._depth -= 1
        elif tag not in _UNWRAPPED:
            self._write(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._write(data)

    def handle_entityref(self, name: str) -> None:
        self._write(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._write(f"&#{name};")


def on_paper(document: str, *, page: str) -> str:
    """Give the content of a page's HTML document as it stands on paper."""
    main = _MAIN.search(document)
    assert main is not None, "every page has a <main>"
    paper = _Paper(page)
    paper.feed(main[1])
    paper.close()
    return "".join(paper.written)
