"""The ledger's states of a page, and which may follow which."""

from enum import StrEnum


class PageState(StrEnum):
    """Every page is in exactly one. `received`, `read` and `assembled` are in progress; the others rest."""

    RECEIVED = "received"
    READ = "read"
    ASSEMBLED = "assembled"
    LOADED = "loaded"
    IN_REVIEW = "in_review"
    BLANK = "blank"
    DUPLICATE = "duplicate"
    SEPARATOR = "separator"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


IN_PROGRESS = frozenset({PageState.RECEIVED, PageState.READ, PageState.ASSEMBLED})
AT_REST = frozenset(PageState) - IN_PROGRESS

NEXT: dict[PageState, frozenset[PageState]] = {
    PageState.RECEIVED: frozenset(
        {
            PageState.READ,
            PageState.QUARANTINED,
            PageState.DUPLICATE,
            PageState.SUPERSEDED,
            PageState.WITHDRAWN,
        }
    ),
    PageState.READ: frozenset(
        {
            PageState.ASSEMBLED,
            PageState.BLANK,
            PageState.DUPLICATE,
            PageState.SEPARATOR,
            PageState.IN_REVIEW,
            PageState.RECEIVED,
            PageState.SUPERSEDED,
            PageState.WITHDRAWN,
        }
    ),
    PageState.ASSEMBLED: frozenset(
        {
            PageState.LOADED,
            PageState.IN_REVIEW,
            PageState.READ,
            PageState.SUPERSEDED,
            PageState.WITHDRAWN,
        }
    ),
    PageState.IN_REVIEW: frozenset(
        {
            PageState.READ,
            PageState.ASSEMBLED,
            PageState.LOADED,
            PageState.BLANK,
            PageState.DUPLICATE,
            PageState.SUPERSEDED,
            PageState.WITHDRAWN,
            PageState.RECEIVED,
        }
    ),
    PageState.LOADED: frozenset({PageState.IN_REVIEW, PageState.SUPERSEDED, PageState.WITHDRAWN, PageState.RECEIVED}),
    PageState.BLANK: frozenset({PageState.IN_REVIEW, PageState.SUPERSEDED, PageState.WITHDRAWN, PageState.RECEIVED}),
    PageState.DUPLICATE: frozenset({PageState.IN_REVIEW, PageState.SUPERSEDED, PageState.WITHDRAWN}),
    PageState.SEPARATOR: frozenset({PageState.SUPERSEDED, PageState.WITHDRAWN}),
    PageState.QUARANTINED: frozenset({PageState.RECEIVED, PageState.SUPERSEDED, PageState.WITHDRAWN}),
    PageState.SUPERSEDED: frozenset(),
    PageState.WITHDRAWN: frozenset(),
}
