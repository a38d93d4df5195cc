//! Labels of security modules, on a machine that has none in force.

use tests::Host;

fn apparmor_is_on() -> bool {
    std::fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|word| word.starts_with('Y'))
}

fn selinux_is_on() -> bool {
    std::path::Path::new("/sys/fs/selinux/enforce").exists()
}

#[test]
fn a_profile_is_refused_where_apparmor_is_off() {
    if apparmor_is_on() {
        tests::skip!("AppArmor is on");
    }
    let host = Host::new();
    let output = host.run(host.config(&["true"]).set("/process/apparmorProfile", "tight"));
    assert_ne!(output.code, 0);
    assert!(output.err.contains("apparmor: config provided but apparmor not supported"), "{}", output.err);
}

#[test]
fn unconfined_is_what_every_program_is_where_apparmor_is_off() {
    if apparmor_is_on() {
        tests::skip!("AppArmor is on");
    }
    tests::skip_for!(Runc, "it refuses any profile where AppArmor is off");
    let host = Host::new();
    let _ = host.run(host.config(&["true"]).set("/process/apparmorProfile", "unconfined")).ok();
}

#[test]
fn labels_are_refused_where_selinux_is_off() {
    if selinux_is_on() {
        tests::skip!("SELinux is on");
    }
    tests::skip_for!(Runc, "Debian's is built without SELinux");
    let host = Host::new();
    for place in ["/process/selinuxLabel", "/linux/mountLabel"] {
        let output = host.run(host.config(&["true"]).set(place, "system_u:system_r:container_t:s0"));
        assert_ne!(output.code, 0, "{place}");
        assert!(output.err.contains("selinux is disabled or not supported"), "{place}: {}", output.err);
    }
}
