#!/usr/bin/env bash
# Make what the peers need and the product does not: .venv-bench, with the Python of .venv, which ./run makes before.
# Done once; a second call does nothing.
# Tesseract is there by ./run; OCRmyPDF draws pages with pypdfium2 and keeps no PDF here, so Ghostscript is not needed.
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=.venv-bench

wanted=$(sha256sum bench/requirements.txt | cut -d' ' -f1)
if [ "$(cat $VENV/installed 2>/dev/null || true)" = "$wanted" ] && $VENV/bin/python -c '' 2>/dev/null; then exit 0; fi
printf '%s\n' "Installing the peers into $VENV (about 0.5 GB)" >&2
.venv/bin/python -m venv --clear $VENV
$VENV/bin/python -m pip install -qq --disable-pip-version-check --no-deps -r bench/requirements.txt
$VENV/bin/python -m pip check --disable-pip-version-check >&2
echo "$wanted" >$VENV/installed
