#!/bin/sh
# Runs the project's own set-up and tests in a bare Debian 12, which has git and make only: as root, `tests/bare.sh [COMMAND]`.
# Default: make demo && make demo && make test. The last commit of this tree is what runs there.
#
# debootstrap makes the root once and target/bare.tar keeps it; `rm target/bare.tar` makes it anew. The root gets what this
# machine's network needs: package sources, proxies and certificates. It gets nothing else of this machine.
set -eu

cd "$(dirname "$0")/.."
command=${1:-make demo && make demo && make test}
out=$(realpath -m "${CARGO_TARGET_DIR:-target}")
kept=$out/bare.tar
root=$out/bare

# The first package source of this machine, in either format (sources.list(5)).
mirror() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p; s/^URIs: *\([^ ]*\).*/\1/p' | head -n 1
}

# copy PATH...: copies files and directories of this machine to the same places in the root, if they exist.
copy() {
    for path in "$@"; do
        if [ -e "$path" ]; then
            mkdir -p "$root$(dirname "$path")"
            # Absolute links in the root would lead cp out of it.
            rm -rf --one-file-system "${root:?}$path"
            cp -rL "$path" "$root$(dirname "$path")/"
        fi
    done
}

# The variables that programs take proxies and certificates from, as NAME=VALUE.
network() {
    env | grep -iE '^(https?_proxy|no_proxy|all_proxy|ssl_cert_file|ssl_cert_dir|curl_ca_bundle|git_ssl_cainfo|cargo_http_[a-z_]*)=' ||
        true
}

make_root() {
    debootstrap --variant=minbase --include=ca-certificates,git,make bookworm "$root" "$(mirror)"
    tar -C "$root" -cf "$kept.new" .
    mv "$kept.new" "$kept"
}

# Mounts of an earlier run ended with its mount namespace.
rm -rf --one-file-system "$root"
mkdir -p "$root"
if [ -e "$kept" ]; then
    tar -C "$root" -xf "$kept"
else
    make_root
fi

copy /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/keyrings /etc/apt/trusted.gpg.d /etc/apt/auth.conf.d /usr/share/keyrings \
    /usr/local/share/ca-certificates /etc/ssl/certs /etc/resolv.conf /etc/hosts "$HOME/.cargo/config.toml"
# apt's other settings call programs that a bare root lacks.
apt-config dump | grep -iE '^Acquire::(https?::|Retries)' >"$root/etc/apt/apt.conf.d/90network" || true
network | sed "s/'/'\\\\''/g; s/=/='/; s/\$/'/; s/^/export /" >"$root/root/network"
network | sed 's/^[^=]*=//' | grep '^/' | while read -r path; do copy "$path"; done
git clone --quiet --no-hardlinks . "$root/root/tare"

# A process that chroot(2) has moved cannot create a user namespace (user_namespaces(7)): pivot_root(2) it is.
ROOT=$root COMMAND=$command unshare --mount --propagation private sh -euc '
    mount --bind "$ROOT" "$ROOT"
    cd "$ROOT"
    mount -t proc proc proc
    mount --rbind /sys sys
    mount --rbind /dev dev
    mkdir old
    pivot_root . old
    umount --lazy /old
    rmdir /old
    cd /root/tare
    exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        sh -c ". /root/network; $COMMAND"
'
rm -rf --one-file-system "$root"
