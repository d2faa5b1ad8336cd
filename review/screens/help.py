"""Stage 8, review.screens.help: how a document is settled, and its keys."""

from fastapi import Request, Response

from review.policy import Right, Routes
from review.rendering import page

KEYS = (
    ("Enter", "enter"), ("Tab", "tab"), ("↑ ↓", "arrows"), ("Alt+N", "unreadable"), ("Alt+B", "absent"),
    ("Alt+G", "insist"), ("Alt+1 Alt+2", "entry"), ("Esc", "undo"), ("F2", "page"),
    ("Alt+U", "unclaimed"), ("Alt+R", "rescan"), ("?", "help"),
)  # fmt: skip
WITHOUT_FILE = tuple(one for one in KEYS if one[1] not in ("unclaimed", "rescan"))  # where there is no file behind
HOW = ("crop", "marks", "dates", "lists", "held", "never")
routes = Routes()


@routes.get("/help", right=Right.SIGNED_IN)
def help_page(request: Request) -> Response:
    """One page of help."""
    return page(request, "help.html", keys=KEYS, how=HOW)
