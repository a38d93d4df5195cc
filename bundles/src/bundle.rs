//! The bundle: a directory with a root file system, its layers, and `config.json`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::config::Config;

/// The path of the payload in the root file system of an example.
pub const PAYLOAD: &str = "/bin/payload";
/// The directories of such a root file system.
const DIRECTORIES: &[&str] = &["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "var"];

/// The layers of an overlay root file system.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The lower directories, topmost first; each absolute, or relative to the bundle.
    pub lower: Vec<String>,
    /// Whether there is a writable layer, `upper/` in the bundle.
    pub writable: bool,
}

/// A bundle on disk.
#[derive(Clone, Debug)]
pub struct Bundle {
    directory: PathBuf,
}

impl Bundle {
    /// Creates the bundle's directory.
    ///
    /// # Errors
    /// The error of the file system, with the path.
    pub fn create(directory: &Path) -> Result<Self> {
        make(directory)?;
        Ok(Self { directory: directory.canonicalize()? })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Creates a directory in the bundle, if it is missing.
    ///
    /// # Errors
    /// The error of the file system, with the path.
    pub fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.directory.join(name);
        make(&path)?;
        Ok(path)
    }

    /// Creates a root file system with only the payload in a directory of the bundle.
    ///
    /// # Errors
    /// The error of the file system, with the path.
    pub fn payload_root(&self, name: &str, payload: &Path) -> Result<PathBuf> {
        let root = self.directory(name)?;
        for directory in DIRECTORIES {
            make(&root.join(directory))?;
        }
        std::fs::set_permissions(root.join("tmp"), Permissions::from_mode(0o1777))?;
        put(
            &root.join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/payload\nuser:x:1000:1000::/tmp:/bin/payload\n",
        )?;
        put(&root.join("etc/group"), "root:x:0:\nuser:x:1000:\n")?;
        let program = root.join(PAYLOAD.trim_start_matches('/'));
        std::fs::copy(payload, &program)
            .with_context(|| format!("cannot copy {} to {}", payload.display(), program.display()))?;
        std::fs::set_permissions(&program, Permissions::from_mode(0o755))?;
        Ok(root)
    }

    /// Creates the directories of an overlay root (an empty `rootfs`, and `upper` and `work` if it is writable) and adds its
    /// annotations to the configuration.
    ///
    /// # Errors
    /// The error of the file system, with the path.
    pub fn overlay(&self, layers: &Layers, config: Config) -> Result<Config> {
        self.directory("rootfs")?;
        if !layers.writable {
            return Ok(config.overlay(&layers.lower, None));
        }
        self.directory("upper")?;
        self.directory("work")?;
        Ok(config.overlay(&layers.lower, Some(("upper", "work"))))
    }

    /// Writes `config.json`.
    ///
    /// # Errors
    /// The error of the file system, with the path.
    pub fn write(&self, config: &Config) -> Result<()> {
        put(&self.directory.join("config.json"), &format!("{:#}\n", config.value()))
    }
}

fn make(directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))
}

fn put(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
