#!/bin/sh
# Runs user-mode Linux with the given arguments, on CPUs with more register state than it knows as well (tests/uml/xstate.c
# says how). `tests/uml.sh --check` tries only the library that makes this work. Needs cc and the package user-mode-linux.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
built=${CARGO_TARGET_DIR:-$here/../target}/uml
mkdir -p "$built"

# build NAME OPTIONS: compiles uml/NAME.c to $built/NAME, unless that is newer. Several tests may do this at once, so the
# finished program is renamed into place.
build() {
    name=$1
    shift
    if [ -z "$(find "$built/$name" -newer "$here/uml/$name.c" 2>/dev/null)" ]; then
        cc -O2 -Wall -Werror "$@" -o "$built/$name.$$" "$here/uml/$name.c"
        mv "$built/$name.$$" "$built/$name"
    fi
}

build xstate -shared -fPIC
if [ "${1:-}" != --check ]; then
    LD_PRELOAD=$built/xstate exec linux.uml "$@"
fi
build check
LD_PRELOAD=$built/xstate "$built/check" || { echo "the state is not completed: exit code $?" >&2; exit 1; }
# Without the library the kernel refuses, or this checks nothing.
code=0
"$built/check" || code=$?
[ "$code" = 2 ] || { echo "without the library the exit code is $code, not 2" >&2; exit 1; }
