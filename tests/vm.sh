#!/bin/sh
# Runs tests/vm/systemd.sh in a virtual machine with Debian's kernel and systemd, as root: what a machine without systemd can't
# show. It is emulated, so that it runs anywhere and ten times as slow; about three minutes, and as many more the first time.
# `make test-vm` builds the programs first. Not part of `make test`.
#
#   tests/vm.sh            the script of this directory
#   tests/vm.sh SCRIPT     another one: it finds the programs and how to check in /payload
#
# What is made is kept in target/vm: `rm -r target/vm` makes it anew. `tests/setup.sh vm`
# installs what it takes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
script=${1:-$here/vm/systemd.sh}
programs=${PROGRAMS:-$here/../target/x86_64-unknown-linux-gnu/debug}
out=${CARGO_TARGET_DIR:-$here/../target}/vm
limit=${LIMIT:-1500}
packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,kmod,procps,uidmap,jq,apparmor,crun,runc
# In the order in which each finds what it needs.
modules="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk crc16 mbcache jbd2 crc32c_generic
crc32c-intel ext4"

kernel() {
    mkdir -p "$out/kernel"
    name=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -1)
    (cd "$out" && apt-get -o APT::Sandbox::User=root download "$name" && dpkg -x "$name"_*.deb kernel)
}

# The first file system: it loads what the disk needs, and goes on to the disk.
first() {
    mkdir -p "$out/first/bin" "$out/first/proc" "$out/first/dev" "$out/first/new"
    cp /bin/busybox "$out/first/bin/"
    for module in $modules; do
        find "$out/kernel/lib/modules" -name "$module.ko" -exec cp {} "$out/first/" \;
    done
    {
        echo '#!/bin/busybox sh'
        echo 'busybox=/bin/busybox; $busybox mount -t proc proc /proc; $busybox mount -t devtmpfs dev /dev'
        for module in $modules; do
            echo "[ ! -e /$module.ko ] || \$busybox insmod /$module.ko"
        done
        echo '$busybox mount /dev/vda /new && $busybox mount --move /dev /new/dev && exec $busybox switch_root /new /sbin/init'
        echo '$busybox poweroff -f'
    } >"$out/first/init"
    chmod +x "$out/first/init"
    (cd "$out/first" && find . | cpio -o -H newc --quiet | gzip -1) >"$out/first.gz"
}

unit() {
    cat >"$out/root/etc/systemd/system/payload.service" <<'END'
[Unit]
After=multi-user.target dbus.service user@1000.service
[Service]
Type=oneshot
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/sh -c 'mkdir /payload; tar -C /payload -xf /dev/vdb; sh /payload/script; echo "--- END $?"; systemctl poweroff --force --force'
END
}

disk() {
    mmdebstrap --quiet --variant=minbase --include="$packages" --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$out/root"
    cp -r "$out/kernel/lib/modules" "$out/root/lib/"
    chroot "$out/root" useradd -m -u 1000 -s /bin/sh user
    mkdir -p "$out/root/var/lib/systemd/linger" "$out/root/etc/systemd/system/user@.service.d" \
        "$out/root/etc/systemd/system/multi-user.target.wants"
    touch "$out/root/var/lib/systemd/linger/user"
    printf '[Service]\nDelegate=cpu cpuset io memory pids\n' >"$out/root/etc/systemd/system/user@.service.d/delegate.conf"
    unit
    ln -s ../payload.service "$out/root/etc/systemd/system/multi-user.target.wants/payload.service"
    for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer serial-getty@ttyS0.service; do
        ln -sf /dev/null "$out/root/etc/systemd/system/$unit"
    done
    truncate -s 1500M "$out/disk.part"
    mkfs.ext4 -q -d "$out/root" "$out/disk.part"
    rm -r "$out/root"
    mv "$out/disk.part" "$out/disk.ext4"
}

# What is run: the programs without what debuggers want, and a root file system for containers.
payload() {
    rm -rf "$out/payload"
    mkdir -p "$out/payload/bundle/rootfs/bin" "$out/payload/bundle/rootfs/proc" "$out/payload/bundle/rootfs/dev" \
        "$out/payload/bundle/rootfs/sys"
    for program in tare tare-payload; do
        strip -o "$out/payload/$program" "$programs/$program"
    done
    cp /bin/busybox "$out/payload/bundle/rootfs/bin/"
    for name in sh sleep cat true; do
        ln -s busybox "$out/payload/bundle/rootfs/bin/$name"
    done
    cp "$here/vm/checks.sh" "$out/payload/"
    cp "$script" "$out/payload/script"
    tar -C "$out/payload" -cf "$out/payload.tar" .
}

[ -e "$out/kernel/boot" ] || kernel
[ -e "$out/first.gz" ] || first
[ -e "$out/disk.ext4" ] || disk
payload
timeout "$limit" qemu-system-x86_64 -accel tcg,thread=multi -M q35 -cpu max -m 1024 -nographic -no-reboot \
    -kernel "$(find "$out/kernel/boot" -name 'vmlinuz-*')" -initrd "$out/first.gz" \
    -append "console=ttyS0 quiet panic=-1 systemd.show_status=0 loglevel=3 ${APPEND:-}" \
    -drive "file=$out/disk.ext4,if=virtio,format=raw,snapshot=on" \
    -drive "file=$out/payload.tar,if=virtio,format=raw,readonly=on" </dev/null | tee "$out/log"
grep -q '^--- END 0' "$out/log"
