//! The runtime under test: which program it is, and how it is called.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::process::{Call, Output};

/// Which runtime it is, for the few places where a peer is known to differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ours.
    Tare,
    /// The reference.
    Runc,
    /// The fast peer.
    Crun,
    /// Any other.
    Other,
}

/// A runtime with a root directory of its own.
#[derive(Clone, Debug)]
pub struct Runtime {
    program: PathBuf,
    root: PathBuf,
    files: PathBuf,
    marker: String,
    /// Options before every verb.
    options: Vec<String>,
    /// What its environment has besides.
    variables: Vec<(String, String)>,
}

/// The directory that a build puts its programs into.
///
/// # Panics
/// The test does not run from a build directory.
#[must_use]
pub fn built() -> PathBuf {
    // Asked once, and before any test enters a mount namespace of its own: below a changed root the kernel returns the
    // program's path by the mounts of the namespace that it was started in.
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let mut path = std::env::current_exe().expect("the test's own path");
        path.pop();
        if path.ends_with("deps") {
            path.pop();
        }
        path
    };
    BUILT.get_or_init(find).clone()
}

/// The directories of the plugins under test: those that `PLUGINS` names, or ours.
#[must_use]
pub fn plugins() -> Vec<PathBuf> {
    std::env::var_os("PLUGINS").map_or_else(|| vec![built()], |named| std::env::split_paths(&named).collect())
}

/// The program that `ENGINE_RUNTIME` or `RUNTIME` names, or ours.
pub(crate) fn program() -> PathBuf {
    let named = std::env::var_os("ENGINE_RUNTIME").or_else(|| std::env::var_os("RUNTIME"));
    let Some(named) = named else { return built().join("tare") };
    let named = PathBuf::from(named);
    if named.is_absolute() {
        return named;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(&named))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("RUNTIME names {}, which is not on PATH", named.display()))
}

/// Which runtime is under test.
#[must_use]
pub fn under_test() -> Kind {
    kind(&program())
}

/// Which runtime the program is, by its name.
pub(crate) fn kind(program: &Path) -> Kind {
    match program.file_name().and_then(|name| name.to_str()) {
        Some("tare") => Kind::Tare,
        Some("runc") => Kind::Runc,
        Some("crun") => Kind::Crun,
        _ => Kind::Other,
    }
}

impl Runtime {
    pub(crate) fn new(root: &Path, files: &Path, marker: &str) -> Self {
        let program = program();
        assert!(program.is_file(), "no {}: `cargo build --bins` makes it", program.display());
        Self {
            program,
            root: root.into(),
            files: files.into(),
            marker: marker.into(),
            options: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// The same with another root directory.
    #[must_use]
    pub fn rooted(&self, root: &Path) -> Self {
        Self { root: root.into(), ..self.clone() }
    }

    /// The same, called with an option before every verb.
    #[must_use]
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.into());
        self
    }

    /// The same, called with a variable in its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Which runtime it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        kind(&self.program)
    }

    /// The program's path.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Its root directory, where the states lie.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A call with global options before the verb: `--root` is among them already.
    #[must_use]
    pub fn call<S: AsRef<str>>(&self, args: &[S]) -> Call {
        self.bare()
            .args(["--root".as_ref(), self.root.as_os_str()])
            .args(&self.options)
            .args(args.iter().map(|arg| arg.as_ref().to_string()))
    }

    /// A call without any option.
    #[must_use]
    pub fn bare(&self) -> Call {
        Call::new(&self.program, &self.files).with(|command| {
            command.env("TARE_TEST", &self.marker).env_remove("XDG_RUNTIME_DIR").env_remove("NOTIFY_SOCKET");
            command.env_remove("DBUS_SYSTEM_BUS_ADDRESS").env_remove("DBUS_SESSION_BUS_ADDRESS");
            command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        })
    }

    /// Calls and waits.
    #[must_use]
    pub fn run<S: AsRef<str>>(&self, args: &[S]) -> Output {
        self.call(args).run()
    }
}
