"""Stage 8, review: `python -m review` serves the workbench."""

import sys

from pipeline.settings import settings
from records.errors import SohoaError
from review.serve import serve

if __name__ == "__main__":
    try:
        serve(settings())
    except SohoaError as error:
        sys.exit(f"sohoa: {error}")
