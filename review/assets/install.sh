#!/bin/sh
# review/assets/install.sh [dev]: what the workbench's pages load besides their own, into SOHOA_HOME/assets, as the lock
# file says, with the Node of the environment's bin folder (on PATH). dev: also what only the tests need.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
assets=${SOHOA_HOME:-$here/../../var}/assets
wanted=$(sha256sum "$here/package-lock.json" | cut -d' ' -f1)
have=$(cat "$assets/node_modules/installed" 2>/dev/null || true)
if [ "$have" = "$wanted dev" ] || { [ "${1-}" != dev ] && [ "$have" = "$wanted" ]; }; then exit 0; fi
echo "Installing the workbench's scripts" >&2
mkdir -p "$assets"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$assets/"
without=--omit=dev
if [ "${1-}" = dev ]; then without=--include=dev; wanted="$wanted dev"; fi
npm ci --prefix "$assets" --ignore-scripts --silent "$without"
echo "$wanted" >"$assets/node_modules/installed"
