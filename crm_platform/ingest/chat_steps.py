"""The steps that read chats: their newest ends, and their histories.

What belongs here: the crawl's state of every present chat, visits of many, and holding those whose reading is over
against their rows. What does not: which chats, and when (refresh_run.py, crawl_run.py), one visit (visits.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from crm_platform.api import FUTURE_TOLERANCE
from crm_platform.ingest.batch import rejected_key
from crm_platform.ingest.chat_state import ChatState
from crm_platform.ingest.failures import OF_ONE_OBJECT
from crm_platform.ingest.histories import deepen
from crm_platform.ingest.message_lists import Visit
from crm_platform.ingest.planner import SeenMessage
from crm_platform.ingest.presence import PRESENT
from crm_platform.ingest.stored import chat_states, newest_ends, records_held
from crm_platform.ingest.visits import KnownMessages, visit_newest
from crm_platform.schemas import raw

if TYPE_CHECKING:
    from crm_platform.api import CrmClient, Fetch
    from crm_platform.ingest.failures import Failures
    from crm_platform.ingest.planner_store import PlannerStore
    from crm_platform.ingest.recorder import Recorder
    from crm_platform.ingest.workers import Workers

LOOKUP_CHATS = 500
"""Chats whose known messages are looked up at once."""

HISTORY_PAGES = 10
"""Pages of history read before another chat has its turn: a chat's history is committed in pieces of this size."""


class ChatSteps:
    """Reads chats; raises CrmPlatformError when it cannot go on, what came before is in the batch."""

    def __init__(
        self,
        client: CrmClient,
        recorder: Recorder,
        *,
        failures: Failures,
        planner_store: PlannerStore,
        workers: Workers,
    ) -> None:
        self.states: dict[str, ChatState] = {}
        self._client = client
        self._recorder = recorder
        self._batch = recorder.batch
        self._warehouse = recorder.warehouse
        self._now = recorder.now
        self._failures = failures
        self._planner_store = planner_store
        self._workers = workers
        self._short: set[str] = set()  # chats whose ends met though rows are missing: read to the end of the list
        self._ended: dict[str, bool] = {}  # chats whose reading is over, and whether it reached the list's end
        self._bad_pages: dict[str, int] = {}  # pages of histories that could not be had in this run

    def load_states(self, *, anew: bool = False) -> None:
        """Read the crawl state of every present contact; `anew`: as if none had ever been visited."""
        with self._warehouse.reading() as session:
            present = session.query(PRESENT)["chat_id"].to_pylist()
            known = {} if anew else chat_states(session)
        self.states = {chat_id: known.get(chat_id) or ChatState(chat_id) for chat_id in sorted(present)}
        # Whoever read them to where they meet died before the rows were counted.
        self._ended = {chat_id: False for chat_id, state in self.states.items() if state.meets}

    def visit(self, chat_ids: Iterable[str], *, anew: bool = False) -> Iterator[Visit]:
        """Visit the newest end of these chats and keep what came; raises when the server is down or all is spent."""
        states = (self.states.get(chat_id) or ChatState(chat_id) for chat_id in chat_ids)
        while chunk := list(islice(states, LOOKUP_CHATS)):
            known = {} if anew else self._known([state.chat_id for state in chunk if state.known_until is not None])
            yield from self._kept(self._each(partial(self._visit, known), chunk))
            self._failures.raise_if_stopped()

    def deepen(self, chat_ids: Iterable[str], *, pages: int = HISTORY_PAGES) -> Iterator[Visit]:
        """Read up to `pages` further pages of these chats' histories."""
        states = [self.states[chat_id] for chat_id in chat_ids]
        before = self._recorder.account(raw.Messages).requests
        yield from self._kept(self._each(partial(self._deepen, pages), states))
        self._planner_store.planner.spent(
            at=self._now(), requests=self._recorder.account(raw.Messages).requests - before
        )
        self._failures.raise_if_stopped()

    def may_leave_out(self, chat_id: str) -> bool:
        """Whether the next reading of a history goes on without a page, if that cannot be had this time either."""
        return chat_id in self._bad_pages and self._failures.is_last_try("list_messages", chat_id, part="history")

    @property
    def ended(self) -> AbstractSet[str]:
        """Chats whose reading is over, and whose rows are still to be counted."""
        return self._ended.keys()

    def count_ended(self) -> None:
        """Commit, and hold the chats whose reading is over against their rows; those that fall short are read on.

        A chat is whole when as many records are stored or quarantined as its list says it has.
        """
        if not self._ended:
            return
        self._recorder.commit()
        over, self._ended = self._ended, {}
        chat_ids = [chat_id for chat_id in over if chat_id in self.states]
        for first in range(0, len(chat_ids), LOOKUP_CHATS):
            chunk = chat_ids[first : first + LOOKUP_CHATS]
            with self._warehouse.reading() as session:
                held = records_held(session, chunk)
            for chat_id in chunk:
                before = self.states[chat_id]
                state = before.counted(held.get(chat_id, 0), has_ended=over[chat_id], at=self._now())
                if state == before:
                    self._short.add(chat_id)
                    continue
                self._short.discard(chat_id)
                self._batch.state(state)
                self.states[chat_id] = state

    def listed(self, chat_ids: AbstractSet[str]) -> None:
        """A sweep has seen these chats."""
        for chat_id in chat_ids - self.states.keys():
            self.states[chat_id] = ChatState(chat_id)

    def gone(self, chat_ids: AbstractSet[str]) -> None:
        """A sweep has found these chats gone."""
        for chat_id in chat_ids:
            self.states.pop(chat_id, None)

    # One visit after the other.

    def _each(self, call: Callable[[ChatState], Visit], states: Iterable[ChatState]) -> Iterator[Visit]:
        return self._workers.each(call, states, is_limited=self._recorder.is_limited)

    def _kept(self, visits: Iterator[Visit]) -> Iterator[Visit]:
        account = self._recorder.account(raw.Messages)
        for visit in visits:
            state = visit.state
            for page in visit.pages:
                self._batch.messages(state.chat_id, page)
                self._recorder.messages += len(page.records)
                account.took(page)
            if visit.is_newest and visit.pages:
                self._learn(visit)
            if visit.has_ended or state.meets:
                self._ended[state.chat_id] = visit.has_ended
            else:  # a visit may have been cut off since the reading ended: what is known has a gap again
                self._ended.pop(state.chat_id, None)
            if visit.failed_page is not None and visit.failure is not None:
                self._bad_pages[state.chat_id] = visit.failed_page
            self._recorder.book(visit.fetches, account)
            self._judge_visit(visit)
            self._batch.state(state)
            self.states[state.chat_id] = state
            yield visit
            self._recorder.commit(when_full=True)

    def _judge_visit(self, visit: Visit) -> None:
        """Judge what became of a visit. A history that got further before it failed is no failure: it goes on."""
        chat_id, failure = visit.state.chat_id, visit.failure
        part = "newest" if visit.is_newest else "history"
        if failure is None and not visit.pages:
            return  # nothing was asked
        before = self.states.get(chat_id) or ChatState(chat_id)
        got_further = visit.state.pages_from_oldest > before.pages_from_oldest
        if isinstance(failure, OF_ONE_OBJECT) and got_further and not visit.is_newest:
            has_left_out = visit.state.has_gap and not before.has_gap
            self._failures.got_further(failure, "list_messages", chat_id, part=part, has_left_out=has_left_out)
            visit.failure = None
            return
        self._failures.judge(failure, "list_messages", chat_id, part=part)

    def _learn(self, visit: Visit) -> None:
        new = [
            SeenMessage(message.timestamp, message.direction, message.type == "template")
            for page in visit.pages
            for message in page.records
            if message.message_id in visit.unseen and message.timestamp <= page.fetch.started_at + FUTURE_TOLERANCE
        ]
        at = visit.pages[0].fetch.started_at
        self._planner_store.visited(visit.state.chat_id, at=at, new_messages=new, requests=len(visit.fetches))

    def _visit(self, known: Mapping[str, KnownMessages], state: ChatState) -> Visit:
        fetches: list[Fetch] = []
        with self._recorder.collecting(fetches):
            visit = visit_newest(
                self._client,
                state,
                known.get(state.chat_id, KnownMessages()),
                rejected_key=lambda one: rejected_key(one, operation="list_messages", target=state.chat_id),
                now=self._now,
                retries=self._failures.retries("list_messages", state.chat_id),
            )
        visit.fetches = fetches
        return visit

    def _deepen(self, pages: int, state: ChatState) -> Visit:
        fetches: list[Fetch] = []
        with self._recorder.collecting(fetches):
            visit = deepen(
                self._client,
                state,
                most_pages=pages,
                now=self._now,
                to_end=state.chat_id in self._short,
                skip_page=self._bad_pages[state.chat_id] if self.may_leave_out(state.chat_id) else None,
                retries=self._failures.retries("list_messages", state.chat_id),
            )
        visit.fetches = fetches
        return visit

    def _known(self, chat_ids: list[str]) -> dict[str, KnownMessages]:
        if not chat_ids:
            return {}
        with self._warehouse.reading() as session:
            return newest_ends(session, chat_ids)
