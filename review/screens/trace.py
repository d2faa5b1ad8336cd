"""Stage 8, review.screens.trace: the story of a page, a document, a file or a conversion, for auditors; no content."""

from fastapi import Request, Response

from records.errors import SohoaError
from reporting import trace
from review.policy import Right, Routes
from review.rendering import page

LONGEST = 200  # characters of what is asked for
routes = Routes()


@routes.get("/trace", right=Right.AUDIT)
def show(request: Request, of: str = "") -> Response:
    """What happened to `of` (an id, a path or a look-up code), in the order in which it happened."""
    asked, found, unknown = of.strip()[:LONGEST], [], False
    if asked:
        try:
            found = list(trace.story(asked, "review"))
        except SohoaError:
            unknown = True
    return page(request, "trace.html", 404 if unknown else 200, of=asked, parts=parts_of(found), unknown=unknown)


def parts_of(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Lines -> (heading, what stands below it): what is set in belongs to the line before."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith(" ") and found:
            found[-1][1].append(line.strip())
        else:
            found.append((line, []))
    return found
