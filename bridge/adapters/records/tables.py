"""The tables of the records; `migrations` brings a database to exactly this (a test says so).

Every row and every query names its tenant. Times are int64 nanoseconds, bodies are the JSON of
the frozen values; what is a column of its own is asked for, sorted by or held unique.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ID = String(64)
# SQLite numbers rows by itself only where the column is called INTEGER.
_SEQ = BigInteger().with_variant(Integer, "sqlite")

desk_input = Table(
    "desk_input",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=True),
    Column("tenant", _ID, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("type", String(32), nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("digest", LargeBinary(32)),  # of what a person asked, to know a key used twice
    Column("body", Text, nullable=False),  # emptied once handled: the events tell it from then
    Column("status", Integer),
    Column("reason", Text),
    Column("case_id", Uuid),
    UniqueConstraint("tenant", "id"),
    sqlite_autoincrement=True,
)
Index(
    "ix_desk_input_waiting",
    desk_input.c.tenant,
    desk_input.c.seq,
    sqlite_where=text("status IS NULL"),
    postgresql_where=text("status IS NULL"),
)

reader_offset = Table(
    "reader_offset",
    metadata,
    Column("reader", String(128), primary_key=True),
    Column("position", BigInteger, nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=True),
    Column("tenant", _ID, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("type", String(32), nullable=False),
    Column("case_id", Uuid),
    Column("by", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("prev", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("tenant", "id"),
    Index(None, "tenant", "seq"),
    Index(None, "tenant", "case_id", "seq"),
    sqlite_autoincrement=True,
)

case = Table(
    "desk_case",
    metadata,
    Column("tenant", _ID, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("asset", _ID, nullable=False),
    Column("account", _ID),
    Column("mode", _ID),
    Column("state", String(16), nullable=False),
    Column("closed", Integer, nullable=False),
    Column(
        "act_by_ns", BigInteger, nullable=False
    ),  # the greatest number where there is no date
    Column("severity", Integer, nullable=False),  # 0 is critical, 3 is low
    Column("engineering_owner", _ID, nullable=False),
    Column("sales_owner", _ID),
    Column("search", Text, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("tenant", "number"),
    Index("ix_desk_case_urgency", "tenant", "closed", "act_by_ns", "severity", "number"),
    Index(None, "tenant", "asset"),
    Index(None, "tenant", "closed", "engineering_owner"),
    Index(None, "tenant", "closed", "sales_owner"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=True),
    Column("tenant", _ID, nullable=False),
    Column("id", Uuid, nullable=False, unique=True),
    Column("case_id", Uuid),
    Column("to", String(128), nullable=False),
    Column("channel", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at_ns", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
    Column("sent_at_ns", BigInteger),
    Index(None, "tenant", "seq"),
    Index(None, "tenant", "case_id", "seq"),
    sqlite_autoincrement=True,
)
Index(
    "ix_outbox_waiting",
    outbox.c.channel,
    outbox.c.next_at_ns,
    sqlite_where=text("state = 'waiting'"),
    postgresql_where=text("state = 'waiting'"),
)

asset_status = Table(
    "asset_status",
    metadata,
    Column("tenant", _ID, primary_key=True),
    Column("asset", _ID, primary_key=True),
    Column("at_ns", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)

detection = Table(
    "detection",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=True),
    Column("tenant", _ID, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("asset", _ID, nullable=False),
    Column("type", String(32), nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("tenant", "id"),
    Index(None, "tenant", "seq"),
    Index(None, "tenant", "asset", "seq"),
    Index(None, "tenant", "type", "seq"),
    sqlite_autoincrement=True,
)

catalog_version = Table(
    "catalog_version",
    metadata,
    Column("tenant", _ID, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    Column("body", Text, nullable=False),
)

credential = Table(
    "credential",
    metadata,
    Column("tenant", _ID, primary_key=True),
    Column("person", _ID, primary_key=True),
    Column("password_hash", Text, nullable=False),
    Column("role", String(32)),  # None: the catalog says it
)

token = Table(
    "token",
    metadata,
    Column("tenant", _ID, primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("person", _ID, nullable=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("expires_ns", BigInteger),
)

session = Table(
    "session",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("tenant", _ID, nullable=False),
    Column("person", _ID, nullable=False),
    Column("role", String(32), nullable=False),
    Column("via", String(16), nullable=False),
    Column("expires_ns", BigInteger, nullable=False, index=True),
)
