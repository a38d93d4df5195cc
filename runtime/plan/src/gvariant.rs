//! Values in the text form of GVariant, as annotations give them: `uint64 5`, `'text'`, `['a', 'b']`, `@as []`, `(1, true)`.

use crate::step::Value;

/// How deep values may lie in each other.
const DEPTH: usize = 16;

/// Types by their names in the text.
const NAMED: &[(&str, char)] = &[
    ("boolean", 'b'),
    ("byte", 'y'),
    ("int16", 'n'),
    ("uint16", 'q'),
    ("int32", 'i'),
    ("uint32", 'u'),
    ("handle", 'h'),
    ("int64", 'x'),
    ("uint64", 't'),
    ("double", 'd'),
    ("string", 's'),
    ("objectpath", 'o'),
    ("signature", 'g'),
];

/// Reads a value.
///
/// # Errors
/// What is wrong with the text, in words.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader { rest: text.trim(), depth: 0 };
    let value = reader.value(None)?;
    match reader.rest.trim_start() {
        "" => Ok(value),
        rest => Err(format!("{rest:?} follows the value")),
    }
}

struct Reader<'text> {
    rest: &'text str,
    depth: usize,
}

impl<'text> Reader<'text> {
    /// Reads a value, of the type that stands before it, or of `wanted`, or of the one that its form has.
    fn value(&mut self, wanted: Option<&str>) -> Result<Value, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("too many values lie in each other".to_owned());
        }
        self.rest = self.rest.trim_start();
        let value = match self.rest.chars().next() {
            None => Err("a value is missing".to_owned()),
            Some('@') => self.typed(),
            Some('\'' | '"') => self.text().and_then(|text| of_text(text, wanted)),
            Some('[') => self.array(wanted),
            Some('(') => self.tuple(wanted),
            Some('<') => self.variant(),
            Some('{') => Err("dictionaries are no values of properties of a container's unit".to_owned()),
            Some(_) => self.word(wanted),
        };
        self.depth -= 1;
        value
    }

    /// `@TYPE VALUE`
    fn typed(&mut self) -> Result<Value, String> {
        let (kind, rest) = self.rest.split_once(' ').ok_or("a value is missing behind its type")?;
        self.rest = rest;
        self.value(kind.get(1..))
    }

    /// A text in quotes; a backslash takes the next letter as it is, but for those of the usual control characters.
    fn text(&mut self) -> Result<String, String> {
        let mut letters = self.rest.char_indices();
        let quote = letters.next().map(|(_, quote)| quote);
        let mut text = String::new();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => text.extend(letters.next().map(|(_, letter)| escaped(letter))),
                letter if Some(letter) == quote => {
                    self.rest = self.rest.get(at + letter.len_utf8()..).unwrap_or_default();
                    return Ok(text);
                }
                letter => text.push(letter),
            }
        }
        Err("the text has no end".to_owned())
    }

    fn array(&mut self, wanted: Option<&str>) -> Result<Value, String> {
        let mut of = match wanted {
            Some(wanted) => Some(
                wanted.strip_prefix('a').ok_or_else(|| format!("expected {wanted}, got a list"))?.to_owned(),
            ),
            None => None,
        };
        let mut items: Vec<Value> = Vec::new();
        while !self.ends(']', items.is_empty())? {
            let item = self.value(of.as_deref())?;
            match of.as_deref() {
                Some(of) if of != item.signature() => {
                    return Err("the items of a list differ in their type".to_owned());
                }
                Some(_) => {}
                None => of = Some(item.signature()),
            }
            items.push(item);
        }
        of.map(|of| Value::Array { of, items })
            .ok_or_else(|| "an empty list needs its type, such as @as []".to_owned())
    }

    fn tuple(&mut self, wanted: Option<&str>) -> Result<Value, String> {
        let mut items = Vec::new();
        while !self.ends(')', items.is_empty())? {
            items.push(self.value(None)?);
        }
        let tuple = Value::Struct(items);
        match wanted {
            Some(wanted) if wanted != tuple.signature() => {
                Err(format!("expected {wanted}, got {}", tuple.signature()))
            }
            _ => Ok(tuple),
        }
    }

    fn variant(&mut self) -> Result<Value, String> {
        self.rest = self.rest.get(1..).unwrap_or_default();
        let value = self.value(None)?;
        self.rest = self.rest.trim_start().strip_prefix('>').ok_or("expected > behind a variant's value")?;
        Ok(Value::Variant(Box::new(value)))
    }

    /// Goes on to the next item; tells whether there is none.
    fn ends(&mut self, end: char, first: bool) -> Result<bool, String> {
        if first {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix(end) {
            self.rest = rest;
            return Ok(true);
        }
        if !first {
            self.rest =
                self.rest.strip_prefix(',').ok_or_else(|| format!("expected , or {end}"))?.trim_start();
            // A tuple of one has a comma behind it.
            if let Some(rest) = self.rest.strip_prefix(end) {
                self.rest = rest;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A number, a truth, or the name of a type with a value behind it.
    fn word(&mut self, wanted: Option<&str>) -> Result<Value, String> {
        let end = self.rest.find(|letter: char| letter.is_whitespace() || ",)]>".contains(letter));
        let (word, rest) =
            self.rest.split_at_checked(end.unwrap_or(self.rest.len())).unwrap_or((self.rest, ""));
        self.rest = rest;
        if let Some((_, letter)) = NAMED.iter().find(|(name, _)| *name == word) {
            return self.value(Some(letter.encode_utf8(&mut [0; 4])));
        }
        let default = match word {
            "true" | "false" => "b",
            _ if word.contains(['.', 'e']) && !word.starts_with("0x") => "d",
            _ => "i",
        };
        scalar(word, wanted.unwrap_or(default))
    }
}

/// The letter that a letter behind a backslash stands for.
fn escaped(letter: char) -> char {
    match letter {
        'n' => '\n',
        't' => '\t',
        letter => letter,
    }
}

fn of_text(text: String, wanted: Option<&str>) -> Result<Value, String> {
    match wanted {
        None | Some("s") => Ok(Value::Text(text)),
        Some("o") => Ok(Value::ObjectPath(text)),
        Some("g") => Ok(Value::Signature(text)),
        Some(wanted) => Err(format!("expected {wanted}, got the text {text:?}")),
    }
}

/// A word as a value of the type.
fn scalar(word: &str, kind: &str) -> Result<Value, String> {
    let wrong = || format!("{word:?} is no value of type {kind}");
    let number = || integer(word).ok_or_else(wrong);
    let fits = |_: std::num::TryFromIntError| wrong();
    Ok(match kind {
        "b" => Value::Bool(word.parse().map_err(|_| wrong())?),
        "y" => Value::Byte(number()?.try_into().map_err(fits)?),
        "n" => Value::Int16(number()?.try_into().map_err(fits)?),
        "q" => Value::Uint16(number()?.try_into().map_err(fits)?),
        "i" => Value::Int32(number()?.try_into().map_err(fits)?),
        "u" => Value::Uint32(number()?.try_into().map_err(fits)?),
        "x" => Value::Int64(number()?.try_into().map_err(fits)?),
        "t" => Value::Uint64(number()?.try_into().map_err(fits)?),
        "d" => Value::Double(word.parse().map_err(|_| wrong())?),
        _ => return Err(wrong()),
    })
}

fn integer(word: &str) -> Option<i128> {
    match word.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_types_of_their_forms_or_those_before_them() {
        assert_eq!(parse("uint64 123456789"), Ok(Value::Uint64(123_456_789)));
        assert_eq!(parse("'inactive-or-failed'"), Ok(Value::Text("inactive-or-failed".to_owned())));
        assert_eq!(parse("5"), Ok(Value::Int32(5)));
        assert_eq!(parse("true"), Ok(Value::Bool(true)));
        assert_eq!(parse("@t 5"), Ok(Value::Uint64(5)));
        assert_eq!(parse("byte 0x1f"), Ok(Value::Byte(31)));
        assert_eq!(parse("1.5"), Ok(Value::Double(1.5)));
        assert_eq!(parse("['a.service', \"b\\\"c\"]"), Ok(Value::texts(["a.service", "b\"c"])));
        assert_eq!(parse("@as []"), Ok(Value::texts(Vec::<String>::new())));
        let pair = Value::Struct(vec![Value::Text("/dev/null".to_owned()), Value::Text("rw".to_owned())]);
        assert_eq!(
            parse("[('/dev/null', 'rw')]"),
            Ok(Value::Array { of: "(ss)".to_owned(), items: vec![pair] })
        );
        assert_eq!(parse("<uint32 7>"), Ok(Value::Variant(Box::new(Value::Uint32(7)))));
        assert_eq!(parse("@au [1, 2]").map(|value| value.signature()), Ok("au".to_owned()));
    }

    #[test]
    fn what_is_no_value_is_told() {
        let deep = "[".repeat(40);
        for wrong in [
            "",
            "[]",
            "['a', 1]",
            "uint64 -1",
            "byte 300",
            "'open",
            "1 2",
            "[1",
            "{'a': 1}",
            "uint64",
            "maybe",
            &deep,
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
