//! Configs that are valid and that no host may be asked for.

use crate::{Cgroups, host, plan, request};
use tare_plan::host::Privilege;

#[test]
fn the_topmost_cgroup_is_no_containers_own() {
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
