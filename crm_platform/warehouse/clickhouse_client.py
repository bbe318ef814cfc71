"""ClickHouse over HTTP: one address, statements out, Arrow back.

What belongs here: where the server is and who we are there, binding values, names of tables, types of what comes back,
which errors are worth another try. What does not: what is stored (clickhouse_store.py), DDL (clickhouse.py).

The password is in a header of each request, and nowhere else: no address, error or repr that leaves here holds it.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from pydantic import SecretStr

from crm_platform.errors import Busy, CrmPlatformError, FixConfiguration, GiveUp
from crm_platform.schemas import live_tables
from crm_platform.warehouse.clickhouse import SETTINGS, live_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Result = TypeVar("Result")

_log = logging.getLogger(__name__)

MEMORY: Final = 1_000_000_000
"""Bytes that one statement may take on the server: with more it fails rather than the server."""

_REQUEST_SETTINGS: Final[Mapping[str, object]] = {
    **SETTINGS,
    "final": 1,  # of each key the newest version
    "union_default_mode": "DISTINCT",  # what UNION alone means in DuckDB
    "async_insert": 0,  # what is answered is written
    "input_format_null_as_default": 0,  # as insert_null_as_default, for rows that come as Arrow
    "insert_allow_materialized_columns": 1,  # versions are written, and `select *` does not show them
    "enable_materialized_cte": 1,
    "max_memory_usage": MEMORY,
    "max_bytes_before_external_group_by": MEMORY // 4,
    "max_bytes_before_external_sort": MEMORY // 4,
}

# Worth another try: too many at once, a connection between servers that failed, too many parts for now, a replica's
# coordination. To write the same rows twice is harmless.
_TRANSIENT: Final = frozenset({202, 209, 210, 252, 319, 999})
_PAUSES: Final = (0.2, 1.0, 3.0)  # seconds before each further try
_CODE: Final = re.compile(r"[Cc]ode: (\d+)")
_KIND: Final = re.compile(r"\(([A-Z][A-Z_0-9]+)\)")

_WRONG_LOGIN: Final = frozenset({192, 193, 194, 516})
_NO_RIGHT: Final = frozenset({164, 497})
_NO_DATABASE: Final = 81

_CONNECT_WITHIN: Final = 10  # seconds
_ANSWER_WITHIN: Final = 600

# A text in quotes, a comment, or what stands for a value.
_MARKS: Final = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|(?P<mark>\?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, which of its databases is ours, and who we are. Its repr is without the password."""

    host: str
    port: int
    database: str
    user: str
    is_encrypted: bool
    password: SecretStr = field(repr=False)

    @classmethod
    def of(cls, url: SecretStr, password: SecretStr | None) -> Address:
        """Read `clickhouse://user:password@host:http_port/database`, or `clickhouses://` where it is to be https.

        `password`: where the address has none.
        """
        parts = urlsplit(url.get_secret_value())
        is_encrypted = parts.scheme == "clickhouses"
        return cls(
            host=parts.hostname or "",
            port=parts.port or (8443 if is_encrypted else 8123),
            database=parts.path.strip("/"),
            user=unquote(parts.username or "default"),
            is_encrypted=is_encrypted,
            password=password or SecretStr(unquote(parts.password or "")),
        )

    def __str__(self) -> str:
        return f"ClickHouse at {self.host}:{self.port}, database {self.database}"


class ClickHouseClient:
    """Statements to one database of a server; safe for several threads."""

    def __init__(self, address: Address) -> None:
        self.address = address
        # By process: a forked child must not share its parent's sockets.
        self._clients: dict[int, Any] = {}

    def query(
        self, sql: str, parameters: Sequence[object] = (), *, tables: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        """Run a SELECT; its types are those of the port: instants without a zone, whole numbers of 64 bits."""
        text, bound, lists = bind(named(sql, self.address.database), parameters)
        shown = _external({**(tables or {}), **lists}) if tables or lists else None
        return _as_the_port_has_it(
            self._do(lambda client: client.query_arrow(text, parameters=bound, use_strings=True, external_data=shown))
        )

    def batches(self, sql: str) -> Iterator[pa.Table]:
        """Run a SELECT; its rows come piece by piece, of a type each as in `query`."""
        text = named(sql, self.address.database)
        try:
            with self._do(lambda client: client.query_arrow_stream(text, use_strings=True)) as stream:
                for batch in stream:
                    yield _as_the_port_has_it(pa.Table.from_batches([batch]))
        except Exception as problem:
            if isinstance(problem, CrmPlatformError):
                raise
            raise _what_is_wrong(problem, self.address) from problem

    def raw(self, sql: str) -> pa.Table:
        """Run a SELECT whose texts are bytes."""
        return self._do(lambda client: client.query_arrow(sql, use_strings=False))

    def execute(self, sql: str) -> None:
        """Run one statement that gives no rows."""
        self._do(lambda client: client.command(sql))

    def insert(self, name: str, rows: pa.Table) -> None:
        """Add rows to a table, all of them or none."""
        self._do(lambda client: client.insert_arrow(name, rows, database=self.address.database))

    def tables(self) -> dict[str, set[str]]:
        """Name the columns of each table of the database; none where there is no database."""
        found = self._do(
            lambda client: client.query_arrow(
                "select table, name from system.columns where database = {database:String}",
                parameters={"database": self.address.database},
                use_strings=True,
            )
        )
        tables: dict[str, set[str]] = {}
        for row in found.to_pylist():
            tables.setdefault(row["table"], set()).add(row["name"])
        return tables

    def _do(self, work: Callable[[Any], Result]) -> Result:
        """Do it; where it fails for a reason that passes, do it again. Raises what the port's callers know."""
        for pause in (*_PAUSES, None):
            try:
                return work(self._client())
            except Exception as problem:
                if isinstance(problem, CrmPlatformError):
                    raise
                said = _what_is_wrong(problem, self.address)
                if not isinstance(said, Busy) or pause is None:
                    raise said from problem
                _log.warning("%s: another try in %.1f s", said, pause)
                time.sleep(pause)
        raise AssertionError

    def _client(self) -> Any:  # noqa: ANN401 - an optional package's
        process = os.getpid()
        if process not in self._clients:
            self._clients[process] = _connect(self.address)
        return self._clients[process]


def _connect(address: Address) -> Any:  # noqa: ANN401
    try:
        import clickhouse_connect  # noqa: PLC0415 - optional: only who has set CRM_WAREHOUSE_URL needs it
    except ImportError:
        raise FixConfiguration(
            "CRM_WAREHOUSE_URL names ClickHouse, and clickhouse-connect is not installed: make setup-scale"
        ) from None
    return clickhouse_connect.get_client(
        interface="https" if address.is_encrypted else "http",
        host=address.host,
        port=address.port,
        username=address.user,
        password=address.password.get_secret_value(),
        settings={**_REQUEST_SETTINGS, "log_comment": "crm_platform"},
        autogenerate_session_id=False,  # threads of one client would stand in each other's way
        query_limit=0,
        connect_timeout=_CONNECT_WITHIN,
        send_receive_timeout=_ANSWER_WITHIN,
        client_name="crm_platform",
    )


def _what_is_wrong(problem: Exception, address: Address) -> CrmPlatformError:
    """Tell an error by its code, without the statement or a value of it."""
    from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415

    if not isinstance(problem, ClickHouseError):
        if isinstance(problem, OSError):
            return Busy(f"{address} does not answer")
        return GiveUp(f"{address}: {type(problem).__name__}")
    text = str(problem)
    code = int(found[1]) if (found := _CODE.search(text)) else None
    kinds = _KIND.findall(text)
    kind = f" ({kinds[-1]})" if kinds else ""
    if code is None or code in _TRANSIENT:
        return Busy(f"{address} does not answer{kind}")
    if code in _WRONG_LOGIN:
        return FixConfiguration(
            f"{address} refuses the user {address.user}: mend CRM_WAREHOUSE_URL, or CRM_WAREHOUSE_PASSWORD (or _FILE)"
        )
    if code in _NO_RIGHT:
        return FixConfiguration(f"{address}: the user {address.user} lacks a right{kind}: grant all on this database")
    if code == _NO_DATABASE:
        return FixConfiguration(f"{address}: there is no such database; nothing was fetched yet (`crm refresh`)")
    return GiveUp(f"{address} refuses a statement: code {code}{kind}")


_LIVE: Final = {table.full_name(): live_name(table) for table in live_tables()}
_NAME: Final = re.compile(r"\b(?:raw|ops)\.[a-z_]+\b")


def named(sql: str, database: str) -> str:
    """Put the names that live tables have in a database into SQL: `raw.messages` is `crm_acme.raw_messages` there."""
    return _NAME.sub(lambda found: f"{database}.{_LIVE[found[0]]}" if found[0] in _LIVE else found[0], sql)


def bind(sql: str, parameters: Sequence[object]) -> tuple[str, dict[str, object], dict[str, pa.Table]]:
    """Give each `?` a name and a type; the values by these names, and lists as rows, which travel beside the statement.

    A list may be as long as a file: an address, which values travel in, may not.
    """
    values = list(parameters)
    bound: dict[str, object] = {}
    lists: dict[str, pa.Table] = {}

    def mark(found: re.Match[str]) -> str:
        if found["mark"] is None:
            return found[0]
        value = values.pop(0)
        if value is None:
            return "null"
        if isinstance(value, list):
            if not value:
                return "cast([] as Array(String))"
            lists[f"list_{len(lists)}"] = pa.table({"value": value})
            return f"(select groupArray(value) from list_{len(lists) - 1})"
        name = f"p{len(bound)}"
        declared, bound[name] = _typed(value)
        return f"{{{name}:{declared}}}"

    text = _MARKS.sub(mark, sql)
    assert not values, "more values than marks"
    return text, bound, lists


def _typed(value: object) -> tuple[str, object]:
    """The type that a bound value has there, and how it is written."""
    if isinstance(value, bool):
        return "Bool", value
    if isinstance(value, int):
        return "Int64", value
    if isinstance(value, float):
        return "Float64", value
    if isinstance(value, dt.datetime):
        naive = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
        return "DateTime64(6, 'UTC')", f"{naive:%Y-%m-%d %H:%M:%S.%f}"
    if isinstance(value, dt.date):
        return "Date32", value.isoformat()
    assert isinstance(value, str), f"no type for {type(value).__name__}"
    return "String", value


_STRUCTURE: Final = {
    pa.string(): "String",
    pa.int64(): "Int64",
    pa.float64(): "Float64",
    pa.bool_(): "Bool",
    pa.timestamp("us"): "DateTime64(6, 'UTC')",
    pa.date32(): "Date32",
}


def _external(tables: Mapping[str, pa.Table]) -> Any:  # noqa: ANN401
    """Rows of the caller's, as they travel with a statement."""
    from clickhouse_connect.driver.external import ExternalData  # noqa: PLC0415

    travelling = ExternalData()
    for name, rows in tables.items():
        structure = ", ".join(
            f"{column.name} {_declared(column.type, nullable=bool(rows[column.name].null_count))}"
            for column in rows.schema
        )
        travelling.add_file(file_name=name, data=as_bytes(rows), fmt="Arrow", structure=structure)
    return travelling


def _declared(found: pa.DataType, *, nullable: bool) -> str:
    return f"Nullable({_STRUCTURE[found]})" if nullable else _STRUCTURE[found]


def as_bytes(rows: pa.Table) -> bytes:
    """Rows as an Arrow file."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _as_the_port_has_it(rows: pa.Table) -> pa.Table:
    # Where two joined tables have a column of a name, the server calls it `table.column`.
    rows = rows.rename_columns([name.rpartition(".")[2] for name in rows.column_names])
    return rows.cast(pa.schema([pa.field(one.name, _port_type(one.type)) for one in rows.schema]))


def _port_type(found: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(found):
        return pa.timestamp("us")
    if pa.types.is_integer(found):
        return pa.int64()
    return found
