"""After stage 10, pipeline.private_files: patient data in a new folder that its owner alone may read."""

import os
from pathlib import Path

from records.errors import SohoaError


def new_folder(out: Path) -> None:
    """Make the folder; SohoaError when it is there already or cannot be made."""
    try:
        out.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise SohoaError(f"{out} cannot be made ({error.strerror}); give the path of a new folder.") from error


def write_file(path: Path, content: bytes) -> None:
    """A new file with these bytes."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
