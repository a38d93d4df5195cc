#!/bin/sh
# Runs tests where cgroup v2 is the only one: the init of a user-mode Linux on the host's files, which
# are read-only there. TESTS is the program with the tests, MODULES the names of those to run, separated by commas.
# The last line is "GROUPS WORK" if all is well. By hand:
#
#   tests/uml.sh mem=768M rootfstype=hostfs rootflags=/ ro con=null con0=null,fd:1 quiet init=$PWD/tests/version-2.sh \
#       TESTS=PROGRAM MODULES=mounts::,exec::
set -eu

mount -t proc proc /proc
mount -t sysfs sys /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mount -t cgroup2 cgroup /sys/fs/cgroup
ip link set lo up

cd "${TESTS%/target/*}"
# Left out: what needs veth, and what measures time, which is counted here as a loaded host gives it.
# Splitting gives one name each.
# shellcheck disable=SC2046
if "$TESTS" --test-threads 2 --skip net_devices:: --skip a_cpu_quota_is_kept $(echo "$MODULES" | tr , ' ') >/run/output 2>&1; then
    cat /run/output
    echo "GROUPS WORK"
else
    cat /run/output
    echo "FAILED"
fi
echo o >/proc/sysrq-trigger
busybox halt -f
