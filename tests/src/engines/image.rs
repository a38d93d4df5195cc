//! The image that engines run: a static busybox and the payload, as an archive that all of them load.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::Host;
use crate::host::payload;

/// What engines call the image.
pub const NAME: &str = "docker.io/library/tare-test:1";
/// What the image is called whose container holds a pod's namespaces.
pub const PAUSE: &str = "docker.io/library/tare-pause:1";

/// The programs of busybox that tests use.
const APPLETS: &[&str] = &[
    "cat", "chmod", "echo", "env", "false", "grep", "head", "hostname", "httpd", "id", "ip", "kill", "ls",
    "mkdir", "mount", "mv", "nc", "nslookup", "ping", "ps", "readlink", "rm", "sh", "sleep", "stat",
    "sysctl", "test", "touch", "true", "umount", "wget",
];

/// An image archive in the layout of OCI.
#[derive(Clone, Debug)]
pub struct Image {
    archive: PathBuf,
}

impl Image {
    /// Makes it below the host's own files.
    ///
    /// # Panics
    /// There is no static busybox (`busybox-static`), or no tar.
    #[must_use]
    pub fn make(host: &Host) -> Self {
        Self::called(host, NAME, &["/bin/sh"])
    }

    /// The same with a program that only sleeps: of pods.
    ///
    /// # Panics
    /// As [`Image::make`].
    #[must_use]
    pub fn pause(host: &Host) -> Self {
        Self::called(host, PAUSE, &["/bin/payload", "sleep", "86400"])
    }

    fn called(host: &Host, name: &str, command: &[&str]) -> Self {
        let directory = host.files().join(format!("image-{}", name.replace(['/', ':'], "-")));
        let (root, layout) = (directory.join("root"), directory.join("layout"));
        fill(&root);
        std::fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
        let layer = directory.join("layer.tar");
        host.tool(&["tar", "--owner=0", "--group=0", "-C", show(&root), "-cf", show(&layer), "."]);
        let (layer, size) = keep(host, &layout, &std::fs::read(&layer).unwrap());
        let config = json!({
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer]},
            "config": {"Cmd": command, "Env": ["PATH=/bin"]},
        });
        let (config, config_size) = keep(host, &layout, config.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("config.v1+json", &config, config_size),
            "layers": [descriptor("layer.v1.tar", &layer, size)],
        });
        let (manifest, manifest_size) = keep(host, &layout, manifest.to_string().as_bytes());
        let mut listed = descriptor("manifest.v1+json", &manifest, manifest_size);
        listed["annotations"] =
            json!({"org.opencontainers.image.ref.name": name, "io.containerd.image.name": name});
        let index = json!({"schemaVersion": 2, "manifests": [listed]});
        std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
        std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        // What Docker of these days reads instead.
        let blob = |digest: &str| digest.replacen("sha256:", "blobs/sha256/", 1);
        let docker = json!([{"Config": blob(&config), "RepoTags": [name], "Layers": [blob(&layer)]}]);
        std::fs::write(layout.join("manifest.json"), docker.to_string()).unwrap();
        let archive = directory.join("image.tar");
        host.tool(&["tar", "-C", show(&layout), "-cf", show(&archive), "."]);
        Self { archive }
    }

    /// The archive.
    #[must_use]
    pub fn archive(&self) -> &Path {
        &self.archive
    }
}

fn show(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn fill(root: &Path) {
    for directory in ["bin", "dev", "etc", "proc", "run", "sys", "tmp", "www"] {
        std::fs::create_dir_all(root.join(directory)).unwrap();
    }
    std::fs::set_permissions(root.join("tmp"), Permissions::from_mode(0o1777)).unwrap();
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static");
    std::fs::copy(payload(), root.join("bin/payload")).unwrap();
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000:user:/:/bin/sh\n")
        .unwrap();
    std::fs::write(root.join("etc/group"), "root:x:0:\nuser:x:1000:\n").unwrap();
    std::fs::write(root.join("www/index.html"), "hello from a container\n").unwrap();
}

/// Stores a blob; its digest and its size.
fn keep(host: &Host, layout: &Path, bytes: &[u8]) -> (String, usize) {
    let draft = layout.join("draft");
    std::fs::write(&draft, bytes).unwrap();
    let told = host.tool(&["sha256sum", show(&draft)]).out;
    let digest = told.split_whitespace().next().unwrap();
    std::fs::rename(&draft, layout.join("blobs/sha256").join(digest)).unwrap();
    (format!("sha256:{digest}"), bytes.len())
}

fn descriptor(kind: &str, digest: &str, size: usize) -> Value {
    json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": size})
}
