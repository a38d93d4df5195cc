# What `--systemd-cgroup` does with systemd itself: units, properties, reloads, failures, other users. Run by tests/vm.sh.

. /payload/checks.sh
top=/sys/fs/cgroup

property() { systemctl $manager show "$1" -p "$2" --value; }
status() { tare state "$1" | jq -r .status; }
cgroup() { cat "/proc/$(tare state "$1" | jq .pid)/cgroup"; }
is_gone() { ! systemctl $manager cat "$1" >$said 2>&1; }

# configured FILTER [ARGUMENTS]: the default configuration, changed.
configured() {
    jq ".process.terminal = false | .process.args = ${2:-[\"sleep\", \"1000\"]} | $1" /run/default.json >config.json
}

cp -r /payload/bundle /run/bundle
cd /run/bundle
tare spec && mv config.json /run/default.json
echo "== $(uname -r), $(systemctl --version | head -1)"

echo "== a scope, and devices"
configured '.linux.devices = [
        {path: "/dev/kmsg", type: "c", major: 1, minor: 11, fileMode: 438}, {path: "/dev/port", type: "c", major: 1, minor: 4, fileMode: 438}]
    | .linux.resources.devices = [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 1, minor: 11, access: "rw"}]'
works create tare --systemd-cgroup create one
is "the scope's place" "0::/system.slice/tare-one.scope" "$(cgroup one)"
is "delegation" yes "$(property tare-one.scope Delegate)"
is "the policy for devices" strict "$(property tare-one.scope DevicePolicy)"
is "controllers" "$(cat $top/cgroup.controllers)" "$(cat $top/system.slice/tare-one.scope/cgroup.controllers)"
works start tare start one
for when in "" ", after a reload"; do
    works "a default device$when" tare exec one cat /dev/null
    works "an allowed device$when" tare exec one sh -c ': >/dev/kmsg'
    refused "a device that is not allowed$when" "not permitted" tare exec one sh -c ': </dev/port'
    is "no reload is needed$when" no "$(property tare-one.scope NeedDaemonReload)"
    works reload systemctl daemon-reload
done
refused "an id that is taken" "already exists" tare --systemd-cgroup create one
works delete tare delete --force one
works "the unit is gone" is_gone tare-one.scope
works "the cgroup is gone" test ! -e $top/system.slice/tare-one.scope

echo "== limits"
configured '.linux.cgroupsPath = "test.slice:p:two" | .linux.resources = {
        memory: {limit: 67108864, reservation: 33554432, swap: 100663296}, pids: {limit: 30}, blockIO: {weight: 500},
        cpu: {shares: 2048, quota: 25000, period: 50000, cpus: "0", mems: "0"}, unified: {"memory.high": "60000000"},
        hugepageLimits: [{pageSize: "2MB", limit: 4194304}]}
    | .annotations = {"org.systemd.property.TimeoutStopSec": "7", "org.systemd.property.CollectMode": "'"'inactive-or-failed'"'"}'
works run tare --systemd-cgroup run --detach two
group=$top/test.slice/p-two.scope
for pair in MemoryMax=67108864 MemoryLow=33554432 MemorySwapMax=33554432 MemoryHigh=60000000 TasksMax=30 \
    CPUQuotaPerSecUSec=500ms CPUQuotaPeriodUSec=50ms AllowedCPUs=0 AllowedMemoryNodes=0 IOWeight=4950 \
    TimeoutStopUSec=7s CollectMode=inactive-or-failed; do
    is "${pair%%=*}" "${pair#*=}" "$(property p-two.scope "${pair%%=*}")"
done
for when in "" ", after a reload"; do
    for pair in memory.max=67108864 "cpu.max=25000 50000" pids.max=30 cpuset.cpus=0 hugetlb.2MB.max=4194304; do
        is "${pair%%=*}$when" "${pair#*=}" "$(cat "$group/${pair%%=*}")"
    done
    works reload systemctl daemon-reload
done
works update tare update --memory 128M --memory-swap 128M --pids-limit 0 --cpu-quota 10000 --cpu-share 512 two
for pair in MemoryMax=134217728 MemorySwapMax=0 TasksMax=1 CPUQuotaPerSecUSec=200ms; do
    is "updated ${pair%%=*}" "${pair#*=}" "$(property p-two.scope "${pair%%=*}")"
done
works reload systemctl daemon-reload
is "files after a reload" "134217728 1 10000 50000" "$(cat $group/memory.max) $(cat $group/pids.max) $(cat $group/cpu.max)"
echo '{"unified": {"pids.max": "77", "cpu.weight": "33"}}' >/tmp/resources
works "update by files" tare update --resources /tmp/resources two
is "their properties" "77 33" "$(property p-two.scope TasksMax) $(property p-two.scope CPUWeight)"
works pause tare pause two
is paused paused "$(status two)"
works delete tare delete --force two
configured '.linux.resources = {cpu: {idle: 1}}'
works "run, idle" tare --systemd-cgroup run --detach idle
is "the weight of idle" "idle 1" "$(property tare-idle.scope CPUWeight) $(cat $top/system.slice/tare-idle.scope/cpu.idle)"
works delete tare delete --force idle

echo "== ends"
configured '.linux.resources.memory = {limit: 33554432, swap: 33554432}' '["sh", "-c", "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done"]'
for time in once twice; do
    tare --systemd-cgroup run oom
    is "killed for lack of memory, $time" 137 $?
    works "and forgotten" is_gone tare-oom.scope
done
# Its process 1 takes no SIGTERM.
configured '.annotations = {"org.systemd.property.TimeoutStopSec": "1"}'
works run tare --systemd-cgroup run --detach ended
works "stopped by systemd" systemctl stop tare-ended.scope
is stopped stopped "$(status ended)"
works delete tare delete ended
systemd-run --quiet --scope --unit tare-taken.scope sleep 1000 &
sleep 1
refused "a unit of the name" UnitExists tare --systemd-cgroup create taken
is "it lives" active "$(property tare-taken.scope ActiveState)"
systemctl stop tare-taken.scope
for pause in 0.01 0.05 0.1 0.2 0.4; do
    tare --systemd-cgroup create killed &
    sleep $pause
    kill -9 $! && wait $!
    works "delete after a kill at $pause s" tare delete --force killed
    works "no unit is left" is_gone tare-killed.scope
done 2>/dev/null

echo "== a slice"
configured '.linux.cgroupsPath = "kube.slice::kube-pod.slice"'
works run tare --systemd-cgroup run --detach pod
is "its place" "0::/kube.slice/kube-pod.slice" "$(cgroup pod)"
works delete tare delete --force pod
works "it is gone" test ! -e $top/kube.slice/kube-pod.slice

echo "== without a bus"
configured .
mv /run/dbus/system_bus_socket /run/dbus/moved
works "run, by systemd's own socket" tare --systemd-cgroup run --detach alone
is "the unit" active "$(property tare-alone.scope ActiveState)"
works delete tare delete --force alone
works "the unit is gone" is_gone tare-alone.scope
mv /run/dbus/moved /run/dbus/system_bus_socket

echo "== time of a run, in milliseconds (emulated)"
configured '.ociVersion = "1.0.2"' '["true"]'
for runtime in "tare" "tare --systemd-cgroup" "crun" "crun --systemd-cgroup" "runc" "runc --systemd-cgroup"; do
    begun=$(date +%s%N)
    for number in 1 2 3 4 5; do
        $runtime run t$number >$said 2>&1 || cat $said
    done
    echo "   $runtime: $((($(date +%s%N) - begun) / 5000000))"
done

echo "== a rootless user"
cat >/run/user.sh <<'END'
. /run/functions
export XDG_RUNTIME_DIR=/run/user/1000
manager=--user
cd /run/users
rm -f config.json && tare spec --rootless && mv config.json default.json
jq '.process.terminal = false | .process.args = ["sleep", "1000"] | .linux.cgroupsPath = "user.slice:tare:mine"
    | .linux.resources = {memory: {limit: 67108864}, pids: {limit: 20}}' default.json >config.json
echo "   from $(cat /proc/self/cgroup)"
works run tare --systemd-cgroup run --detach mine
is "its place" "0::/user.slice/user-1000.slice/user@1000.service/user.slice/tare-mine.scope" "$(cgroup mine)"
is "limits" "67108864 20" "$(property tare-mine.scope MemoryMax) $(property tare-mine.scope TasksMax)"
# From a session of the machine's systemd the kernel lets only root move a process to the user's.
case $1 in
inside) works exec tare exec mine cat /proc/self/cgroup ;;
*) refused "exec from outside" "permission denied" tare exec mine true ;;
esac
works update tare update --pids-limit 25 mine
is "the updated limit" "25 25" "$(property tare-mine.scope TasksMax) $(cat /sys/fs/cgroup$(property tare-mine.scope ControlGroup)/pids.max)"
works pause tare pause mine
is paused paused "$(status mine)"
works resume tare resume mine
works delete tare delete --force mine
works "the unit is gone" is_gone tare-mine.scope
exit $failed
END
sed -n '/checks.sh$/,/^is_gone/p' /payload/script >/run/functions
cp -r /payload/bundle /run/users
chown -R user /run/users
systemd-run --quiet --pipe --wait --uid=user --slice=user-1000.slice sh -c "PATH=$PATH sh /run/user.sh outside" || failed=1
echo "-- in the user's own manager"
su user -c "XDG_RUNTIME_DIR=/run/user/1000 systemd-run --user --quiet --pipe --wait sh -c 'PATH=$PATH sh /run/user.sh inside'" || failed=1
exit $failed
