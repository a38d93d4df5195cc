//! The paths in a source file, and the modules that they lead to.

use crate::tokens::{Token, tokens};
use std::collections::{BTreeMap, BTreeSet};

/// A path in a file.
#[derive(Debug)]
struct Found {
    /// The module that contains the path: that of the file, or an inline one in it.
    within: Vec<String>,
    segments: Vec<String>,
}

/// The paths of one file.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// The module path.
    pub(crate) module: String,
    /// The module paths of its child modules for tests.
    pub(crate) test_modules: Vec<String>,
    found: Vec<Found>,
    /// The names from `use`, with the paths that they stand for.
    names: BTreeMap<String, Found>,
}

impl File {
    /// Parses a file.
    pub(crate) fn parse(module: &str, text: &str) -> Self {
        let mut file = Self { module: module.to_owned(), ..Self::default() };
        let path = split(module);
        let tokens = tokens(text);
        Parser { tokens: &tokens, at: 0, within: path, inline: Vec::new() }.run(&mut file);
        file
    }

    /// Returns the modules in `modules` that the file imports, without itself.
    pub(crate) fn imports(&self, modules: &BTreeSet<String>) -> BTreeSet<String> {
        let targets = self.found.iter().filter_map(|found| self.resolve(found, modules, 0));
        targets.map(|path| nearest(&path, modules)).filter(|module| *module != self.module).collect()
    }

    /// Returns the absolute path; `None` for a path to another crate.
    fn resolve(&self, found: &Found, modules: &BTreeSet<String>, depth: usize) -> Option<Vec<String>> {
        let (first, rest) = found.segments.split_first()?;
        let mut path = match first.as_str() {
            "crate" => Vec::new(),
            "self" => found.within.clone(),
            "super" => found.within.split_last()?.1.to_vec(),
            _ => return self.resolve_name(found, modules, depth).map(|path| join(path, rest)),
        };
        for segment in rest {
            if segment == "super" {
                path.pop()?;
            } else {
                path.push(segment.clone());
            }
        }
        Some(path)
    }

    /// Resolves the first segment of a path: a name from `use`, or a child module.
    fn resolve_name(&self, found: &Found, modules: &BTreeSet<String>, depth: usize) -> Option<Vec<String>> {
        let name = found.segments.first()?;
        let child = join(found.within.clone(), std::slice::from_ref(name));
        let named = self.names.get(name).filter(|target| depth < 4 && target.segments != found.segments);
        match named {
            Some(target) => self.resolve(target, modules, depth + 1),
            None => modules.contains(&child.join("::")).then_some(child),
        }
    }
}

/// Returns the file of a path: the longest beginning of the path that is a module with a file.
fn nearest(path: &[String], modules: &BTreeSet<String>) -> String {
    let beginnings = (0..=path.len()).rev().filter_map(|length| path.get(..length));
    beginnings
        .map(|beginning| beginning.join("::"))
        .find(|module| modules.contains(module))
        .unwrap_or_default()
}

fn split(module: &str) -> Vec<String> {
    module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn join(mut path: Vec<String>, rest: &[String]) -> Vec<String> {
    path.extend_from_slice(rest);
    path
}

/// A position in the tokens of a file.
struct Parser<'tokens> {
    tokens: &'tokens [Token],
    at: usize,
    /// The module at the position.
    within: Vec<String>,
    /// The number of open braces inside each inline module.
    inline: Vec<usize>,
}

impl Parser<'_> {
    fn run(&mut self, file: &mut File) {
        while let Some(token) = self.tokens.get(self.at) {
            match token {
                Token::Mark('#') if self.is_for_tests() => self.skip_tests(file),
                Token::Mark('{') => self.open(),
                Token::Mark('}') => self.close(),
                Token::Word(word) if word == "use" => self.parse_use(file),
                Token::Word(word) if word == "mod" => self.parse_module(),
                Token::Word(word) if word == "pub" => self.skip_visibility(),
                Token::Word(_) => self.parse_path(file),
                Token::Colons | Token::Mark(_) => self.at += 1,
            }
        }
    }

    fn open(&mut self) {
        self.at += 1;
        if let Some(depth) = self.inline.last_mut() {
            *depth += 1;
        }
    }

    fn close(&mut self) {
        self.at += 1;
        match self.inline.last_mut() {
            Some(0) => {
                self.inline.pop();
                self.within.pop();
            }
            Some(depth) => *depth -= 1,
            None => {}
        }
    }

    /// Whether `#[cfg(test)] mod` begins here.
    fn is_for_tests(&self) -> bool {
        const ATTRIBUTE: [&str; 7] = ["", "", "cfg", "", "test", "", ""];
        let words = self.tokens.iter().skip(self.at).map(Token::word);
        words.take(8).eq(ATTRIBUTE.into_iter().chain(["mod"]))
    }

    /// Skips a module for tests with its attribute, and notes its name.
    fn skip_tests(&mut self, file: &mut File) {
        self.at += 8;
        let name = self.tokens.get(self.at).map(Token::word).unwrap_or_default().to_owned();
        file.test_modules.push(join(self.within.clone(), &[name]).join("::"));
        self.at += 1;
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            match token {
                Token::Mark('{') => depth += 1,
                Token::Mark('}') => depth = depth.saturating_sub(1),
                Token::Mark(';') if depth == 0 => return,
                _ => continue,
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// `pub`, or `pub(…)` with a path that is no import.
    fn skip_visibility(&mut self) {
        self.at += 1;
        if self.tokens.get(self.at) == Some(&Token::Mark('(')) {
            let rest = self.tokens.iter().skip(self.at);
            self.at += rest.take_while(|token| **token != Token::Mark(')')).count();
        }
    }

    /// `mod name;` or `mod name {`.
    fn parse_module(&mut self) {
        if let (Some(Token::Word(name)), Some(Token::Mark('{'))) =
            (self.tokens.get(self.at + 1), self.tokens.get(self.at + 2))
        {
            self.within.push(name.clone());
            self.inline.push(0);
        }
        self.at += 3;
    }

    /// A path in code. A single identifier is no path.
    fn parse_path(&mut self, file: &mut File) {
        let segments = self.segments();
        if segments.len() > 1 {
            file.found.push(Found { within: self.within.clone(), segments });
        }
    }

    /// The words of a path, as far as they are joined by `::`.
    fn segments(&mut self) -> Vec<String> {
        let mut segments = Vec::new();
        while let Some(Token::Word(word)) = self.tokens.get(self.at) {
            segments.push(word.clone());
            self.at += 1;
            let next = self.tokens.get(self.at + 1);
            if self.tokens.get(self.at) != Some(&Token::Colons) || !matches!(next, Some(Token::Word(_))) {
                break;
            }
            self.at += 1;
        }
        segments
    }

    fn parse_use(&mut self, file: &mut File) {
        self.at += 1;
        self.parse_tree(&[], file);
    }

    /// A tree of a `use`: a path, then `::{…}`, `::*`, `as name` or nothing.
    fn parse_tree(&mut self, prefix: &[String], file: &mut File) {
        let path = join(prefix.to_vec(), &self.segments());
        match self.tokens.get(self.at) {
            Some(Token::Colons) if self.tokens.get(self.at + 1) == Some(&Token::Mark('{')) => {
                self.at += 2;
                self.parse_group(&path, file);
            }
            Some(Token::Mark('{')) => {
                self.at += 1;
                self.parse_group(&path, file);
            }
            Some(Token::Word(word)) if word == "as" => {
                let alias = self.tokens.get(self.at + 1).map(Token::word).unwrap_or_default().to_owned();
                self.at += 2;
                self.note(path, Some(alias), file);
            }
            _ => self.note(path, None, file),
        }
    }

    fn parse_group(&mut self, prefix: &[String], file: &mut File) {
        while let Some(token) = self.tokens.get(self.at) {
            match token {
                Token::Mark('}') => {
                    self.at += 1;
                    return;
                }
                Token::Word(_) | Token::Mark('{') => self.parse_tree(prefix, file),
                Token::Colons | Token::Mark(_) => self.at += 1,
            }
        }
    }

    /// Notes an imported path and its name in this file.
    fn note(&self, mut segments: Vec<String>, alias: Option<String>, file: &mut File) {
        if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
            segments.pop();
        }
        let Some(name) = alias.or_else(|| segments.last().cloned()) else { return };
        let found = |segments| Found { within: self.within.clone(), segments };
        file.names.insert(name, found(segments.clone()));
        file.found.push(found(segments));
    }
}
