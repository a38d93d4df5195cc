#!/bin/sh
# Installs what is missing on Debian 12, and nothing that is there: tests/setup.sh build|demo|test|vm|bare|bench|lint
set -eu

here=$(dirname "$0")
missing=

# Wants a program; the packages that bring it are installed when it is not on PATH.
program() {
    name=$1
    shift
    if ! PATH=$PATH:/usr/sbin:/sbin command -v "$name" >/dev/null; then
        missing="$missing $*"
    fi
}

# Wants a file in the same way.
file() {
    name=$1
    shift
    if ! [ -e "$name" ]; then
        missing="$missing $*"
    fi
}

build() {
    if ! "$here/rust.sh" true 2>/dev/null; then
        missing="$missing rustc-web cargo-web"
    fi
    program cc gcc
    file /usr/include/stdlib.h libc6-dev
    file /usr/lib/x86_64-linux-gnu/libc.a libc6-dev
    file /etc/ssl/certs/ca-certificates.crt ca-certificates
}

demo() {
    build
    program ip iproute2
    program nft nftables
}

# The peers that tests and benchmarks compare with, and the tools they look with.
peers() {
    demo
    program runc runc
    program crun crun
    file /usr/lib/cni/bridge containernetworking-plugins
    program iptables iptables
    program script bsdutils
    program taskset util-linux
    program ps procps
    program mount mount
    program strace strace
    program mandoc mandoc
    # A kernel with VLANs on bridges, and what its init needs.
    program linux.uml user-mode-linux
    program busybox busybox-static
}

# The engines that are tried with our runtime and plugins.
engines() {
    peers
    program podman podman
    program conmon conmon
    # By these a rootless user's Podman maps more than one id.
    program newuidmap uidmap
    program buildah buildah
    program ctr containerd
    file /usr/sbin/dockerd docker.io
    file /usr/bin/docker docker.io
    file /etc/containers/policy.json golang-github-containers-common
}

# A virtual machine and what it is made with.
vm() {
    build
    program qemu-system-x86_64 qemu-system-x86
    program mmdebstrap mmdebstrap
    program busybox busybox-static
    program cpio cpio
    program mkfs.ext4 e2fsprogs
}

# What makes a bare machine.
bare() {
    program debootstrap debootstrap
}

lint() {
    build
    if ! "$here/rust.sh" cargo clippy --version >/dev/null 2>&1; then
        missing="$missing rust-web-clippy"
    fi
    if ! "$here/rust.sh" cargo fmt --version >/dev/null 2>&1; then
        missing="$missing rustfmt-web"
    fi
}

case "${1:-}" in
build | demo | vm | bare | lint) "$1" ;;
test) engines ;;
bench) peers ;;
*)
    echo "usage: $0 build|demo|test|vm|bare|bench|lint" >&2
    exit 2
    ;;
esac

if [ -n "$missing" ]; then
    echo "installing:$missing"
    if [ "$(id -u)" != 0 ]; then
        echo "that needs root: apt-get install$missing" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # Splitting gives one name each.
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing
fi
if [ "$1" != bare ]; then
    "$here/rust.sh" cargo --version
fi
