//! The eBPF program that implements `linux.resources.devices` on cgroup v2 (cgroups(7), "Cgroups v2 device controller").

use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, BorrowedFd};
use tare_plan::step::DeviceProgram;
use tare_sys::bpf::{self, Instruction};

/// The largest number of programs on one cgroup (`BPF_CGROUP_MAX_PROGS` of the kernel).
const MAX_PROGRAMS: usize = 64;

/// Loads a program and attaches it to a cgroup. The kernel removes the program together with the cgroup.
///
/// A single program that is attached already is replaced atomically (`BPF_F_REPLACE`, bpf(2)). Detach and attach would leave a
/// moment in which every device is allowed, and two programs together would allow only what both allow.
pub(crate) fn attach(cgroup: BorrowedFd<'_>, step: &DeviceProgram) -> Result<(), Fault> {
    let instructions: Vec<Instruction> = step
        .instructions
        .iter()
        .map(|one| Instruction {
            code: one.code,
            registers: one.from << 4 | one.to,
            offset: one.offset,
            immediate: one.immediate,
        })
        .collect();
    let program = bpf::load(&instructions).during(Call::LoadProgram)?;
    let mut ids = [0; MAX_PROGRAMS];
    let count = bpf::attached(cgroup, &mut ids).during(Call::AttachProgram)?;
    let before = match (count, ids.first()) {
        (1, Some(id)) => Some(bpf::by_id(*id).during(Call::AttachProgram)?),
        _ => None,
    };
    bpf::attach(cgroup, program.as_fd(), before.as_ref().map(AsFd::as_fd)).during(Call::AttachProgram)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errno::words;
    use rustix::fd::OwnedFd;
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    use std::path::{Path, PathBuf};
    use tare_plan::context::{Keyring, Request};
    use tare_plan::create::create;
    use tare_plan::host::{CgroupVersion, Hierarchy, Host};
    use tare_plan::step::{CgroupStep, EnterRoot, ParentStep, ProgramInstruction, Slot};
    use tare_sys::clone::{Clone, Program, spawn_program};
    use tare_sys::exec::Strings;

    /// Plans the program for these rules.
    fn program(rules: &str) -> Vec<ProgramInstruction> {
        let config = format!(
            r#"{{"ociVersion": "1.3.0", "root": {{"path": "r"}}, "process": {{"cwd": "/", "args": ["x"]}},
            "linux": {{"namespaces": [{{"type": "mount"}}], "resources": {{"devices": {rules}}}}}}}"#
        );
        let hierarchy = Hierarchy {
            mount: "/sys/fs/cgroup".to_owned(),
            version: CgroupVersion::V2,
            controllers: Vec::new(),
        };
        let host = Host { hierarchies: vec![hierarchy], ..Host::default() };
        let request = Request {
            id: "x",
            bundle: "/b",
            console_socket: None,
            pidfd_socket: None,
            pivot: EnterRoot::Pivot,
            keyring: Keyring::Inherited,
            preserve_fds: 0,
            cgroup_manager: tare_plan::context::CgroupManager::Cgroupfs,
        };
        let checked = tare_plan::spec::load(config.as_bytes()).and_then(tare_plan::spec::check).unwrap();
        let plan = create(&checked, &host, &request).unwrap();
        let mut programs = plan.parent.into_iter().filter_map(|planned| match planned.step {
            ParentStep::Cgroup(CgroupStep::DeviceProgram(program)) => Some(program.instructions),
            _ => None,
        });
        programs.next().unwrap()
    }

    fn is_root() -> bool {
        let root = rustix::process::geteuid().is_root();
        if !root {
            test_report::note_skip("it needs root");
        }
        root
    }

    #[test]
    fn the_kernel_accepts_every_program() {
        if !is_root() {
            return;
        }
        for rules in [
            "[]",
            r#"[{"allow": true, "access": "rwm"}]"#,
            r#"[{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}]"#,
            r#"[{"allow": true, "type": "b", "access": "r"}, {"allow": false, "type": "b", "major": 8, "access": "w"}]"#,
            r#"[{"allow": true, "type": "c", "major": 4294967295, "minor": 4294967295, "access": "m"}]"#,
        ] {
            let instructions = program(rules);
            let all: Vec<Instruction> = instructions
                .iter()
                .map(|one| Instruction {
                    code: one.code,
                    registers: one.from << 4 | one.to,
                    offset: one.offset,
                    immediate: one.immediate,
                })
                .collect();
            bpf::load(&all).unwrap_or_else(|errno| panic!("{rules}: {}: {instructions:#?}", words(errno)));
        }
    }

    /// A v2 cgroup for one test.
    struct TestCgroup(PathBuf);

    impl TestCgroup {
        fn new() -> Option<Self> {
            let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
            let mount = mounts.into_iter().find(|mount| Path::new(mount).join("cgroup.procs").exists())?;
            let path = Path::new(mount).join(format!("tare-devices-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            Some(Self(path))
        }

        fn open(&self) -> OwnedFd {
            std::fs::File::open(&self.0).unwrap().into()
        }
    }

    impl Drop for TestCgroup {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir(&self.0);
        }
    }

    /// Whether a process in the cgroup can open /dev/kmsg and /dev/null.
    fn can_open(cgroup: &OwnedFd) -> (bool, bool) {
        // `exec` with a redirection alone ends the shell on failure, so a subshell runs it.
        let script = c"exec 2</dev/null; opens=0; (exec 3</dev/kmsg) && opens=1; (exec 3</dev/null) && opens=$((opens + 2)); exit $opens";
        let arguments = Strings::new([c"sh", c"-c", script].map(std::ffi::CStr::to_owned).to_vec());
        let (environment, null) = (Strings::new(Vec::new()), std::fs::File::open("/dev/null").unwrap());
        let program = Program {
            path: c"/bin/sh",
            arguments: &arguments,
            environment: &environment,
            stdin: null.as_fd(),
        };
        let how = Clone { cgroup: Some(cgroup.as_fd()), ..Clone::default() };
        let child = spawn_program(how, program).unwrap();
        let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap().unwrap();
        let code = status.exit_status().unwrap();
        (code & 1 != 0, code & 2 != 0)
    }

    #[test]
    fn a_second_program_replaces_the_first() {
        if !is_root() {
            return;
        }
        let Some(group) = TestCgroup::new() else {
            test_report::skip!("no v2 hierarchy");
        };
        let cgroup = group.open();
        let attach_rules = |rules: &str| {
            attach(cgroup.as_fd(), &DeviceProgram { cgroup: Slot(0), instructions: program(rules) }).unwrap();
            bpf::attached(cgroup.as_fd(), &mut [0; MAX_PROGRAMS]).unwrap()
        };
        assert_eq!(attach_rules(r#"[{"allow": false, "access": "rwm"}]"#), 1);
        assert_eq!(can_open(&cgroup), (false, true));
        let log = r#"[{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}]"#;
        assert_eq!(attach_rules(log), 1, "the first program is still attached");
        assert_eq!(can_open(&cgroup), (true, true));
    }
}
