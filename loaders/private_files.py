"""After stage 9, loaders.private_files: patient data in new folders and files that their owner alone may read."""

import os
from pathlib import Path
from typing import BinaryIO

from records.errors import SohoaError


def new_folder(out: Path) -> None:
    """Make the folder; SohoaError when it is there already or cannot be made."""
    try:
        out.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise SohoaError(f"{out} cannot be made ({error.strerror}); give the path of a new folder.") from error


def new_file(path: Path) -> BinaryIO:
    """A new file, open for writing; SohoaError when it is there already or cannot be made."""
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as error:
        raise SohoaError(f"{path} cannot be written ({error.strerror}); give the path of a new file.") from error


def write_file(path: Path, content: bytes) -> None:
    """A new file with these bytes; SohoaError as `new_file`."""
    with new_file(path) as file:
        file.write(content)
