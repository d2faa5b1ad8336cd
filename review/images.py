"""Stage 8, review.images: an officer's look at a page becomes JPEG bytes, drawn by a child, remembered in memory only.

The workbench never decodes an original itself, and no picture of a patient's page is written to disk.
"""

import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from pipeline.children import Workers
from pipeline.settings import Settings
from records.errors import SohoaError, UnreadableScan
from review.drawing import DamagedOriginal, Drawing, Drawn, Sheet, draw, get_ready
from review.tickets import Cut

CHILDREN = 2  # one may draw ahead while an officer waits for the other
DRAW_SECONDS = 20
LOCKS = 64
ENTRY_BYTES = 1024  # what remembering a picture costs besides the picture
MOST_AHEAD = 20  # pages that wait to be drawn ahead

CutsOf = Callable[[str], Iterable[Cut]]


class ImageFault(SohoaError):
    """A picture that cannot be shown. `key`: of review.texts; `status`: of the answer (HTTP)."""

    def __init__(self, key: str, status: int) -> None:
        super().__init__(key)
        self.key = key
        self.status = status


class Remembered:
    """Pictures by sheet and cut (None: the whole page) up to so many bytes; the longest unused goes first."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._pictures: OrderedDict[tuple[Sheet, Cut | None], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, sheet: Sheet, cut: Cut | None) -> bytes | None:
        """The picture, None when it is not remembered."""
        with self._lock:
            picture = self._pictures.get((sheet, cut))
            if picture is not None:
                self._pictures.move_to_end((sheet, cut))
            return picture

    def put(self, sheet: Sheet, cut: Cut | None, picture: bytes) -> None:
        """Remember a picture, and forget as many old ones as it takes."""
        with self._lock:
            old = self._pictures.pop((sheet, cut), None)
            self.bytes -= _cost(old) if old is not None else 0
            self._pictures[sheet, cut] = picture
            self.bytes += _cost(picture)
            while self.bytes > self.most_bytes:
                self.bytes -= _cost(self._pictures.popitem(last=False)[1])


class Images:
    """Pictures of pages, for any number of threads. `cuts_of`: page id to the crops that are likely asked for.

    `started`: done when the children, which start beside the caller, have their libraries in memory.
    """

    def __init__(self, settings: Settings, cuts_of: CutsOf) -> None:
        self.remembered = Remembered(settings.review_cache_mb << 20)
        self._cuts_of = cuts_of
        self._locks = [threading.Lock() for _ in range(LOCKS)]
        chosen = settings.model_copy(update={"page_seconds": DRAW_SECONDS})
        self._all = [Workers(1, chosen) for _ in range(CHILDREN)]
        self._idle: queue.Queue[Workers] = queue.Queue()
        for workers in self._all:
            self._idle.put(workers)
        self._ahead = ThreadPoolExecutor(max_workers=1, thread_name_prefix="draw-ahead")
        self._waiting = threading.BoundedSemaphore(MOST_AHEAD)
        self.started = self._ahead.submit(self._get_ready)

    def page(self, sheet: Sheet) -> bytes:
        """The whole upright page as JPEG; ImageFault when it cannot be shown."""
        return self._picture(sheet, None)

    def crop(self, sheet: Sheet, cut: Cut) -> bytes:
        """The cut of the upright page as JPEG; ImageFault when it cannot be shown."""
        return self._picture(sheet, cut)

    def warm(self, sheets: Iterable[Sheet]) -> None:
        """Draw pages ahead, beside the caller; what cannot be drawn is told to whoever asks for it."""
        for sheet in sheets:
            if self._waiting.acquire(blocking=False):
                self._ahead.submit(self._draw_ahead, sheet)

    def close(self) -> None:
        """End the children; what is being drawn is given up."""
        self._ahead.shutdown(wait=False, cancel_futures=True)
        for workers in self._all:
            workers.close()

    def _picture(self, sheet: Sheet, cut: Cut | None) -> bytes:
        found = self.remembered.get(sheet, cut)
        if found is not None:
            return found
        with self._locks[hash(sheet) % LOCKS]:  # Three crops of one page are asked for at once: it is drawn once.
            found = self.remembered.get(sheet, cut)
            return self._draw(sheet, cut)[cut] if found is None else found

    def _draw(self, sheet: Sheet, cut: Cut | None) -> dict[Cut | None, bytes]:
        """Draw and remember the page, its likely crops and `cut`."""
        cuts = tuple(dict.fromkeys([*self._cuts_of(sheet.job.page_id), *([] if cut is None else [cut])]))
        drawn = self._by_a_child(Drawing(sheet, cuts))
        pictures: dict[Cut | None, bytes] = {None: drawn.page, **dict(zip(cuts, drawn.crops, strict=True))}
        for one, picture in pictures.items():
            self.remembered.put(sheet, one, picture)
        return pictures

    def _by_a_child(self, asked: Drawing) -> Drawn:
        try:
            workers = self._idle.get(timeout=DRAW_SECONDS)
        except queue.Empty as error:
            raise ImageFault("page.failed", 503) from error
        try:
            ((_, result),) = workers.map(draw, [asked])
        except DamagedOriginal as error:
            raise ImageFault("page.damaged", 409) from error
        except SohoaError as error:
            raise ImageFault("page.failed", 503) from error
        finally:
            self._idle.put(workers)
        if isinstance(result, UnreadableScan):
            raise _fault_of(result) from result
        return result

    def _draw_ahead(self, sheet: Sheet) -> None:
        try:
            self._picture(sheet, None)
        except ImageFault:  # Whoever opens the page is told.
            return
        finally:
            self._waiting.release()

    def _get_ready(self) -> None:
        for _ in self._all:
            workers = self._idle.get()
            try:
                list(workers.map(get_ready, [None]))
            finally:
                self._idle.put(workers)


def _cost(picture: bytes) -> int:
    return len(picture) + ENTRY_BYTES


def _fault_of(error: UnreadableScan) -> ImageFault:
    if error.code == "reading_failed":
        return ImageFault("page.failed", 503)
    return ImageFault("page.unreadable", 409)
