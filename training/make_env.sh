#!/usr/bin/env bash
# Make what training needs and the product does not: .venv-train, Debian's font packages, web faces in training/cache.
# Done once; a second call finds all in place and does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=.venv-train
CACHE=training/cache

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }

python311() {
  local name
  for name in python3.11 python3 python; do
    if "$name" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then command -v "$name"; return; fi
  done
  fail "Python 3.11 is needed for training: apt-get install python3.11 python3.11-venv, then run this again."
}

make_venv() {
  local wanted python
  wanted=$(sha256sum training/requirements.txt | cut -d' ' -f1)
  if [ "$(cat $VENV/installed 2>/dev/null || true)" = "$wanted" ]; then return; fi
  say "Installing PyTorch and what training needs into $VENV (about 1 GB)"
  python=$(python311)
  "$python" -m venv --clear $VENV
  $VENV/bin/python -m pip install -qq --disable-pip-version-check -r training/requirements.txt
  echo "$wanted" >$VENV/installed
}

# Where apt is not available, faces that are not there are left out by name and training goes on with the others.
debian_fonts() {
  local missing=() name sudo=""
  command -v apt-get >/dev/null || { say "No apt-get here: Debian's faces that are missing are left out."; return; }
  while read -r name; do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q '^install ok installed' || missing+=("$name")
  done <training/fonts.txt
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { say "Not root: faces of ${missing[*]} are left out."; return; }
    sudo=sudo
  fi
  say "Installing ${missing[*]}"
  $sudo apt-get update -qq >/dev/null
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

web_fonts() {
  local wanted
  wanted=$(sha256sum training/package-lock.json | cut -d' ' -f1)
  if [ "$(cat $CACHE/fetched 2>/dev/null || true)" = "$wanted" ]; then return; fi
  command -v npm >/dev/null || { say "No npm here: web faces, most of the handwriting-like ones, are left out."; return; }
  say "Fetching web faces into $CACHE"
  mkdir -p $CACHE
  cp training/package.json training/package-lock.json training/.npmrc $CACHE/
  (cd $CACHE && npm ci --silent)
  echo "$wanted" >$CACHE/fetched
}

make_venv
debian_fonts
web_fonts
