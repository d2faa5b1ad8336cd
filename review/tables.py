"""Stage 8, review.tables: the tables of schema review, as the newest migration leaves them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    text,
)
from sqlalchemy import Text as TextType
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(schema="review")

EMPTY, NOW = text("''"), text("now()")


def _text(name: str, default: object = None) -> Column[str]:
    return Column(name, TextType, nullable=False, server_default=default)  # type: ignore[arg-type]


account = Table(
    "account", metadata, Column("account_id", TextType, primary_key=True), _text("name"), _text("role"),
    Column("password_hash", TextType), Column("subject", TextType, unique=True), _text("language", text("'vi'")),
    Column("active", Boolean, nullable=False, server_default=text("true")), Column("ends_on", Date),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("locked_until", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
)  # fmt: skip

session = Table(
    "session", metadata, Column("session_hash", LargeBinary, primary_key=True),
    Column("account_id", TextType, ForeignKey("review.account.account_id"), nullable=False), _text("csrf"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("ends_at", DateTime(timezone=True), nullable=False), Index("session_account", "account_id"),
)  # fmt: skip

lease = Table(
    "lease", metadata, Column("document_id", TextType, primary_key=True),
    Column("account_id", TextType, ForeignKey("review.account.account_id"), nullable=False),
    Column("token", BigInteger, nullable=False), Column("until", DateTime(timezone=True), nullable=False),
    Index("lease_account", "account_id"),
)  # fmt: skip

waiting = Table(
    "waiting", metadata, Column("document_id", TextType, primary_key=True), _text("file_id"), _text("batch_id"),
    _text("document_type"), _text("label"), Column("held", Boolean, nullable=False),
    Column("deadline", Date, nullable=False), Column("place", Integer, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False), Column("tasks", Integer, nullable=False),
    Column("restricted", Boolean, nullable=False, server_default=text("false")),
    Index("waiting_order", "deadline", "place", "since", "document_id",
          postgresql_where=text("NOT held AND NOT restricted")),
    Index("waiting_type", "document_type", "deadline", "place", "since", "document_id",
          postgresql_where=text("NOT held AND NOT restricted")),
    Index("waiting_file", "file_id"), Index("waiting_batch", "batch_id"),
)  # fmt: skip

page_view = Table(
    "page_view", metadata, Column("view_id", BigInteger, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=NOW), _text("account_id"),
    Column("page_id", TextType, nullable=False), _text("what"), _text("reason", EMPTY),
    Index("page_view_page", "page_id"),
)  # fmt: skip

glass = Table(
    "glass", metadata, Column("glass_id", BigInteger, primary_key=True), _text("account_id"), _text("document_id"),
    _text("reason"), Column("at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("until", DateTime(timezone=True), nullable=False), Index("glass_document", "document_id", "account_id"),
)  # fmt: skip

release = Table(
    "release", metadata, Column("release_id", BigInteger, primary_key=True),
    Column("batch_id", TextType, nullable=False), _text("decided_by"), _text("decision"), _text("reason"),
    Column("failed", JSONB, nullable=False),
    Column("decided_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Index("release_batch", "batch_id", "release_id"),
)  # fmt: skip

rescan_request = Table(
    "rescan_request", metadata, Column("page_id", TextType, primary_key=True), _text("asked_by"), _text("reason"),
    Column("asked_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("done_at", DateTime(timezone=True)),
    Index("rescan_request_open", "asked_at", postgresql_where=text("done_at IS NULL")),
)  # fmt: skip
