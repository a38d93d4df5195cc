//! A container under test: its bundle, its id and the verbs on it. Dropping it deletes it by force.

use std::path::{Path, PathBuf};

use serde_json::Value;

use tare_bundle::bundle::PAYLOAD;

use crate::hierarchies;
use crate::process::{Call, Output, Running, eventually};
use crate::runtime::Runtime;

/// A container, or what will be one.
#[derive(Debug)]
pub struct Container {
    pub(crate) runtime: Runtime,
    pub(crate) id: String,
    pub(crate) bundle: PathBuf,
    pub(crate) created: Option<Running>,
    pub(crate) deleted: bool,
}

impl Container {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The same container, on which the runtime is called in another way.
    #[must_use]
    pub fn by(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// The bundle's directory.
    #[must_use]
    pub fn bundle(&self) -> &Path {
        &self.bundle
    }

    /// The root file system of a bundle whose root is a plain directory.
    #[must_use]
    pub fn rootfs(&self) -> PathBuf {
        self.bundle.join("rootfs")
    }

    /// Calls a verb with options and the id last.
    #[must_use]
    pub fn verb(&self, words: &[&str]) -> Output {
        self.runtime.run(&[words, &[self.id.as_str()]].concat())
    }

    /// Calls `create` with further options.
    pub fn create_with(&mut self, options: &[&str]) -> Output {
        let bundle = self.bundle.to_string_lossy().into_owned();
        let mut running = self
            .runtime
            .call(&[&["create", "--bundle", bundle.as_str()], options, &[self.id.as_str()]].concat())
            .spawn();
        let output = running.wait();
        if output.code == 0 {
            self.created = Some(running);
        }
        output
    }

    /// Calls `create`, which must succeed.
    #[track_caller]
    pub fn create(&mut self) {
        let _ = self.create_with(&[]).ok();
    }

    /// Calls `start`, which must succeed.
    #[track_caller]
    pub fn start(&self) {
        let _ = self.verb(&["start"]).ok();
    }

    /// What the container has printed since `create`.
    #[must_use]
    pub fn printed(&self) -> String {
        self.created.as_ref().map(Running::printed).unwrap_or_default()
    }

    /// The state, which must be there.
    #[track_caller]
    #[must_use]
    pub fn state(&self) -> Value {
        self.verb(&["state"]).ok().json()
    }

    /// The status in the state.
    #[track_caller]
    #[must_use]
    pub fn status(&self) -> String {
        self.state()["status"].as_str().expect("a status").to_string()
    }

    /// The process id of the container's init.
    #[track_caller]
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.state()["pid"].as_i64().expect("a pid")).expect("a pid")
    }

    /// Waits until the container has the status.
    #[track_caller]
    pub fn becomes(&self, status: &str) {
        eventually(&format!("the container is {status}"), || self.status() == status);
    }

    /// Waits until the container has printed the text.
    #[track_caller]
    pub fn prints(&self, text: &str) {
        eventually(&format!("the container prints {text:?}"), || self.printed().contains(text));
    }

    /// Calls `kill` with the signal, by name or number.
    #[must_use]
    pub fn kill(&self, signal: &str) -> Output {
        self.runtime.run(&["kill", &self.id, signal])
    }

    /// A call of `exec` with options before the id and the program after it.
    #[must_use]
    pub fn exec_call(&self, options: &[&str], program: &[&str]) -> Call {
        self.runtime.call(&[&["exec"], options, &[self.id.as_str()], program].concat())
    }

    /// Runs one more program in the container and waits for its end.
    #[must_use]
    pub fn exec(&self, options: &[&str], program: &[&str]) -> Output {
        self.exec_call(options, program).run()
    }

    /// What the payload reports when it is run as one more program.
    #[track_caller]
    #[must_use]
    pub fn exec_report(&self, options: &[&str]) -> Value {
        self.exec(options, &[PAYLOAD, "report"]).ok().json()
    }

    /// Calls `delete`.
    pub fn delete(&mut self) -> Output {
        let output = self.verb(&["delete"]);
        self.deleted = output.code == 0;
        output
    }

    /// Calls `delete --force`.
    pub fn force_delete(&mut self) -> Output {
        let output = self.verb(&["delete", "--force"]);
        self.deleted = output.code == 0;
        output
    }

    /// Says that the test has deleted it by other means.
    pub fn deleted_already(&mut self) {
        self.deleted = true;
    }

    /// Calls `run` in the foreground and waits for its end; the runtime must delete the container itself.
    pub fn run(&mut self) -> Output {
        self.run_with(&[])
    }

    /// Calls `run` with further options and waits for its end.
    pub fn run_with(&mut self, options: &[&str]) -> Output {
        self.spawn_with(options).wait()
    }

    /// Calls `run` with further options without waiting.
    pub fn spawn_with(&mut self, options: &[&str]) -> Running {
        let bundle = self.bundle.to_string_lossy().into_owned();
        self.runtime
            .call(&[&["run", "--bundle", bundle.as_str()], options, &[self.id.as_str()]].concat())
            .spawn()
    }

    /// What the runtime's help says of a verb.
    #[must_use]
    pub fn runtime_help(&self, verb: &str) -> String {
        let output = self.runtime.run(&[verb, "--help"]);
        output.out + &output.err
    }

    /// Where the kernel keeps the container's cgroup of that controller; on a machine with version 2 alone all
    /// are one.
    #[must_use]
    pub fn cgroup(&self, controller: &str) -> PathBuf {
        let hierarchy = hierarchies::v1(controller).or_else(hierarchies::v2);
        hierarchy.expect("cgroups are mounted").join(&self.id)
    }

    /// Freezes every process of the container.
    ///
    /// # Panics
    /// The kernel refuses.
    pub fn freeze(&self) {
        let group = self.cgroup("freezer");
        let v2 = group.join("cgroup.freeze");
        let (file, word) = if v2.exists() { (v2, "1") } else { (group.join("freezer.state"), "FROZEN") };
        std::fs::write(file, word).unwrap();
    }

    /// One value of the container's cgroup.
    ///
    /// # Panics
    /// The file cannot be read.
    #[track_caller]
    #[must_use]
    pub fn limit(&self, controller: &str, file: &str) -> String {
        let path = self.cgroup(controller).join(file);
        let text = std::fs::read_to_string(&path);
        text.unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display())).trim().to_string()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if !self.deleted {
            let output = self.verb(&["delete", "--force"]);
            assert!(std::thread::panicking() || output.code == 0, "delete --force: {output:#?}");
        }
    }
}
