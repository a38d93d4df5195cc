//! The imports between the files of a crate, for tests of its structure.
//!
//! A file imports another one by a `use` or by a path in its code. Paths are resolved as the compiler does it (The Rust Reference,
//! "Paths"), as far as the text shows: `crate::`, `super::`, `self::`, child modules and names from `use`. Modules for tests
//! (`#[cfg(test)]`) do not count, and macros are not expanded.

mod graph;
mod paths;
mod tokens;

use graph::Graph;
use paths::File;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

/// The files of a crate by their module paths, with the module paths of the files that each imports. The crate root is "".
#[derive(Debug)]
pub struct Imports {
    graph: Graph,
}

impl Imports {
    /// Reads the sources below `src`.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn read(src: &Path) -> io::Result<Self> {
        let mut texts = BTreeMap::new();
        read_directory(src, "", &mut texts)?;
        Ok(Self::of(&texts))
    }

    /// Takes the texts of files by their module paths.
    fn of(texts: &BTreeMap<String, String>) -> Self {
        let files: Vec<File> = texts.iter().map(|(module, text)| File::parse(module, text)).collect();
        let excluded: BTreeSet<String> = files.iter().flat_map(|file| file.test_modules.clone()).collect();
        let is_test = |module: &str| {
            excluded.iter().any(|test| module == test || module.starts_with(&format!("{test}::")))
        };
        let modules: BTreeSet<String> =
            files.iter().map(|file| file.module.clone()).filter(|module| !is_test(module)).collect();
        let arrows = files.iter().filter(|file| modules.contains(&file.module));
        Self { graph: arrows.map(|file| (file.module.clone(), file.imports(&modules))).collect() }
    }

    /// Returns the imports of files on a higher floor, each as `FROM -> TO`.
    ///
    /// `floors` has the top-level modules of each floor, the highest floor first. The crate root is above all floors.
    ///
    /// # Panics
    /// When a top-level module is on no floor.
    #[must_use]
    #[allow(clippy::panic, reason = "the table of floors is a part of the test")]
    pub fn upward(&self, floors: &[&[&str]]) -> Vec<String> {
        let floor = |module: &str| {
            let top = module.split("::").next().unwrap_or_default();
            let found = floors.iter().position(|floor| floor.contains(&top));
            match (top, found) {
                ("", _) => 0,
                (_, Some(floor)) => floor + 1,
                (_, None) => panic!("{top} is on no floor"),
            }
        };
        let all = self.graph.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)));
        all.filter(|(from, to)| floor(to) < floor(from)).map(|(from, to)| format!("{from} -> {to}")).collect()
    }

    /// Leaves out the imports by a folder's `mod.rs` of files in its folder. A `mod.rs` that only re-exports them and has their common
    /// types forms a cycle with each of them otherwise.
    #[must_use]
    pub fn without_facades(mut self) -> Self {
        for (from, to) in &mut self.graph {
            to.retain(|module| !module.starts_with(&format!("{from}::")));
        }
        self
    }

    /// Returns every group of files that import each other in a cycle. The crate root is left out: it re-exports modules.
    #[must_use]
    pub fn cycles(&self) -> Vec<Vec<String>> {
        graph::cycles(&self.graph)
    }
}

/// Collects the `.rs` files of a directory. `module` is the module path of the directory.
fn read_directory(directory: &Path, module: &str, texts: &mut BTreeMap<String, String>) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let child = if module.is_empty() { name.clone() } else { format!("{module}::{name}") };
        if path.is_dir() {
            read_directory(&path, &child, texts)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = if matches!(name.as_str(), "mod" | "lib") { module.to_owned() } else { child };
            texts.insert(module, std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(files: &[(&str, &str)]) -> Imports {
        Imports::of(&files.iter().map(|(module, text)| ((*module).to_owned(), (*text).to_owned())).collect())
    }

    const FLOORS: &[&[&str]] = &[&["high"], &["low"]];

    #[test]
    fn an_import_of_a_higher_floor_is_found_in_use_and_in_paths() {
        for low in [
            "use crate::high::f;",
            "use super::high;",
            "use crate::{high::{self, g}};",
            "fn a() { crate::high::f() }",
        ] {
            let upward = imports(&[("", "mod high; mod low;"), ("high", ""), ("low", low)]).upward(FLOORS);
            assert_eq!(upward, ["low -> high"], "{low}");
        }
    }

    #[test]
    fn an_import_of_a_lower_floor_is_allowed() {
        let files = [("", "mod high; mod low;"), ("high", "use crate::low::f;"), ("low", "")];
        assert!(imports(&files).upward(FLOORS).is_empty());
    }

    #[test]
    fn comments_strings_and_test_modules_do_not_import() {
        let low = r##"
            // crate::high::f
            /* crate::high::f /* nested */ */
            fn a<'high>() { let _ = ("crate::high::f", r#"crate::high"f"#, '"', b'\''); }
            #[cfg(test)]
            mod tests { use crate::high::f; }
            #[cfg(test)]
            mod more;
        "##;
        let files = [("", ""), ("high", ""), ("low", low), ("low::more", "use crate::high::f;")];
        assert!(imports(&files).upward(FLOORS).is_empty());
    }

    #[test]
    fn a_cycle_by_a_child_module_is_found() {
        let files = [
            ("", ""),
            ("a", "mod b; mod c; fn f() { b::g() }"),
            ("a::b", "use super::c::h;"),
            ("a::c", "use crate::a::f;"),
        ];
        assert_eq!(imports(&files).cycles(), [["a", "a::b", "a::c"]]);
    }

    #[test]
    fn a_facade_and_its_files_may_import_each_other() {
        let files = [("", ""), ("a", "mod b; pub use b::f;"), ("a::b", "use super::T;")];
        assert_eq!(imports(&files).cycles(), [["a", "a::b"]]);
        assert!(imports(&files).without_facades().cycles().is_empty());
    }

    #[test]
    fn a_cycle_by_an_imported_name_is_found() {
        let files =
            [("", ""), ("a", "use crate::m; fn f() { m::b::g() }"), ("m", ""), ("m::b", "use crate::a::f;")];
        assert_eq!(imports(&files).cycles(), [["a", "m::b"]]);
    }

    #[test]
    fn an_inline_module_belongs_to_its_file() {
        let files =
            [("", ""), ("a", "mod inner { use super::super::b::f; }"), ("b", "use crate::a::inner::g;")];
        assert_eq!(imports(&files).cycles(), [["a", "b"]]);
    }
}
