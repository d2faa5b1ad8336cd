"""Peers, bench.peer_readers: who else reads pages, each as a function from a page's file to what it read.

They run in .venv-bench, each alone in a process of bench.worker. What a peer needs is imported when it is made.
"""

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Read = Callable[[Path, int], dict[str, Any]]  # (file, page from 1) -> text, and where it has them type, turn and fields
USUAL_DPI = 200  # of a picture that does not say


def _afternoon() -> Read:
    """The script that most people would write first."""
    from bench.plain import read_plainly

    return read_plainly


def _pytesseract() -> Read:
    """One call a page on the page as it lies in the file."""
    import pytesseract

    from bench.plain import page_image

    return lambda path, number: {"text": pytesseract.image_to_string(page_image(path, number), lang="vie")}


def _rapidocr() -> Read:
    """As it comes, with the models in its wheel; one thread."""
    import numpy as np
    from rapidocr import RapidOCR

    from bench.plain import page_image

    one = {f"EngineConfig.onnxruntime.{which}_op_num_threads": 1 for which in ("intra", "inter")}
    engine = RapidOCR(params={**one, "Global.log_level": "error"})

    def read(path: Path, number: int) -> dict[str, Any]:
        bgr = np.ascontiguousarray(np.asarray(page_image(path, number))[:, :, ::-1])
        return {"text": "\n".join(engine(bgr).txts or ())}

    return read


def _ocrmypdf() -> Read:
    """The text beside the PDF that it would make; the pages are turned and straightened, the PDF itself is not kept."""
    import ocrmypdf
    from ocrmypdf.exceptions import ExitCodeException

    logging.getLogger("ocrmypdf").setLevel(logging.CRITICAL)

    def read(path: Path, number: int) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="sohoa-bench-") as folder:
            page, text = one_page(path, number, Path(folder)), Path(folder) / "text.txt"
            try:
                ocrmypdf.ocr(
                    page, "-", sidecar=text, language=["vie"], rotate_pages=True, deskew=True, force_ocr=True, jobs=1,
                    use_threads=True, output_type="none", image_dpi=dpi_to_tell(page), progress_bar=False,
                )  # fmt: skip
            except ExitCodeException as error:  # A page that it refuses is a page without text.
                logging.getLogger(__name__).warning("OCRmyPDF refused page %s of %s: %s", number, path.name, error)
                return {"text": ""}
            return {"text": text.read_text(encoding="utf-8")}

    return read


def one_page(path: Path, number: int, folder: Path) -> Path:
    """A file with this page only: the file itself where it has no other."""
    import pikepdf
    from PIL import Image

    if path.suffix.lower() == ".pdf":
        with pikepdf.open(path) as whole, pikepdf.new() as single:
            single.pages.append(whole.pages[number - 1])
            single.save(folder / "page.pdf")
        return folder / "page.pdf"
    with Image.open(path) as picture:
        if getattr(picture, "n_frames", 1) == 1:
            return path
        picture.seek(number - 1)
        picture.save(folder / "page.png", dpi=picture.info.get("dpi"))
    return folder / "page.png"


def dpi_to_tell(page: Path) -> int | None:
    """What OCRmyPDF has to be told about a picture that does not say its resolution."""
    from PIL import Image

    if page.suffix.lower() == ".pdf":
        return None
    with Image.open(page) as picture:
        said = float(picture.info.get("dpi", (0, 0))[0])
    return None if said > 1 else USUAL_DPI


PEERS: dict[str, Callable[[], Read]] = {
    "afternoon": _afternoon,
    "ocrmypdf": _ocrmypdf,
    "rapidocr": _rapidocr,
    "pytesseract": _pytesseract,
}
