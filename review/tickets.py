"""Stage 8, review.tickets: what one session may look at becomes an address that nobody can guess or hand on."""

import base64
import hmac
import json
from datetime import datetime, timedelta
from typing import Protocol

from records.base import Frozen
from records.pages import PageBox

LIFE = timedelta(minutes=30)
PARTS = 10_000  # of a page's side; a box is told in these
DIGEST_BYTES = 32

Cut = tuple[int, int, int, int]  # left, top, right, bottom in ten-thousandths of the page as it lies in the file


class Holder(Protocol):
    """Who a ticket is for. `csrf`: known to one session only."""

    @property
    def account_id(self) -> str: ...

    @property
    def csrf(self) -> str: ...


class Ticket(Frozen):
    """What may be looked at: a crop of a page, or without `cut` the whole page."""

    page_id: str
    cut: Cut | None


def cut_of(box: PageBox) -> Cut:
    """A box in whole ten-thousandths, so that the same box is the same picture."""
    return round(box.left * PARTS), round(box.top * PARTS), round(box.right * PARTS), round(box.bottom * PARTS)


def ticket_for(key: bytes, holder: Holder, page_id: str, box: PageBox | None, now: datetime) -> str:
    """The ticket (base64url) for a crop, or without `box` for the whole page; it ends after 30 minutes."""
    body = json.dumps([page_id, cut_of(box) if box else None, int((now + LIFE).timestamp())])
    return _encoded(_digest(key, holder, body) + body.encode("ascii"))


def open_ticket(key: bytes, holder: Holder, given: str, now: datetime) -> Ticket | None:
    """What a ticket allows; None for one that is altered, has ended or is another account's or session's."""
    sealed = _decoded(given)
    digest, body = sealed[:DIGEST_BYTES], sealed[DIGEST_BYTES:].decode("ascii", errors="replace")
    if not hmac.compare_digest(digest, _digest(key, holder, body)):
        return None
    page_id, cut, ends = json.loads(body)
    return Ticket(page_id=page_id, cut=cut) if now.timestamp() < ends else None


def _digest(key: bytes, holder: Holder, body: str) -> bytes:
    # A JSON list: no two different holders and bodies have the same text.
    return hmac.digest(key, json.dumps([holder.account_id, holder.csrf, body]).encode("ascii"), "sha256")


def _encoded(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode("ascii").rstrip("=")


def _decoded(given: str) -> bytes:
    """The bytes of a ticket; none for what is no base64url or another spelling of the same bytes."""
    try:
        sealed = base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))
    except ValueError:  # binascii.Error too; a letter outside ASCII gives ValueError itself.
        return b""
    return sealed if _encoded(sealed) == given else b""
