#!/bin/sh
# Installs what the machine lacks (Debian packages, when root), or names it clearly. Usage: needs.sh run|test
set -eu
kind="$1"
missing=""
need() { # COMMAND-OR-TEST PACKAGE
    if ! sh -c "$1" >/dev/null 2>&1; then missing="$missing $2"; fi
}
python="${PYTHON:-python3}"
need "$python -c 'import ensurepip, venv'" python3-venv
if [ "$kind" = test ]; then
    need "command -v chromium || command -v chromium-browser || command -v google-chrome" chromium
    need "command -v storescu && command -v movescu && command -v dcmqrscp" dcmtk
    need "command -v git" git
fi
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Debian packages:$missing"
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "This machine lacks:$missing" >&2
    echo "Install them as root, for example: sudo apt-get install$missing" >&2
    exit 1
fi
