"""Stage 1 to 2, extractors.decode: turns one page of a scan's bytes into RGB pixels as a viewer would show it."""

import io
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from extractors.limits import Limits, check_size
from extractors.pdf import decode_pdf
from records.errors import UnreadableScan
from records.pages import MediaType

Pixels = NDArray[np.uint8]

# Named here, so that they are loaded: Pillow otherwise knows no TIFF until something else asked for one.
FORMATS = [
    plugin.format
    for plugin in (JpegImagePlugin.JpegImageFile, PngImagePlugin.PngImageFile, TiffImagePlugin.TiffImageFile)
]
A4_LONG_INCHES = 11.69
SHEET_INCHES = (4.0, 24.0)  # The long side of whatever a hospital scans, from a slip to a film.
BROKEN_IMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    Image.DecompressionBombError,
)


def decode_page(data: bytes, media_type: MediaType, number: int, limits: Limits) -> tuple[Pixels, float]:
    """Page `number` (from 1) as height x width x 3 RGB bytes, turned as a viewer shows it, and its resolution in dpi.

    UnreadableScan('page_unreadable' or 'too_large'); the size is checked before any pixel is decoded.
    """
    pixels, dpi = DECODERS[media_type](data, number, limits)
    return pixels, believable_dpi(dpi, pixels.shape[1], pixels.shape[0])


def stored_pixels(data: bytes, media_type: MediaType, number: int, limits: Limits) -> tuple[NDArray[Any], float]:
    """Page `number` (from 1) with every grey step of the file, as a viewer turns it: HxW or NxHxW uint8 or uint16,
    or HxWx3 uint8; and the dpi that the file states, 0 for none. UnreadableScan as in `decode_page`; a page of a PDF
    comes as it is read."""
    if media_type is MediaType.DICOM:
        return _from_dicom(data, limits, _stored_frames)
    if media_type is MediaType.PDF:
        return decode_pdf(data, number, limits)
    pixels, dpi = _from_image(data, number, limits, _all_steps)
    return pixels, dpi if believable_dpi(dpi, pixels.shape[1], pixels.shape[0]) == dpi else 0.0


def believable_dpi(dpi: float, width: int, height: int) -> float:
    """The file's own resolution when it makes a sheet of paper, else the one that makes the page an A4 sheet long."""
    long_side = max(width, height)
    if math.isfinite(dpi) and dpi > 0 and SHEET_INCHES[0] <= long_side / dpi <= SHEET_INCHES[1]:
        return float(dpi)
    return long_side / A4_LONG_INCHES


def open_image(data: bytes, limits: Limits) -> Image.Image:
    """An image whose header was read and whose size is allowed; nothing is decoded yet."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own size warning; check_size decides.
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise UnreadableScan("too_large") from error
    except BROKEN_IMAGE as error:
        raise UnreadableScan("damaged_file", type(error).__name__) from error
    check_size(*image.size, limits)
    return image


def decode_image(data: bytes, number: int, limits: Limits) -> tuple[Pixels, float]:
    """A page of a JPEG, PNG or TIFF. Pillow alone decides about EXIF turns."""
    return _from_image(data, number, limits, _rgb)


def _from_image(
    data: bytes, number: int, limits: Limits, pixels_of: Callable[[Image.Image], NDArray[Any]]
) -> tuple[NDArray[Any], float]:
    try:
        image = open_image(data, limits)
        if number > 1:
            image.seek(number - 1)
            check_size(*image.size, limits)
        dpi = _dots_per_inch(image)
        return pixels_of(ImageOps.exif_transpose(image)), dpi  # A TIFF is turned while it loads; the tag is gone then.
    except BROKEN_IMAGE as error:
        raise UnreadableScan("page_unreadable", type(error).__name__) from error


def _dots_per_inch(image: Image.Image) -> float:
    try:
        across, down = image.info.get("dpi", (0, 0))
        return max(float(across), float(down))
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0


def _all_steps(image: Image.Image) -> NDArray[Any]:
    """Grey steps as the file has them; colour in eight bits per channel."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    return np.array(image) if image.mode == "L" else _rgb(image)


def _rgb(image: Image.Image) -> Pixels:
    """Eight bits per channel; what is transparent becomes white paper."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return gray_to_rgb(np.asarray(image).astype(np.float64), full=65535.0 if image.mode.startswith("I") else None)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    return np.array(image.convert("RGB"), dtype=np.uint8)


def gray_to_rgb(gray: NDArray[np.float64], full: float | None = None) -> Pixels:
    """Any number of grey steps to eight bits: by the full scale where it is known and used, else from least to most."""
    low, high = float(np.nanmin(gray, initial=np.inf)), float(np.nanmax(gray, initial=-np.inf))
    if full is not None and low >= 0 and full / 4 < high <= full:
        low, high = 0.0, full
    scaled = np.nan_to_num((gray - low) * (255.0 / max(high - low, 1e-9)))
    return np.repeat(np.clip(scaled + 0.5, 0, 255).astype(np.uint8)[:, :, np.newaxis], 3, axis=2)


def decode_dicom(data: bytes, number: int, limits: Limits) -> tuple[Pixels, float]:
    """The first frame of a DICOM film, windowed to eight bits, white bones on black also for MONOCHROME1."""
    return _from_dicom(data, limits, _film_pixels)


def _from_dicom(data: bytes, limits: Limits, pixels_of: Callable[[Any], NDArray[Any]]) -> tuple[NDArray[Any], float]:
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        film = pydicom.dcmread(io.BytesIO(data))
        check_size(int(film.Columns), int(film.Rows), limits)
        return pixels_of(film), _film_dpi(film)
    except (InvalidDicomError, AttributeError, RuntimeError, NotImplementedError, *BROKEN_IMAGE) as error:
        raise UnreadableScan("page_unreadable", type(error).__name__) from error


def _stored_frames(film: Any) -> NDArray[Any]:
    from pydicom.pixels.utils import pixel_array

    frames = pixel_array(film)
    whole = np.uint8 if int(film.BitsStored) <= 8 else np.uint16
    lowest = int(frames.min())  # signed steps become unsigned: the same steps, from another end
    return (frames - min(lowest, 0)).astype(whole)


def _film_pixels(film: Any) -> Pixels:
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
    from pydicom.pixels.utils import pixel_array

    frame = pixel_array(film, index=0)
    if frame.ndim == 3:
        return np.asarray(frame, dtype=np.uint8)
    gray = np.asarray(apply_voi_lut(apply_modality_lut(frame, film), film), dtype=np.float64)
    pixels = gray_to_rgb(gray)
    return np.asarray(255 - pixels if film.PhotometricInterpretation == "MONOCHROME1" else pixels, dtype=np.uint8)


def _film_dpi(film: Any) -> float:
    spacing = film.get("PixelSpacing") or film.get("ImagerPixelSpacing")
    return 25.4 / float(spacing[0]) if spacing and float(spacing[0]) > 0 else 0.0


DECODERS: dict[MediaType, Callable[[bytes, int, Limits], tuple[Pixels, float]]] = {
    MediaType.PDF: decode_pdf,
    MediaType.TIFF: decode_image,
    MediaType.JPEG: decode_image,
    MediaType.PNG: decode_image,
    MediaType.DICOM: decode_dicom,
}
