//! A generator of configurations: it turns every option on or off by a seed, the same way in each run.

use serde_json::{Value, json};

/// A pseudo-random number generator (xorshift).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Returns a number below `sides`.
    pub(crate) fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % sides as u64).unwrap()
    }

    pub(crate) fn heads(&mut self) -> bool {
        self.below(2) == 0
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

const KINDS: [&str; 8] = ["mount", "pid", "network", "ipc", "uts", "user", "cgroup", "time"];
const HOOKS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// Generates a configuration.
pub(crate) fn config(dice: &mut Dice) -> Value {
    let mut config = json!({
        "ociVersion": "1.3.0",
        "process": process(dice),
        "root": { "path": "rootfs", "readonly": dice.heads() },
        "mounts": mounts(dice),
        "hooks": hooks(dice),
        "linux": { "namespaces": namespaces(dice) },
    });
    let new = |config: &Value, kind: &str| {
        let namespaces = config["linux"]["namespaces"].as_array().unwrap();
        namespaces.iter().any(|one| one["type"] == kind && one["path"].is_null())
    };
    if new(&config, "user") {
        let mappings = json!([{ "containerID": 0, "hostID": 1000, "size": dice.one_of(&[1, 65536]) }]);
        config["linux"]["uidMappings"] = mappings.clone();
        config["linux"]["gidMappings"] = mappings;
    }
    if new(&config, "uts") && dice.heads() {
        config["hostname"] = "box".into();
    }
    if new(&config, "time") && dice.heads() {
        config["linux"]["timeOffsets"] = json!({ "monotonic": { "secs": 5 } });
    }
    if new(&config, "network") && dice.heads() {
        config["linux"]["sysctl"] = json!({ "net.ipv4.ip_forward": "1" });
    }
    if dice.heads() {
        config["annotations"] = json!({ "org.tare.overlay.lower": "a:b" });
    }
    if config["annotations"].is_object() && dice.heads() {
        config["annotations"]["org.tare.overlay.upper"] = "upper".into();
        config["annotations"]["org.tare.overlay.work"] = "work".into();
    }
    limits(dice, &mut config["linux"]);
    config
}

fn process(dice: &mut Dice) -> Value {
    let capabilities = json!(["CAP_CHOWN", "CAP_KILL"]);
    let mut process = json!({
        "terminal": dice.below(4) == 0,
        "user": { "uid": dice.one_of(&[0, 1000]), "gid": 0 },
        "args": ["sh"],
        "cwd": "/",
        "env": dice.one_of(&[&["PATH=/bin"][..], &["PATH=/bin", "HOME=/"][..]]),
        "noNewPrivileges": dice.heads(),
    });
    if dice.heads() {
        process["capabilities"] =
            json!({ "bounding": capabilities, "permitted": capabilities, "effective": capabilities });
    }
    if dice.heads() {
        process["rlimits"] = json!([{ "type": "RLIMIT_NOFILE", "soft": 64, "hard": 64 }]);
    }
    if dice.heads() {
        process["oomScoreAdj"] = 100.into();
    }
    process
}

fn mounts(dice: &mut Dice) -> Value {
    let all = [
        json!({ "destination": "/proc", "type": "proc", "source": "proc" }),
        json!({ "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"] }),
        json!({ "destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance"] }),
        json!({ "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"] }),
        json!({ "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"] }),
        json!({ "destination": "/etc/hosts", "type": "bind", "source": "/etc/hosts", "options": ["rbind", "rprivate"] }),
        json!({ "destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"] }),
    ];
    all.into_iter().filter(|_| dice.below(4) > 0).collect()
}

fn hooks(dice: &mut Dice) -> Value {
    let mut hooks = json!({});
    for kind in HOOKS {
        if dice.below(3) == 0 {
            hooks[kind] = json!([{ "path": "/bin/true" }]);
        }
    }
    hooks
}

/// Generates namespaces: each new, joined, or shared with the runtime.
fn namespaces(dice: &mut Dice) -> Vec<Value> {
    let mut all = Vec::new();
    for kind in KINDS {
        match dice.below(5) {
            0 => {}
            1 => all.push(json!({ "type": kind, "path": format!("/proc/1/ns/{kind}") })),
            _ if kind == "user" && dice.heads() => {}
            _ => all.push(json!({ "type": kind })),
        }
    }
    all
}

fn limits(dice: &mut Dice, linux: &mut Value) {
    if dice.heads() {
        linux["resources"] = json!({ "memory": { "limit": 67_108_864 }, "pids": { "limit": 32 } });
    }
    if dice.heads() {
        linux["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{ "names": ["keyctl"], "action": "SCMP_ACT_ERRNO" }],
        });
    }
    if dice.heads() {
        linux["maskedPaths"] = json!(["/proc/kcore", "/sys/firmware"]);
        linux["readonlyPaths"] = json!(["/proc/sys"]);
    }
    if dice.heads() {
        linux["rootfsPropagation"] = dice.one_of(&["private", "rslave", "rshared"]).into();
    }
    if dice.heads() {
        linux["devices"] = json!([{ "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229 }]);
    }
}
