"""Make the first tables.

Events are append-only: triggers refuse what would change or remove one, whoever asks.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# SQLite numbers rows by itself only where the column is called INTEGER.
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table, then guard the events."""
    for make in (
        _desk_input,
        _reader_offset,
        _event,
        _desk_case,
        _outbox,
        _asset_status,
        _detection,
        _catalog_version,
        _credential,
        _token,
        _session,
    ):
        make()
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def _guard_sqlite() -> None:
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER event_no_{act.lower()} BEFORE {act} ON event "
            "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
        )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION event_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER event_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON event "
        "FOR EACH STATEMENT EXECUTE FUNCTION event_refuse()"
    )


def _desk_input() -> None:
    op.create_table(
        "desk_input",
        sa.Column("seq", _SEQ, autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_desk_input")),
        sa.UniqueConstraint("tenant", "id", name=op.f("uq_desk_input_tenant_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_desk_input_waiting",
        "desk_input",
        ["tenant", "seq"],
        sqlite_where=sa.text("status IS NULL"),
        postgresql_where=sa.text("status IS NULL"),
    )


def _reader_offset() -> None:
    op.create_table(
        "reader_offset",
        sa.Column("reader", sa.String(length=128), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reader", name=op.f("pk_reader_offset")),
    )


def _event() -> None:
    op.create_table(
        "event",
        sa.Column("seq", _SEQ, autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("prev", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_event")),
        sa.UniqueConstraint("tenant", "id", name=op.f("uq_event_tenant_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_event_tenant_case_id_seq"), "event", ["tenant", "case_id", "seq"])
    op.create_index(op.f("ix_event_tenant_seq"), "event", ["tenant", "seq"])


def _desk_case() -> None:
    op.create_table(
        "desk_case",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("asset", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=True),
        sa.Column("mode", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("closed", sa.Integer(), nullable=False),
        sa.Column("act_by_ns", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("engineering_owner", sa.String(length=64), nullable=False),
        sa.Column("sales_owner", sa.String(length=64), nullable=True),
        sa.Column("search", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_desk_case")),
        sa.UniqueConstraint("tenant", "number", name=op.f("uq_desk_case_tenant_number")),
    )
    op.create_index(op.f("ix_desk_case_tenant_asset"), "desk_case", ["tenant", "asset"])
    op.create_index(
        op.f("ix_desk_case_tenant_closed_engineering_owner"),
        "desk_case",
        ["tenant", "closed", "engineering_owner"],
    )
    op.create_index(
        op.f("ix_desk_case_tenant_closed_sales_owner"),
        "desk_case",
        ["tenant", "closed", "sales_owner"],
    )
    op.create_index(
        "ix_desk_case_urgency",
        "desk_case",
        ["tenant", "closed", "act_by_ns", "severity", "number"],
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("seq", _SEQ, autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("to", sa.String(length=128), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("sent_at_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sa.UniqueConstraint("id", name=op.f("uq_outbox_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_outbox_tenant_case_id_seq"), "outbox", ["tenant", "case_id", "seq"]
    )
    op.create_index(op.f("ix_outbox_tenant_seq"), "outbox", ["tenant", "seq"])
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["channel", "next_at_ns"],
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )


def _asset_status() -> None:
    op.create_table(
        "asset_status",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("asset", sa.String(length=64), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "asset", name=op.f("pk_asset_status")),
    )


def _detection() -> None:
    op.create_table(
        "detection",
        sa.Column("seq", _SEQ, autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("asset", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_detection")),
        sa.UniqueConstraint("tenant", "id", name=op.f("uq_detection_tenant_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_detection_tenant_asset_seq"), "detection", ["tenant", "asset", "seq"]
    )
    op.create_index(op.f("ix_detection_tenant_seq"), "detection", ["tenant", "seq"])
    op.create_index(
        op.f("ix_detection_tenant_type_seq"), "detection", ["tenant", "type", "seq"]
    )


def _catalog_version() -> None:
    op.create_table(
        "catalog_version",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "version", name=op.f("pk_catalog_version")),
    )


def _credential() -> None:
    op.create_table(
        "credential",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "person", name=op.f("pk_credential")),
    )


def _token() -> None:
    op.create_table(
        "token",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "name", name=op.f("pk_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_token_digest")),
    )


def _session() -> None:
    op.create_table(
        "session",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("via", sa.String(length=16), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_expires_ns"), "session", ["expires_ns"])
