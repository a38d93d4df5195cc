//! Configurations that pass the checks and that the plan refuses on every host.

use crate::{Cgroups, host, plan, request};
use tare_plan::host::Privilege;

#[test]
fn the_root_cgroup_is_refused() {
    for path in ["/", "//", "/a/.."] {
        let config = format!(
            r#"{{"ociVersion": "1.3.0", "root": {{"path": "rootfs"}}, "process": {{"cwd": "/", "args": ["true"]}},
            "linux": {{"cgroupsPath": "{path}", "namespaces": [{{"type": "mount"}}]}}}}"#
        );
        for cgroups in Cgroups::ALL {
            let mistakes =
                plan(config.as_bytes(), &host(cgroups, Privilege::Root), &request(None)).unwrap_err();
            assert_eq!(mistakes[0].place, "linux.cgroupsPath", "{path} {cgroups:?}");
        }
    }
}
