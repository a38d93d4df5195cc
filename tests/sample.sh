#!/bin/sh
# Mutation testing with cargo-mutants on a random sample of a crate: tests/sample.sh PACKAGE COUNT SEED, such as tare-plan 150 1.
# Each mutant is built and tried with the crate's own tests. The results are in target/sample/PACKAGE/mutants.out; a mutant that
# no test notices is in missed.txt there. LIST=1 prints the sample only; arguments after SEED go to cargo-mutants.
#
# The sample depends on the seed and on the mutants' names: it changes little when code is added.
set -eu

cd "$(dirname "$0")/.."
package=$1
count=$2
seed=$3
shift 3
out=$(realpath -m "${CARGO_TARGET_DIR:-target}")
PATH=$PATH:$out/tools/bin
# What is measured is the tests, not the programs: optimisation would only cost time.
export PATH CARGO_PROFILE_DEV_OPT_LEVEL=0 CARGO_PROFILE_DEV_DEBUG=0

if ! command -v cargo-mutants >/dev/null; then
    tests/rust.sh cargo install --locked --root "$out/tools" cargo-mutants
fi

# The names without line and column, which every edit changes, decide by their hash.
sample() {
    tests/rust.sh cargo mutants --list --colors never --package "$package" --test-package "$package" | while read -r name; do
        key=$(printf '%s %s' "$seed" "$name" | sed 's/:[0-9]*:[0-9]*:/:/' | md5sum | cut -c1-16)
        echo "$key $name"
    done | sort | head -n "$count" | cut -d ' ' -f 2-
}

mkdir -p "$out/sample/$package"
sample >"$out/sample/$package/names"
if [ -n "${LIST:-}" ]; then
    cat "$out/sample/$package/names"
    exit
fi
# Each name as a regular expression of its own.
while read -r name; do
    set -- "$@" --re "^$(printf '%s' "$name" | sed 's/[][(){}.*+?^$|\\]/\\&/g')\$"
done <"$out/sample/$package/names"
tests/rust.sh cargo mutants --package "$package" --test-package "$package" --output "$out/sample/$package" \
    --timeout 120 --no-times --colors never "$@"
