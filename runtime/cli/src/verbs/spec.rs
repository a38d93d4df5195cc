//! `tare spec`

use crate::arguments::Arguments;
use rustix::process::{getegid, geteuid};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use tare_engine::{Error, Result};
use tare_plan::spec::{Gid, Owner, Uid, default_config};

/// Writes a template config.json. It does not replace an existing one.
pub(crate) fn spec(arguments: &Arguments) -> Result<u8> {
    let path = Path::new(arguments.value("bundle").unwrap_or(".")).join("config.json");
    let owner = if arguments.is_set("rootless") {
        let (uid, gid) = (Uid::new(geteuid().as_raw()), Gid::new(getegid().as_raw()));
        Owner::Rootless { uid: uid.unwrap_or(Uid::ROOT), gid: gid.unwrap_or(Gid::ROOT) }
    } else {
        Owner::Root
    };
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .and_then(|mut file| file.write_all(default_config(owner).as_bytes()));
    written.map(|()| 0).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::Usage(format!("File {} exists. Remove it first", path.display()))
        }
        _ => Error::Usage(format!("cannot write {}: {error}", path.display())),
    })
}
