//! JSON on its way out, printed as the Go plugins print it: four spaces, members in a chosen order.

use serde_json::Value;
use std::fmt::Write;

/// A JSON value whose objects keep their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// A string.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(Vec<(&'static str, Json)>),
}

/// Collects the members of an object, leaving out those that are empty.
#[derive(Debug, Default)]
pub struct Members(Vec<(&'static str, Json)>);

impl Members {
    /// Adds a value, empty or not.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: Json) -> Self {
        self.0.push((key, value));
        self
    }

    /// Adds a string unless it is empty.
    #[must_use]
    pub fn text(self, key: &'static str, text: &str) -> Self {
        if text.is_empty() { self } else { self.with(key, Json::Text(text.to_owned())) }
    }

    /// Adds a number if there is one.
    #[must_use]
    pub fn number(self, key: &'static str, number: Option<i64>) -> Self {
        match number {
            None => self,
            Some(number) => self.with(key, Json::Number(number)),
        }
    }

    /// Adds a list unless it is empty.
    #[must_use]
    pub fn list(self, key: &'static str, list: Vec<Json>) -> Self {
        if list.is_empty() { self } else { self.with(key, Json::List(list)) }
    }

    /// The object.
    pub fn object(self) -> Json {
        Json::Object(self.0)
    }

    /// The object with its members in alphabetical order, as Go prints a map.
    pub fn sorted(mut self) -> Json {
        self.0.sort_by_key(|(key, _)| *key);
        Json::Object(self.0)
    }
}

/// A list of strings.
pub fn texts(texts: &[String]) -> Vec<Json> {
    texts.iter().cloned().map(Json::Text).collect()
}

impl Json {
    /// Prints it with four spaces for each level and no newline at the end.
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out
    }

    fn write(&self, out: &mut String, depth: usize) {
        match self {
            Json::Text(text) => out.push_str(&Value::from(text.as_str()).to_string()),
            Json::Number(number) => {
                let _ = write!(out, "{number}");
            }
            Json::List(values) => lines(out, depth, ["[", "]"], values.iter().map(|value| ("", value))),
            Json::Object(members) => {
                lines(out, depth, ["{", "}"], members.iter().map(|(key, value)| (*key, value)));
            }
        }
    }
}

fn lines<'a>(
    out: &mut String,
    depth: usize,
    brackets: [&str; 2],
    items: impl Iterator<Item = (&'static str, &'a Json)>,
) {
    let [open, close] = brackets;
    out.push_str(open);
    let mut empty = true;
    for (key, value) in items {
        out.push_str(if empty { "\n" } else { ",\n" });
        out.push_str(&"    ".repeat(depth + 1));
        if !key.is_empty() {
            let _ = write!(out, "\"{key}\": ");
        }
        value.write(out, depth + 1);
        empty = false;
    }
    if !empty {
        out.push('\n');
        out.push_str(&"    ".repeat(depth));
    }
    out.push_str(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_prints_as_go_does() {
        let list = vec![Json::Number(2), Members::default().object()];
        let json = Members::default().text("b", "x\"y").list("a", list).text("none", "").object();
        assert_eq!(
            json.pretty(),
            "{\n    \"b\": \"x\\\"y\",\n    \"a\": [\n        2,\n        {}\n    ]\n}"
        );
    }
}
