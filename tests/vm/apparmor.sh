# Labels where AppArmor is switched on, as Debian's kernel has it: `tests/vm.sh tests/vm/apparmor.sh`.
# Each line that begins with "NOT OK" is a failure; the last one says whether there was any.

export PATH=/payload:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
failed=0

# is NAME EXPECTED GOT
is() {
    if [ "$2" = "$3" ]; then
        echo "ok - $1"
    else
        echo "NOT OK - $1: expected '$2', got '$3'"
        failed=1
    fi
}

# configured PROFILE ARGUMENTS [FILTER]
configured() {
    jq ".process.terminal = false | .process.apparmorProfile = \"$1\" | .process.args = $2 | ${3:-.}" /run/default.json >config.json
}

cp -r /payload/bundle /run/bundle
cd /run/bundle
tare spec && mv config.json /run/default.json
is "AppArmor is on" Y "$(cat /sys/module/apparmor/parameters/enabled)"
cat >/run/profile <<'END'
profile tare-box flags=(attach_disconnected,mediate_deleted) {
  file,
  capability,
  signal,
  umount,
  deny /denied w,
}
END
apparmor_parser -r /run/profile
is "the profile is loaded" 0 $?

configured tare-box '["cat", "/proc/self/attr/current"]'
is "the program's profile" "tare-box (enforce)" "$(tare run one)"
configured tare-box '["cat", "/proc/self/attr/current"]' '.process.noNewPrivileges = false'
is "without no-new-privileges" "tare-box (enforce)" "$(tare run one)"
configured tare-box '["cat", "/proc/self/attr/current"]' '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
is "in a user namespace" "tare-box (enforce)" "$(tare run one)"
configured tare-box '["sh", "-c", "echo x >/denied || echo refused"]' '.root.readonly = false'
is "what it forbids" refused "$(tare run one 2>/dev/null | tail -1)"
configured tare-box '["sleep", "1000"]'
tare run --detach two
is "of a process of exec's" "tare-box (enforce)" "$(tare exec two cat /proc/self/attr/current)"
tare delete --force two
configured '' '["sleep", "1000"]'
tare run --detach three
is "without one" unconfined "$(tare exec three cat /proc/self/attr/current)"
is "exec with one of its own" "tare-box (enforce)" "$(tare exec --apparmor tare-box three cat /proc/self/attr/current)"
tare delete --force three
configured no-such-profile '["true"]'
tare run four 2>/run/said
is "a profile that is not there" 1 $?
case $(cat /run/said) in
*no-such-profile*) echo "ok - it is named" ;;
*) echo "NOT OK - it is not named: $(cat /run/said)" && failed=1 ;;
esac
configured unconfined '["cat", "/proc/self/attr/current"]'
is "unconfined" unconfined "$(tare run five)"
exit $failed
