"""The closed list of reasons why a file is put aside, each a sentence that an officer can act on."""

from typing import NamedTuple


class Reason(NamedTuple):
    """One sentence each in Vietnamese and English."""

    vi: str
    en: str


QUARANTINE: dict[str, Reason] = {
    "empty_file": Reason("Tệp rỗng; hãy quét lại tờ này.", "The file is empty; scan these sheets again."),
    "wrong_type": Reason(
        "Nội dung không phải PDF, TIFF, JPEG, PNG hay DICOM; kiểm tra lại tệp nguồn.",
        "The content is not PDF, TIFF, JPEG, PNG or DICOM; check the source file.",
    ),
    "encrypted_pdf": Reason(
        "PDF có mật khẩu; bỏ mật khẩu rồi nộp lại.", "The PDF has a password; remove it and hand it in again."
    ),
    "damaged_file": Reason(
        "Tệp hỏng hoặc bị cắt cụt; hãy quét lại.", "The file is damaged or cut short; scan it again."
    ),
    "no_pages": Reason("Tệp không có trang nào; hãy quét lại.", "The file has no pages; scan it again."),
    "page_count_differs": Reason(
        "Hai cách đếm cho số trang khác nhau; hãy xuất lại tệp từ máy quét.",
        "Two independent counts of its pages differ; export the file from the scanner again.",
    ),
    "too_large": Reason(
        "Ảnh vượt giới hạn kích thước; quét lại ở 300 dpi.",
        "The image exceeds the size limit; scan it again at 300 dpi.",
    ),
    "too_many_pages": Reason(
        "Tệp vượt giới hạn số trang; tách thành nhiều tệp.", "The file exceeds the page limit; split it."
    ),
    "page_unreadable": Reason(
        "Không giải mã được trang này; hãy quét lại.", "This page could not be decoded; scan it again."
    ),
    "too_pale": Reason(
        "Trang quá mờ, không đọc được chữ; hãy quét lại với độ đậm cao hơn.",
        "The page is too pale to be read; scan it again, darker.",
    ),
    "reading_failed": Reason(
        "Không đọc được trang này trong giới hạn thời gian và bộ nhớ; chuyển IT kiểm tra.",
        "This page could not be read within its time and memory limits; ask IT to look at it.",
    ),
    "still_growing": Reason(
        "Tệp vẫn đang được ghi; chờ ghi xong rồi nộp lại.",
        "The file is still being written; hand it in when it is complete.",
    ),
}
