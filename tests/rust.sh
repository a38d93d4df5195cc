#!/bin/sh
# Runs a command with a Rust toolchain that is new enough: the one on PATH, or else Debian's newer packages in /usr/bin.
set -eu

# The version that Cargo.toml asks for.
wanted=90

minor() {
    "$1" --version 2>/dev/null | sed -n 's/^[a-z]* 1\.\([0-9]*\)\..*/\1/p'
}

new_enough() {
    [ "$(minor "$1cargo")" ] && [ "$(minor "$1cargo")" -ge "$wanted" ] && [ "$(minor "$1rustc")" ] && [ "$(minor "$1rustc")" -ge "$wanted" ]
}

if new_enough ""; then
    :
elif new_enough /usr/bin/; then
    PATH=/usr/bin:$PATH
    export PATH
else
    echo "no Rust 1.$wanted or newer: tests/setup.sh installs one" >&2
    exit 1
fi
exec "$@"
