#!/bin/sh
# A test of the tests: takes one part after another out of every config.json, and runs the tests that tests/mutants.txt names
# for it. Each of them must fail. Needs root and `cargo build --bins`; `make test-mutants` does that first.
#
#   tests/mutants.sh            all parts
#   tests/mutants.sh PART...    some of them, as the table writes them
set -eu

cd "$(dirname "$0")/.."
out=$(realpath -m "${CARGO_TARGET_DIR:-target}")
programs=$out/x86_64-unknown-linux-gnu/debug
work=$out/mutants
mkdir -p "$work"

# The tests know a runtime by its file name.
cp -f "$programs/mutant-runtime" "$work/tare"
tests=$(tests/rust.sh cargo test --locked --no-run --package tests --test runtime --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*\/runtime-[^"]*\)".*/\1/p')
[ -x "$tests" ] || { echo "the live tests do not build" >&2; exit 1; }

# lines PART: what the table has for a part, an indented line each.
lines() {
    PART=$1 awk '/^[^# ]/ { of = ($0 == ENVIRON["PART"]) } /^ / && of { sub(/^ +/, ""); print }' tests/mutants.txt
}

# check PART: 0 if every test that is named for it fails without it.
check() {
    lines "$1" | sed -n '/^green /!p' >"$work/filters"
    lines "$1" | sed -n 's/^green \([^ ]*\).*/\1/p' | sort >"$work/allowed"
    [ -s "$work/filters" ] || { echo "no test is named for $1"; return 1; }
    # Each line is one word.
    # shellcheck disable=SC2046
    RUNTIME=$work/tare MUTATED=$programs/tare MUTANT=$1 \
        timeout 900 "$tests" --test-threads 4 $(cat "$work/filters") >"$work/output" 2>"$work/errors" && code=0 || code=$?
    [ "$code" = 0 ] || [ "$code" = 101 ] || { echo "the tests end with $code"; return 1; }
    sed -n 's/^SKIPPED \([^ ]*\): .*/\1/p' "$work/errors" | sort -u >"$work/skipped"
    sed -n 's/^test \([^ ]*\) \.\.\. ok$/\1/p' "$work/output" | sort | comm -23 - "$work/skipped" >"$work/green"
    sed -n 's/^test \([^ ]*\) \.\.\. FAILED$/\1/p' "$work/output" | sort >"$work/red"
    {
        comm -23 "$work/green" "$work/allowed" | sed 's/$/ stays green/'
        comm -12 "$work/red" "$work/allowed" | sed 's/$/ fails now: it is no exception any more/'
        while read -r filter; do
            grep -qF -- "$filter" "$work/red" "$work/skipped" || echo "$filter fits no test that fails"
        done <"$work/filters"
    } >"$work/wrong"
    sed 's/^/    /' "$work/wrong"
    echo "$1: $(wc -l <"$work/red") fail as they must, $(wc -l <"$work/wrong") wrong"
    ! [ -s "$work/wrong" ]
}

failed=0
if [ $# = 0 ]; then
    # A part is a word.
    # shellcheck disable=SC2046
    set -- $(grep '^[^# ]' tests/mutants.txt)
fi
for part in "$@"; do
    check "$part" || failed=$((failed + 1))
done
echo "parts whose tests stay green: $failed of $#"
[ "$failed" = 0 ]
