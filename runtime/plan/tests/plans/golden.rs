//! Golden plans: whole plans of some containers, compared with files. `RENEW=1` rewrites the files; read the
//! difference.

use crate::fields::rich;
use crate::{Cgroups, host, lines, plan, request, systemd};
use std::path::{Path, PathBuf};
use tare_plan::host::{Host, Privilege};
use tare_plan::spec::{Gid, Owner, Uid, default_config};

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(directory("samples").join(name)).unwrap()
}

/// The text of a plan and its warnings, or of its mistakes.
fn printed(bytes: &[u8], host: &Host) -> String {
    match plan(bytes, host, &request(None)) {
        Ok(plan) => format!("{plan}\n     warnings\n{}\n", lines(&plan.warnings).join("\n")),
        Err(mistakes) => format!("     mistakes\n{}\n", lines(&mistakes).join("\n")),
    }
}

fn compare_on_every_host(name: &str, bytes: &[u8], privilege: Privilege) {
    for cgroups in Cgroups::ALL {
        compare(
            &format!("{name}-{}", format!("{cgroups:?}").to_lowercase()),
            bytes,
            &host(cgroups, privilege),
        );
    }
}

fn compare(name: &str, bytes: &[u8], host: &Host) {
    let path = directory("golden").join(format!("{name}.txt"));
    let plan = printed(bytes, host);
    if std::env::var_os("RENEW").is_some() {
        std::fs::write(&path, &plan).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let difference = plan.lines().zip(written.lines()).find(|(line, expected)| line != expected);
    assert!(plan == written, "{name}.txt: {difference:#?} (found, expected); RENEW=1 rewrites it");
}

/// A configuration with every property of the specification, on a host with every feature.
#[test]
fn every_field() {
    let text = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/every-field.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(&text).unwrap();
    // SCMP_ACT_NOTIFY is not supported.
    let seccomp = &mut config["linux"]["seccomp"];
    seccomp["syscalls"].as_array_mut().unwrap().retain(|rule| rule["action"] != "SCMP_ACT_NOTIFY");
    compare("every-field-v2", config.to_string().as_bytes(), &rich(Cgroups::V2));
    config["linux"]["resources"].as_object_mut().unwrap().remove("unified");
    compare("every-field-v1", config.to_string().as_bytes(), &rich(Cgroups::V1));
}

#[test]
fn default_container_in_a_unit() {
    for cgroups in [Cgroups::V1, Cgroups::V2] {
        let host = Host { systemd: Some(systemd(Privilege::Root)), ..host(cgroups, Privilege::Root) };
        let name = format!("unit-{}", format!("{cgroups:?}").to_lowercase());
        compare(&name, default_config(Owner::Root).as_bytes(), &host);
    }
}

#[test]
fn default_container() {
    compare_on_every_host("default", default_config(Owner::Root).as_bytes(), Privilege::Root);
}

#[test]
fn container_of_docker() {
    compare_on_every_host("docker", &sample("docker-18.json"), Privilege::Root);
}

/// Rootless Podman calls the runtime as root of a user namespace that Podman created.
#[test]
fn container_of_rootless_podman() {
    compare_on_every_host("podman-rootless", &sample("podmanrl-41.json"), Privilege::Root);
}

#[test]
fn default_container_of_a_rootless_user() {
    let owner = Owner::Rootless { uid: Uid::new(1000).unwrap(), gid: Gid::new(1000).unwrap() };
    let user = Privilege::User { uid: 1000, gid: 1000 };
    compare_on_every_host("user", default_config(owner).as_bytes(), user);
}
