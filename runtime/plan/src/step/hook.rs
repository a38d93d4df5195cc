//! Steps that run hooks.

use super::{Slot, Status};
use crate::place::Place;
use crate::tables::vocabulary;
use std::ffi::CString;

vocabulary! {
    /// When hooks run (config.md, "POSIX-platform Hooks").
    pub enum HookKind: "kind of hook" {
        /// Before createRuntime, in the same namespaces; deprecated.
        Prestart = "prestart",
        /// After the namespaces are made, in the runtime's namespaces.
        CreateRuntime = "createRuntime",
        /// After createRuntime, in the container's namespaces.
        CreateContainer = "createContainer",
        /// Before the program, in the container's namespaces.
        StartContainer = "startContainer",
        /// After the program started, in the runtime's namespaces.
        Poststart = "poststart",
        /// After the container is deleted, in the runtime's namespaces.
        Poststop = "poststop",
    }
}

impl HookKind {
    /// The place of hooks of this kind in the configuration.
    pub fn place(self) -> Place {
        Place::of(match self {
            Self::Prestart => "hooks.prestart",
            Self::CreateRuntime => "hooks.createRuntime",
            Self::CreateContainer => "hooks.createContainer",
            Self::StartContainer => "hooks.startContainer",
            Self::Poststart => "hooks.poststart",
            Self::Poststop => "hooks.poststop",
        })
    }
}

/// What the parent does about hooks.
#[derive(Debug)]
pub enum HookStep {
    /// Writes the container's state into the state file, now that the pid of init is known.
    WriteState {
        /// The state file.
        slot: Slot,
        /// The status in it.
        status: Status,
    },
    /// Runs hooks in the runtime's namespaces, one after the other.
    Run(Hooks),
}

/// Hooks of one kind.
#[derive(Debug)]
pub struct Hooks {
    /// When they run.
    pub kind: HookKind,
    /// In their order.
    pub hooks: Vec<Hook>,
    /// The state file, their standard input.
    pub state: Slot,
}

/// The environment of a hook.
#[derive(Debug)]
pub enum HookEnvironment {
    /// `env` of the hook.
    Given(Vec<CString>),
    /// That of the container's process: for startContainer hooks without `env`.
    Container,
    /// That of the runtime's caller: for all other hooks without `env`, as with runc. Hooks rely on its PATH.
    Runtime,
}

/// A program run at a point of the container's life.
#[derive(Debug)]
pub struct Hook {
    /// The absolute path.
    pub path: CString,
    /// Arguments, the name first.
    pub arguments: Vec<CString>,
    /// Environment.
    pub environment: HookEnvironment,
    /// Seconds after which the hook is killed.
    pub timeout_seconds: Option<u32>,
}
