//! What steps say of hooks.

use super::Slot;
use crate::place::Place;
use crate::tables::vocabulary;
use std::ffi::CString;

vocabulary! {
    /// When hooks run (config.md, "POSIX-platform Hooks").
    pub enum HookKind: "kind of hook" {
        /// Before createRuntime, beside it; deprecated.
        Prestart = "prestart",
        /// When the namespaces are there, in the runtime's.
        CreateRuntime = "createRuntime",
        /// Then, in the container's.
        CreateContainer = "createContainer",
        /// Before the program, in the container's.
        StartContainer = "startContainer",
        /// When the program runs, in the runtime's.
        Poststart = "poststart",
        /// When the container is deleted, in the runtime's.
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

/// Hooks of one kind.
#[derive(Debug)]
pub struct Hooks {
    /// When they run.
    pub kind: HookKind,
    /// In their order.
    pub hooks: Vec<Hook>,
    /// Where their standard input comes from.
    pub state: Slot,
}

/// Where a hook's environment comes from.
#[derive(Debug)]
pub enum HookEnvironment {
    /// From the configuration.
    Given(Vec<CString>),
    /// From the container's process: startContainer hooks for which none is given.
    Container,
    /// From the runtime's caller: all others for which none is given, as runc has it and hooks rely on for PATH.
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
    /// Seconds after which it is killed.
    pub timeout_seconds: Option<u32>,
}
