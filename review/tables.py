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
    UniqueConstraint,
    text,
)
from sqlalchemy import Text as TextType
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(schema="review")

EMPTY, NOW = text("''"), text("now()")
FREE = "NOT held AND NOT restricted"


def _text(name: str, default: object = None) -> Column[str]:
    return Column(name, TextType, nullable=False, server_default=default)  # type: ignore[arg-type]


account = Table(
    "account", metadata, Column("account_id", TextType, primary_key=True), _text("name"), _text("role"),
    Column("password_hash", TextType), Column("subject", TextType, unique=True), _text("language", text("'vi'")),
    Column("active", Boolean, nullable=False, server_default=text("true")), Column("ends_on", Date),
    Column("must_change", Boolean, nullable=False, server_default=text("false")),
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
    Column("second", Integer, nullable=False, server_default=text("0")),
    Column("senior", Integer, nullable=False, server_default=text("0")),
    Column("for_all", Boolean, nullable=False, server_default=text("true")), _text("second_not", EMPTY),
    Column("senior_not", ARRAY(TextType), nullable=False, server_default=text("'{}'")),
    Index("waiting_order", "deadline", "place", "since", "document_id", postgresql_where=text(f"{FREE} AND for_all")),
    Index("waiting_type", "document_type", "deadline", "place", "since", "document_id",
          postgresql_where=text(f"{FREE} AND for_all")),
    Index("waiting_second", "deadline", "place", "since", "document_id",
          postgresql_where=text(f"{FREE} AND NOT for_all AND second > 0")),
    Index("waiting_senior", "deadline", "place", "since", "document_id",
          postgresql_where=text(f"{FREE} AND NOT for_all AND senior > 0")),
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

sign_in = Table(
    "sign_in", metadata, Column("key_hash", LargeBinary, primary_key=True), _text("state"), _text("nonce"),
    _text("verifier"), _text("redirect_uri"), _text("back"),
    Column("ends_at", DateTime(timezone=True), nullable=False),
)  # fmt: skip

group_set = Table(
    "group_set", metadata, Column("set_id", BigInteger, primary_key=True),
    Column("account_id", TextType, ForeignKey("review.account.account_id"), nullable=False), _text("kind"),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    UniqueConstraint("account_id", "kind"),
)  # fmt: skip

group_tile = Table(
    "group_tile", metadata,
    Column("set_id", BigInteger, ForeignKey("review.group_set.set_id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True), _text("document_id"), _text("field"), Column("task_id", TextType),
    _text("value"), Column("token", BigInteger), Index("group_tile_document", "document_id"),
)  # fmt: skip

attention = Table(
    "attention", metadata, Column("attention_id", BigInteger, primary_key=True),
    Column("account_id", TextType, ForeignKey("review.account.account_id"), nullable=False),
    Column("shown_at", DateTime(timezone=True), nullable=False, server_default=NOW), _text("kind"),
    _text("document_id"), _text("field"), Column("caught", Boolean, nullable=False),
    Index("attention_account", "account_id", "shown_at"),
)  # fmt: skip

paper_request = Table(
    "paper_request", metadata, Column("page_id", TextType, primary_key=True), _text("asked_by"), _text("reason"),
    Column("asked_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("done_at", DateTime(timezone=True)), Column("done_by", TextType),
    Index("paper_request_open", "asked_at", postgresql_where=text("done_at IS NULL")),
)  # fmt: skip
