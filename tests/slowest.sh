#!/bin/sh
# Prints the ten slowest tests from a file with a line `SECONDS NAME` for each part of a test (tests/report): tests/slowest.sh FILE
set -eu

echo "the ten slowest tests:"
awk '{ sum[$2] += $1 } END { for (name in sum) printf "%8.1f s  %s\n", sum[name], name }' "$1" | sort -rn | head -n 10
