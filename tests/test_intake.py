"""Intake: which files are taken in, what they are, how many pages they have, and each page's pixels."""

import io
import os
import threading
import time

import numpy as np
import pikepdf
import pytest
from PIL import Image, ImageDraw

from extractors import intake
from extractors.intake import Limits, decode_page, find_scans, inspect
from records.errors import SohoaError, UnreadableScan
from records.pages import MediaType
from records.quarantine import QUARANTINE

LIMITS = Limits()
SIZE = (620, 877)


def sheet(size=SIZE, mode="RGB", mark=0):
    """A white sheet with a black corner at the top left and a grey bar that tells sheets apart."""
    image = Image.new("L", size, 255)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, size[0] // 3, size[1] // 5), fill=0)
    draw.rectangle((size[0] // 2, size[1] // 2, size[0] // 2 + 40 + 30 * mark, size[1] // 2 + 60), fill=0)
    return image.convert(mode)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(pages, mode="RGB", **options):
    sheets = [sheet(mode=mode, mark=number) for number in range(pages)]
    return saved(sheets[0], "TIFF", save_all=True, append_images=sheets[1:], **options)


def pdf(pages=1, change=None, **options):
    """A PDF of scanned sheets, 75 dpi, one image per page; `change(pdf)` bends it."""
    sheets = [sheet(mark=number) for number in range(pages)]
    plain = saved(sheets[0], "PDF", save_all=True, append_images=sheets[1:], resolution=75)
    if change is None and not options:
        return plain
    buffer = io.BytesIO()
    with pikepdf.open(io.BytesIO(plain)) as document:
        if change:
            change(document)
        document.save(buffer, **options)
    return buffer.getvalue()


def film(photometric="MONOCHROME2", **tags):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID = CTImageStorage
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID = generate_uid()
    film.Rows, film.Columns, film.SamplesPerPixel, film.PhotometricInterpretation = 200, 100, 1, photometric
    film.BitsAllocated = film.BitsStored = 16
    film.HighBit, film.PixelRepresentation = 15, 0
    pixels = np.full((200, 100), 1000, np.uint16)
    pixels[:40, :30] = 3000
    film.PixelData = pixels.tobytes()
    film.WindowCenter, film.WindowWidth = 2000, 2000
    for name, value in tags.items():
        setattr(film, name, value)
    buffer = io.BytesIO()
    film.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def code_of(data, name="a.pdf", limits=LIMITS):
    with pytest.raises(UnreadableScan) as caught:
        inspect(data, name, limits)
    assert caught.value.code in QUARANTINE
    return caught.value.code


def dark_corner(pixels):
    """Which corner is black: 'top left', ..."""
    height, width = pixels.shape[:2]
    corners = {
        "top left": pixels[: height // 10, : width // 10],
        "top right": pixels[: height // 10, -width // 10 :],
        "bottom left": pixels[-height // 10 :, : width // 10],
        "bottom right": pixels[-height // 10 :, -width // 10 :],
    }
    return min(corners, key=lambda name: corners[name].mean())


# What the bytes are


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (pdf(3), (MediaType.PDF, 3)),
        (pdf(2, object_stream_mode=pikepdf.ObjectStreamMode.generate), (MediaType.PDF, 2)),
        (pdf(2, linearize=True), (MediaType.PDF, 2)),
        (pdf(2) + b"\0" * 1000, (MediaType.PDF, 2)),
        (tiff(1), (MediaType.TIFF, 1)),
        (tiff(4, "1", compression="group4"), (MediaType.TIFF, 4)),
        (tiff(3, compression="tiff_lzw"), (MediaType.TIFF, 3)),
        (tiff(2, big_tiff=True), (MediaType.TIFF, 2)),
        (saved(sheet(), "JPEG"), (MediaType.JPEG, 1)),
        (saved(sheet(), "JPEG", progressive=True), (MediaType.JPEG, 1)),
        (saved(sheet(), "PNG"), (MediaType.PNG, 1)),
        (film(), (MediaType.DICOM, 1)),
    ],
)
def test_type_and_pages_come_from_the_bytes_whatever_the_name(data, found):
    assert inspect(data, "misleading.jpg", LIMITS) == found


def test_files_that_cannot_be_read_get_their_code():
    assert code_of(b"") == "empty_file"
    assert code_of("Đây là văn bản thường.".encode()) == "wrong_type"
    assert code_of(b"%PDF-1.7\nrubbish\n%%EOF") == "damaged_file"
    assert code_of(b"II*\0\x08\0\0\0") == "damaged_file"
    assert code_of(b"\x89PNG\r\n\x1a\nrubbish") == "damaged_file"
    assert code_of(b"\0" * 128 + b"DICM" + b"rubbish") in ("damaged_file", "no_pages")
    assert code_of(pdf(encryption=pikepdf.Encryption(user="x", owner="y"))) == "encrypted_pdf"
    assert code_of(b"II*\0\0\0\0\0") in ("damaged_file", "no_pages")


def test_a_pdf_that_only_forbids_changes_is_read():
    locked = pdf(2, encryption=pikepdf.Encryption(user="", owner="y"))
    assert inspect(locked, "a.pdf", LIMITS) == (MediaType.PDF, 2)
    assert decode_page(locked, MediaType.PDF, 2, LIMITS)[0].shape == (877, 620, 3)


def test_a_pdf_without_pages_is_said_to_have_none():
    empty = io.BytesIO()
    with pikepdf.new() as document:
        document.save(empty)
    assert code_of(empty.getvalue()) == "no_pages"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "PDF", "linear PDF", "TIFF", "raw TIFF"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.98])
def test_a_file_that_was_cut_short_is_damaged_wherever_it_was_cut(kind, share):
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (300, 200, 3), dtype=np.uint8))
    whole = {
        "JPEG": lambda: saved(noise, "JPEG"),
        "PNG": lambda: saved(noise, "PNG"),
        "PDF": lambda: saved(noise, "PDF", save_all=True, append_images=[noise] * 3),
        "TIFF": lambda: saved(noise, "TIFF", save_all=True, append_images=[noise] * 3, compression="tiff_lzw"),
        "raw TIFF": lambda: saved(noise, "TIFF", save_all=True, append_images=[noise] * 3),
        "linear PDF": lambda: pdf(4, linearize=True),
    }[kind]()
    inspect(whole, "a", LIMITS)
    assert code_of(whole[: int(len(whole) * share)]) == "damaged_file"


def test_a_pdf_cut_while_pages_were_being_added_does_not_pass_for_its_earlier_self():
    added = b"\n99 0 obj\n<< /Type /XObject /Length 100000 >>\nstream\n" + b"x" * 8000
    assert inspect(pdf(2), "a.pdf", LIMITS) == (MediaType.PDF, 2)
    assert code_of(pdf(2) + added) == "damaged_file"


def test_two_counts_that_differ_put_the_file_aside(monkeypatch):
    monkeypatch.setattr("extractors.pdf._walk_pdf", lambda data, limits: 2)
    assert code_of(pdf(3)) == "page_count_differs"
    monkeypatch.setattr(intake, "count_tiff_pages", lambda data, most: 2)
    assert code_of(tiff(3)) == "page_count_differs"


def test_a_pdf_whose_page_tree_lies_about_its_count_loses_no_page():
    def lie(document):
        document.Root.Pages.Count = 2

    data = pdf(5, lie)
    try:
        assert inspect(data, "a.pdf", LIMITS) == (MediaType.PDF, 5)
    except UnreadableScan as error:
        assert error.code == "page_count_differs"


def test_a_tiff_whose_pages_run_in_a_circle_is_damaged():
    data = bytearray(tiff(1))
    first = int.from_bytes(data[4:8], "little")
    entries = int.from_bytes(data[first : first + 2], "little")
    data[first + 2 + 12 * entries : first + 6 + 12 * entries] = data[4:8]
    assert code_of(bytes(data)) == "damaged_file"


def test_limits_are_checked_before_anything_is_decoded(monkeypatch):
    files = {"png": saved(sheet(), "PNG"), "pdf": pdf(3), "tiff": tiff(3), "one tiff": tiff(1), "film": film()}
    for decoder in ("PngImagePlugin.PngImageFile", "TiffImagePlugin.TiffImageFile"):
        monkeypatch.setattr(f"PIL.{decoder}.load", lambda self: pytest.fail("decoded"))
    small = Limits(max_pixels=1000, max_pages=2, max_file_bytes=10_000_000)
    found = {name: code_of(data, limits=small) for name, data in files.items()}
    assert found["png"] == found["one tiff"] == found["film"] == "too_large"
    assert found["pdf"] == found["tiff"] == "too_many_pages"
    assert code_of(b"%PDF-" + b" " * 100, limits=Limits(max_file_bytes=50)) == "too_large"


def test_a_picture_that_claims_to_be_huge_is_refused_by_its_header():
    data = bytearray(saved(sheet(), "PNG"))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    assert code_of(bytes(data)) in ("too_large", "damaged_file")


# A page's pixels


def test_a_scanned_pdf_page_gives_back_the_scanners_own_pixels():
    original = sheet(mark=1)
    pixels, dpi = decode_page(pdf(2), MediaType.PDF, 2, LIMITS)
    assert pixels.shape == (877, 620, 3) and pixels.dtype == np.uint8
    jpeg = np.asarray(Image.open(io.BytesIO(saved(original, "JPEG"))).convert("RGB"), int)
    assert np.abs(pixels.astype(int) - jpeg).mean() < 1
    assert dpi == pytest.approx(75, abs=0.5)


@pytest.mark.parametrize(
    ("turn", "corner"), [(0, "top left"), (90, "top right"), (180, "bottom right"), (270, "bottom left")]
)
def test_a_pdf_page_is_turned_as_a_viewer_shows_it(turn, corner):
    def rotate(document):
        document.pages[0].Rotate = turn

    pixels, _ = decode_page(pdf(1, rotate), MediaType.PDF, 1, LIMITS)
    assert pixels.shape[:2] == ((877, 620) if turn % 180 == 0 else (620, 877))
    assert dark_corner(pixels) == corner


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_turned_scan_keeps_every_pixel_though_its_dots_are_not_quite_square(turn):
    def place(document):
        page = document.pages[0]
        page.MediaBox, page.Rotate = pikepdf.Array([0, 0, 600, 850]), turn
        page.Contents = document.make_stream(b"q 600 0 0 850 0 0 cm /image Do Q")

    lying, _ = decode_page(pdf(1), MediaType.PDF, 1, LIMITS)
    pixels, _ = decode_page(pdf(1, place), MediaType.PDF, 1, LIMITS)
    expected = np.rot90(lying, -turn // 90)
    assert pixels.shape == expected.shape
    # PDFium draws what stands on its head one pixel off.
    shifts = [(0, 0), (1, 0), (0, -1)]
    inside = (slice(2, -2), slice(2, -2))
    assert any(np.array_equal(np.roll(pixels, by, (0, 1))[inside], expected[inside]) for by in shifts)


@pytest.mark.parametrize("inherited", [False, True])
def test_a_crop_box_hides_nothing(inherited):
    def crop(document):
        page = document.pages[0]
        page.CropBox = pikepdf.Array([200, 100, 500, 600])
        if inherited:
            document.Root.Pages.MediaBox = page.MediaBox
            del page.MediaBox

    for mode in pikepdf.ObjectStreamMode.disable, pikepdf.ObjectStreamMode.generate:
        pixels, _ = decode_page(pdf(1, crop, object_stream_mode=mode), MediaType.PDF, 1, LIMITS)
        assert pixels.shape == (877, 620, 3) and dark_corner(pixels) == "top left"


def test_a_fax_with_oblong_dots_comes_out_in_the_shape_of_its_paper():
    squashed = sheet((1240, 877))

    def stretch(document):
        page = document.pages[0]
        page.MediaBox = pikepdf.Array([0, 0, 595, 842])
        page.contents_coalesce()
        page.Contents = document.make_stream(b"q 595 0 0 842 0 0 cm /image Do Q")

    buffer = io.BytesIO(saved(squashed, "PDF"))
    with pikepdf.open(buffer) as document:
        stretch(document)
        document.save(buffer := io.BytesIO())
    pixels, _ = decode_page(buffer.getvalue(), MediaType.PDF, 1, LIMITS)
    assert pixels.shape[0] / pixels.shape[1] == pytest.approx(842 / 595, rel=0.01) and pixels.shape[1] == 1240


def test_a_born_digital_page_is_drawn_at_300_dpi_or_what_the_limit_allows():
    from fpdf import FPDF

    document = FPDF(format="A4")
    document.add_page()
    document.set_font("Helvetica", size=20)
    document.text(20, 20, "GIAY RA VIEN")
    data = bytes(document.output())
    pixels, dpi = decode_page(data, MediaType.PDF, 1, LIMITS)
    assert pixels.shape[:2] == pytest.approx((3508, 2480), abs=2) and dpi == pytest.approx(300)
    assert pixels.min() < 50 and pixels.mean() > 250
    pixels, dpi = decode_page(data, MediaType.PDF, 1, Limits(max_pixels=1_000_000))
    assert 900_000 < pixels.shape[0] * pixels.shape[1] <= 1_000_000 and dpi < 102


def with_text(mode):
    """A PDF of one 75 dpi sheet with text over it, in a text rendering mode (3: invisible)."""

    def write(document):
        page = document.pages[0]
        page.Resources.Font = pikepdf.Dictionary(
            F=pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
        )
        page.contents_add(f"BT {mode} Tr /F 20 Tf 300 300 Td (SOHOA) Tj ET".encode())

    return pdf(1, write)


def test_a_search_layer_leaves_a_scanned_page_in_its_own_pixels():
    pixels, _ = decode_page(with_text(3), MediaType.PDF, 1, LIMITS)
    assert np.array_equal(pixels, decode_page(pdf(1), MediaType.PDF, 1, LIMITS)[0])


def test_text_printed_over_a_coarse_letterhead_is_drawn_sharp():
    pixels, dpi = decode_page(with_text(0), MediaType.PDF, 1, LIMITS)
    assert dpi == pytest.approx(300) and pixels.shape[1] == pytest.approx(2480, abs=2)


def test_a_filled_form_shows_what_was_filled_in():
    def fill(document):
        page = document.pages[0]
        seen = document.make_stream(b"0 0 0 rg 0 0 100 30 re f")
        seen.Type, seen.Subtype, seen.BBox = pikepdf.Name.XObject, pikepdf.Name.Form, [0, 0, 100, 30]
        field = pikepdf.Dictionary(
            Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Widget, FT=pikepdf.Name.Tx, T="name", V="x", F=4,
            Rect=[300, 100, 400, 130], AP=pikepdf.Dictionary(N=seen),
        )  # fmt: skip
        page.Annots = pikepdf.Array([document.make_indirect(field)])
        document.Root.AcroForm = pikepdf.Dictionary(Fields=page.Annots)

    empty, _ = decode_page(pdf(1), MediaType.PDF, 1, LIMITS)
    filled, _ = decode_page(pdf(1, fill), MediaType.PDF, 1, LIMITS)
    assert empty.shape == filled.shape and (filled < 50).sum() > (empty < 50).sum() + 2000


def test_a_page_whose_image_is_beyond_the_limit_costs_that_page_only():
    with pytest.raises(UnreadableScan) as caught:
        decode_page(pdf(1), MediaType.PDF, 1, Limits(max_pixels=500_000))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("number", [0, 3])
def test_a_page_that_is_not_there_is_unreadable(number):
    with pytest.raises(UnreadableScan) as caught:
        decode_page(pdf(2), MediaType.PDF, number, LIMITS)
    assert caught.value.code == "page_unreadable"


def test_every_page_of_a_group_4_tiff_is_decoded():
    data = tiff(3, "1", compression="group4", dpi=(200, 200))
    for number in (1, 2, 3):
        pixels, dpi = decode_page(data, MediaType.TIFF, number, LIMITS)
        expected = np.asarray(sheet(mode="1", mark=number - 1).convert("RGB"))
        assert np.array_equal(pixels, expected) and dpi == 200


VIEWS = ["top left", "top right", "bottom right", "bottom left", "top left", "top right", "bottom right", "bottom left"]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turn_noted_in_the_file_is_made_exactly_once(kind, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    options = {"tiffinfo": {274: orientation}} if kind == "TIFF" else {"exif": exif}
    data = saved(sheet(), kind, **options)
    pixels, _ = decode_page(data, MediaType[kind], 1, LIMITS)
    assert pixels.shape[:2] == ((877, 620) if orientation < 5 else (620, 877))
    assert dark_corner(pixels) == VIEWS[orientation - 1]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "RGB"])
def test_every_kind_of_pixel_becomes_rgb_on_white_paper(mode):
    image = sheet()
    if mode == "I;16":
        image = Image.fromarray(np.asarray(sheet(mode="L")).astype(np.uint16) * 257)
    elif mode in ("LA", "RGBA"):
        image = image.convert("RGBA")
        image.putalpha(sheet(mode="L").point(lambda v: 255 - v))  # White is transparent.
        image = image.convert(mode)
    else:
        image = image.convert(mode)
    pixels, _ = decode_page(saved(image, "PNG"), MediaType.PNG, 1, LIMITS)
    assert np.abs(pixels.astype(int) - np.asarray(sheet(), int)).mean() < 2


def test_cmyk_jpeg_is_read_in_its_colours():
    pixels, _ = decode_page(saved(sheet(mode="CMYK"), "JPEG"), MediaType.JPEG, 1, LIMITS)
    assert dark_corner(pixels) == "top left" and pixels.mean() > 150


@pytest.mark.parametrize(("dpi", "expected"), [((96, 96), 96.0), ((1, 1), 877 / 11.69), (None, 877 / 11.69)])
def test_a_resolution_that_makes_no_sheet_of_paper_is_not_believed(dpi, expected):
    data = saved(sheet(), "JPEG", **({"dpi": dpi} if dpi else {}))
    assert decode_page(data, MediaType.JPEG, 1, LIMITS)[1] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("photometric", "bright"), [("MONOCHROME2", True), ("MONOCHROME1", False)])
def test_a_film_is_windowed_and_never_shown_as_its_negative(photometric, bright):
    pixels, dpi = decode_page(film(photometric, PixelSpacing=[0.5, 0.5]), MediaType.DICOM, 1, LIMITS)
    assert pixels.shape == (200, 100, 3)
    assert bool(pixels[10, 10, 0] > 200) is bright and bool(pixels[-10, -10, 0] < 60) is bright
    assert dpi > 0


def test_only_the_first_frame_of_a_film_is_taken():
    frames = np.stack([np.full((200, 100), v, np.uint16) for v in (1500, 2900)])
    data = film(NumberOfFrames=2, PixelData=frames.tobytes())
    assert inspect(data, "f.dcm", LIMITS) == (MediaType.DICOM, 1)
    assert decode_page(data, MediaType.DICOM, 1, LIMITS)[0].shape == (200, 100, 3)


# Which files


def write(path, data=b"x", age=60):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (time.time() - age,) * 2)
    return path


def names(folder, found):
    scans, skipped = found
    return (
        [intake.relative_name(folder, path) for path in scans],
        {intake.relative_name(folder, path): reason for path, reason in skipped},
    )


def test_scans_are_found_below_in_order_and_the_rest_is_listed(tmp_path):
    for name in ("b/2.PDF", "b/10.tif", "a.jpeg", "ảnh.png", "film.dcm", "notes.docx", ".hidden.pdf", ".git/x.pdf"):
        write(tmp_path / name)
    for name in ("old/1.pdf", "deep/old/1.pdf", "draft_1.pdf", "b/draft_2.pdf", "b/c/x.tif"):
        write(tmp_path / name)
    (tmp_path / ".sohoaignore").write_text("# left out\nold/\ndraft_*\nb/c/*.tif\n\n", encoding="utf-8")
    (tmp_path / "link.pdf").symlink_to(tmp_path / "a.jpeg")
    scans, skipped = names(tmp_path, find_scans(tmp_path))
    assert scans == ["a.jpeg", "b/10.tif", "b/2.PDF", "film.dcm", "ảnh.png"]
    assert skipped == {
        "notes.docx": "not_a_scan",
        ".hidden.pdf": "hidden",
        ".git": "hidden",
        "old": "ignored",
        "deep/old": "ignored",
        "draft_1.pdf": "ignored",
        "b/draft_2.pdf": "ignored",
        "b/c/x.tif": "ignored",
        "link.pdf": "link",
    }


def test_a_name_that_is_no_utf_8_can_be_written_down(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xe9.pdf"
    with open(path, "wb") as file:
        file.write(b"x")
    os.utime(path, (1, 1))
    assert names(tmp_path, find_scans(tmp_path))[0] == ["\ufffd.pdf"]


def test_old_files_are_taken_in_at_once_and_fresh_ones_after_a_second(tmp_path):
    write(tmp_path / "old.pdf")
    started = time.monotonic()
    find_scans(tmp_path)
    assert time.monotonic() - started < 0.5
    write(tmp_path / "fresh.pdf", age=0)
    assert names(tmp_path, find_scans(tmp_path)) == (["fresh.pdf", "old.pdf"], {})
    assert 1 <= time.monotonic() - started < 4


def test_a_file_that_keeps_growing_is_left_for_later_and_holds_nobody_up_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr("extractors.folder.PATIENCE_SECONDS", 3.0)
    write(tmp_path / "whole.pdf")
    stop = threading.Event()

    def grow():
        with (tmp_path / "growing.pdf").open("wb", buffering=0) as file:
            while not stop.wait(0.1):
                file.write(b"x")

    writer = threading.Thread(target=grow)
    writer.start()
    time.sleep(0.2)
    started = time.monotonic()
    try:
        found = names(tmp_path, find_scans(tmp_path))
    finally:
        stop.set()
        writer.join()
    assert found == (["whole.pdf"], {"growing.pdf": "still_growing"})
    assert time.monotonic() - started < 5


def test_a_file_that_changes_while_it_is_read_is_left_for_later(tmp_path, monkeypatch):
    path = write(tmp_path / "a.pdf", b"first")
    read = type(path).read_bytes

    def meanwhile(self):
        data = read(self)
        self.write_bytes(b"first and more")
        return data

    monkeypatch.setattr(type(path), "read_bytes", meanwhile)
    with pytest.raises(UnreadableScan) as caught:
        intake.read_scan(path, LIMITS)
    assert caught.value.code == "still_growing"


def test_a_file_beyond_the_limit_is_not_even_read(tmp_path):
    path = write(tmp_path / "a.pdf", b"12345")
    assert intake.read_scan(path, LIMITS) == b"12345"
    with pytest.raises(UnreadableScan) as caught:
        intake.read_scan(path, Limits(max_file_bytes=4))
    assert caught.value.code == "too_large"


def test_a_folder_with_nothing_to_take_in_is_one_sentence(tmp_path):
    with pytest.raises(SohoaError, match="is not a folder"):
        find_scans(tmp_path / "missing")
    with pytest.raises(SohoaError, match="is not a folder"):
        find_scans(write(tmp_path / "file.pdf"))
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty" / "notes.txt")
    with pytest.raises(SohoaError, match="holds no scans"):
        find_scans(tmp_path / "empty")


def test_a_folder_that_may_not_be_read_is_one_sentence(tmp_path, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(SohoaError, match="cannot be read"):
        find_scans(tmp_path)
