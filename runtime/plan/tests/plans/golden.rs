//! Golden plans: four containers on three kinds of hosts, word by word. `RENEW=1` writes them anew, for a person to read.

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

/// The plan in words, or what is wrong, and what is odd.
fn told(bytes: &[u8], host: &Host) -> String {
    match plan(bytes, host, &request(None)) {
        Ok(plan) => format!("{plan}\n     warnings\n{}\n", lines(&plan.warnings).join("\n")),
        Err(mistakes) => format!("     mistakes\n{}\n", lines(&mistakes).join("\n")),
    }
}

fn is_as_written(name: &str, bytes: &[u8], privilege: Privilege) {
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
    let told = told(bytes, host);
    if std::env::var_os("RENEW").is_some() {
        std::fs::write(&path, &told).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = told.lines().zip(written.lines()).find(|(told, written)| told != written);
    assert!(told == written, "{name}.txt: {differs:#?} (told, written); RENEW=1 writes it anew");
}

/// A configuration with each property of the specification, on a host that has all that it takes.
#[test]
fn a_container_of_every_field() {
    let text = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/every-field.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(&text).unwrap();
    // Calls that an agent decides have tests of their own.
    let seccomp = &mut config["linux"]["seccomp"];
    seccomp["syscalls"].as_array_mut().unwrap().retain(|rule| rule["action"] != "SCMP_ACT_NOTIFY");
    compare("every-field-v2", config.to_string().as_bytes(), &rich(Cgroups::V2));
    config["linux"]["resources"].as_object_mut().unwrap().remove("unified");
    compare("every-field-v1", config.to_string().as_bytes(), &rich(Cgroups::V1));
}

#[test]
fn the_default_container_in_a_unit() {
    for cgroups in [Cgroups::V1, Cgroups::V2] {
        let host = Host { systemd: Some(systemd(Privilege::Root)), ..host(cgroups, Privilege::Root) };
        let name = format!("unit-{}", format!("{cgroups:?}").to_lowercase());
        compare(&name, default_config(Owner::Root).as_bytes(), &host);
    }
}

#[test]
fn the_default_container() {
    is_as_written("default", default_config(Owner::Root).as_bytes(), Privilege::Root);
}

#[test]
fn a_container_of_docker() {
    is_as_written("docker", &sample("docker-18.json"), Privilege::Root);
}

/// Podman without root is root of a user namespace of its own, in which it calls the runtime.
#[test]
fn a_container_of_podman_without_root() {
    is_as_written("podman-rootless", &sample("podmanrl-41.json"), Privilege::Root);
}

#[test]
fn a_container_of_a_user() {
    let owner = Owner::Rootless { uid: Uid::new(1000).unwrap(), gid: Gid::new(1000).unwrap() };
    let user = Privilege::User { uid: 1000, gid: 1000 };
    is_as_written("user", default_config(owner).as_bytes(), user);
}
