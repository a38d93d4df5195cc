#!/bin/sh
# Tests containers in VLANs of a bridge. Runs as root in a new network and mount namespace; on a kernel without VLAN support for
# bridges, as the init of user-mode Linux with the host's files. PLUGINS is the directory of the plugins. On success, the last
# line is "VLANS WORK".
set -eu

# As init: mounts file systems in memory and loads modules.
boot() {
    mount -t proc proc /proc
    mount -t sysfs sys /sys
    for module in crc-ccitt llc stp ipv6 bridge veth; do
        busybox insmod "$(find "/usr/lib/uml/modules/$(uname -r)" -name "$module.ko")"
    done
}

finish() {
    [ $$ = 1 ] || exit "$1"
    echo o >/proc/sysrq-trigger
    busybox halt -f
}

fail() {
    echo "FAILED: $*"
    bridge vlan show || true
    ip -brief link || true
    finish 1
}

# call VERB NAME CONFIGURATION
call() {
    printf '%s' "$3" | CNI_COMMAND=$1 CNI_CONTAINERID=$2 CNI_NETNS=/run/netns/$2 CNI_IFNAME=eth0 CNI_PATH=$PLUGINS \
        "$PLUGINS/bridge"
}

# config KEYS
config() {
    printf '{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", %s,
        "ipam": {"type": "host-local", "dataDir": "/run/leases", "subnet": "10.1.0.0/24"}}' "$1"
}

# add NAME KEYS: attaches a new container; its result is in /run/NAME.json
add() {
    ip netns add "$1"
    call ADD "$1" "$(config "$2")" >"/run/$1.json" || fail "ADD $1: $(cat "/run/$1.json")"
}

check() {
    previous=$(cat "/run/$1.json")
    answer=$(call CHECK "$1" "$(config "$2, \"prevResult\": $previous")") || fail "CHECK $1: $answer"
}

address() {
    ip -n "$1" -4 -o address show eth0 | sed 's/.* inet \([0-9.]*\).*/\1/'
}

port() {
    sed -n 's/.*"name": "\(veth[0-9a-f]*\)".*/\1/p' "/run/$1.json"
}

vlans() {
    bridge vlan show dev "$(port "$1")" | sed 1d | sed "s/^$(port "$1")//" | tr -s ' \n' ' ' | sed 's/^ //; s/ $//'
}

reaches() {
    ip netns exec "$1" busybox ping -c 1 -W 1 "$2" >/dev/null
}

[ $$ != 1 ] || boot
mount -t tmpfs run /run
mkdir -p /run/netns

access='"vlan": 100, "isGateway": true, "preserveDefaultVlan": false'
add one "$access"
add two "$access"
add other '"vlan": 200, "preserveDefaultVlan": false'
add plain '"vlan": 100'
add trunk '"vlanTrunk": [{"minID": 100, "maxID": 102}, {"id": 7}], "preserveDefaultVlan": false'
add both '"vlan": 200, "vlanTrunk": [{"id": 300}], "preserveDefaultVlan": false'

[ "$(vlans one)" = "100 PVID Egress Untagged" ] || fail "one is in $(vlans one)"
[ "$(vlans plain)" = "1 Egress Untagged 100 PVID Egress Untagged" ] || fail "plain is in $(vlans plain)"
[ "$(vlans trunk)" = "1 PVID Egress Untagged 7 100 101 102" ] || fail "trunk is in $(vlans trunk)"
[ "$(vlans both)" = "200 PVID Egress Untagged 300" ] || fail "both is in $(vlans both)"

reaches one "$(address two)" || fail "one does not reach two"
reaches one "$(address plain)" || fail "one does not reach plain"
reaches one 10.1.0.1 || fail "one does not reach the gateway"
reaches other "$(address both)" || fail "other does not reach both"
! reaches other "$(address two)" || fail "other reaches two, in another VLAN"
! reaches other 10.1.0.1 || fail "other reaches the gateway, in another VLAN"
! reaches trunk "$(address one)" || fail "trunk reaches one without a tag"
ip -4 -o address show br0.100 | grep -q 10.1.0.1/24 || fail "br0.100 lacks the gateway's address"
grep -q '"name": "br0.100"' /run/one.json || fail "the result lacks br0.100"

check one "$access"
bridge vlan del dev "$(port one)" vid 100
previous=$(cat /run/one.json)
answer=$(call CHECK one "$(config "$access, \"prevResult\": $previous")") && fail "CHECK passes without the VLAN"
echo "$answer" | grep -q 'differs in its native VLAN' || fail "CHECK says $answer"

for name in one two other plain trunk both; do
    call DEL "$name" "$(config "$access")" || fail "DEL $name"
done
left=$(ip -brief link show master br0 | wc -l)
[ "$left" = 1 ] || fail "$left ports are left"

ip link add br1 type bridge
ip netns add late
answer=$(call ADD late "$(config '"vlan": 5, "bridge": "br1"' | sed 's/"bridge": "br0", //')") && fail "br1 is taken"
echo "$answer" | grep -q 'already exists but does not filter VLANs' || fail "of br1 ADD says $answer"
echo "VLANS WORK"
finish 0
