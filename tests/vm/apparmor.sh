# Labels where AppArmor is switched on, as Debian's kernel has it: `tests/vm.sh tests/vm/apparmor.sh`.

. /payload/checks.sh

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
is "without no_new_privs" "tare-box (enforce)" "$(tare run one)"
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
refused "a profile that is not there" no-such-profile tare run four
configured unconfined '["cat", "/proc/self/attr/current"]'
is "unconfined" unconfined "$(tare run five)"
exit $failed
