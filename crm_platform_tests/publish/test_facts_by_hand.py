"""What people say by hand leaves the house masked, and who is left out only as a number."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest

from crm_platform.publish import publish, read_manifest
from crm_platform.schemas import raw
from crm_platform.settings import Settings
from crm_platform_tests.models.worlds import World

NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.mark.slow
def test_notes_are_masked_and_who_is_left_out_is_counted(tmp_path):
    (tmp_path / "left-out.txt").write_text("chat-1\n")
    world = World(tmp_path, Settings(data_dir=tmp_path, exclude_contacts=tmp_path / "left-out.txt"))
    for chat_id in ("chat-1", "chat-2"):
        world.contact(chat_id, NOW - 2 * DAY)
        world.message(chat_id, "m", NOW - DAY, "inbound")
        world.chat(chat_id, known_until=NOW)
    for note_id, text in ((1, "outage; ask jane@shop.example or +254 712 345 678"), (2, "promotion")):
        world.add(raw.Notes, note_id=note_id, day=NOW.date(), text=text, at=NOW - DAY, who="cli:amina")
    world.build(NOW)
    snapshot = publish(world.models, settings=world.settings, now=NOW)
    assert read_manifest(snapshot.path).excluded_contacts == 1
    with duckdb.connect(str(snapshot.database), read_only=True) as connection:
        texts = [text for (text,) in connection.execute("select text from core.notes order by note_id").fetchall()]
        assert connection.execute("select count(*) from core.messages").fetchone() == (1,)
        tables = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
    assert texts[1] == "promotion"
    assert texts[0].startswith("outage; ask [e-mail] or [number] #")
    assert not tables & {"excluded_contacts", "rejected_opt_outs"}
