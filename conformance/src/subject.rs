//! The subject: the runtime's program or the directory of plugins that is checked.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// One subject.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// What reports call it.
    pub(crate) name: String,
    /// The program or directory, absolute.
    pub(crate) path: PathBuf,
}

/// The runtimes that the words name.
pub(crate) fn runtimes(words: &[String]) -> Result<Vec<Subject>> {
    words.iter().map(|word| runtime(word)).collect()
}

fn runtime(word: &str) -> Result<Subject> {
    let found = if word.contains('/') { Some(PathBuf::from(word)) } else { look_up(word)? };
    let path = found.with_context(|| {
        format!("no runtime {word}, neither next to this program (cargo build --bins makes ours) nor on PATH")
    })?;
    let path = path.canonicalize().with_context(|| path.display().to_string())?;
    let name = path.file_name().context("a runtime without a name")?.to_string_lossy().into_owned();
    Ok(Subject { name, path })
}

fn look_up(name: &str) -> Result<Option<PathBuf>> {
    let beside = next_to_this(name)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&path).map(|directory| directory.join(name));
    Ok(std::iter::once(beside).chain(all).find(|program| program.is_file()))
}

/// A program of the same build.
pub(crate) fn next_to_this(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().context("a program without a directory")?.join(name))
}

/// The directories that the words name.
pub(crate) fn directories(words: &[String]) -> Result<Vec<Subject>> {
    words.iter().map(|word| directory(word)).collect()
}

fn directory(word: &str) -> Result<Subject> {
    let path = Path::new(word).canonicalize().with_context(|| word.to_owned())?;
    ensure!(path.is_dir(), "{word} is not a directory");
    Ok(Subject { name: word.to_owned(), path })
}
