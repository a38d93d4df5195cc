//! The text format of GVariant: `uint64 5`, `'text'`, `['a', 'b']`, `@as []`, `(1, true)`.
//!
//! runc reads the values of `org.systemd.property.*` annotations in this format. GLib's documentation defines
//! it ("GVariant Text Format"). Dictionaries and maybe types are left out: no property of a unit has one.

use crate::step::Value;

/// The deepest nesting, so that an annotation can't exhaust the stack.
const DEPTH: usize = 16;

/// The type keywords and their letters in D-Bus signatures.
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

/// Parses a value.
///
/// # Errors
/// The reason why the text is no value, for a message.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader { rest: text.trim(), depth: 0 };
    let value = reader.value(None)?;
    match reader.rest.trim_start() {
        "" => Ok(value),
        rest => Err(format!("{rest:?} follows the value")),
    }
}

struct Reader<'text> {
    /// The text that is not read yet.
    rest: &'text str,
    /// The number of values around this one.
    depth: usize,
}

impl<'text> Reader<'text> {
    /// Reads a value. Its type is the one before it in the text, else `expected`, else the default of its
    /// form.
    fn value(&mut self, expected: Option<&str>) -> Result<Value, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("values are nested too deeply".to_owned());
        }
        self.rest = self.rest.trim_start();
        let value = match self.rest.chars().next() {
            None => Err("a value is missing".to_owned()),
            Some('@') => self.typed(),
            Some('\'' | '"') => self.text().and_then(|text| of_text(text, expected)),
            Some('[') => self.array(expected),
            Some('(') => self.tuple(expected),
            Some('<') => self.variant(),
            Some('{') => Err("dictionaries are not supported".to_owned()),
            Some(_) => self.word(expected),
        };
        self.depth -= 1;
        value
    }

    /// Reads `@TYPE VALUE`.
    fn typed(&mut self) -> Result<Value, String> {
        let (kind, rest) = self.rest.split_once(' ').ok_or("a value is missing after its type")?;
        self.rest = rest;
        self.value(kind.get(1..))
    }

    /// Reads a string in single or double quotes, with backslash escapes.
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
        Err("the string has no closing quote".to_owned())
    }

    fn array(&mut self, expected: Option<&str>) -> Result<Value, String> {
        let mut of = match expected {
            Some(expected) => Some(
                expected
                    .strip_prefix('a')
                    .ok_or_else(|| format!("expected {expected}, found an array"))?
                    .to_owned(),
            ),
            None => None,
        };
        let mut items: Vec<Value> = Vec::new();
        self.skip_bracket();
        while !self.ends(']', items.len())? {
            let item = self.value(of.as_deref())?;
            match of.as_deref() {
                Some(of) if of != item.signature() => {
                    return Err("the items of an array differ in type".to_owned());
                }
                Some(_) => {}
                None => of = Some(item.signature()),
            }
            items.push(item);
        }
        of.map(|of| Value::Array { of, items })
            .ok_or_else(|| "an empty array needs its type, such as @as []".to_owned())
    }

    fn tuple(&mut self, expected: Option<&str>) -> Result<Value, String> {
        let mut items = Vec::new();
        self.skip_bracket();
        while !self.ends(')', items.len())? {
            items.push(self.value(None)?);
        }
        let tuple = Value::Struct(items);
        match expected {
            Some(expected) if expected != tuple.signature() => {
                Err(format!("expected {expected}, found {}", tuple.signature()))
            }
            _ => Ok(tuple),
        }
    }

    fn variant(&mut self) -> Result<Value, String> {
        self.skip_bracket();
        let value = self.value(None)?;
        self.rest = self.rest.trim_start().strip_prefix('>').ok_or("expected > after a variant's value")?;
        Ok(Value::Variant(Box::new(value)))
    }

    /// Skips an opening bracket.
    fn skip_bracket(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    /// Moves on to the next item. Returns whether the list ends instead. `read` is the number of items up to
    /// now.
    fn ends(&mut self, end: char, read: usize) -> Result<bool, String> {
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix(end) {
            self.rest = rest;
            return Ok(true);
        }
        if read > 0 {
            self.rest =
                self.rest.strip_prefix(',').ok_or_else(|| format!("expected , or {end}"))?.trim_start();
            // `(1,)`: a tuple of one item ends with a comma.
            if let Some(rest) = self.rest.strip_prefix(end) {
                self.rest = rest;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads a number, a boolean, or a type keyword and its value.
    fn word(&mut self, expected: Option<&str>) -> Result<Value, String> {
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
        scalar(word, expected.unwrap_or(default))
    }
}

/// Returns the character of a backslash escape.
fn escaped(letter: char) -> char {
    match letter {
        'n' => '\n',
        't' => '\t',
        letter => letter,
    }
}

fn of_text(text: String, expected: Option<&str>) -> Result<Value, String> {
    match expected {
        None | Some("s") => Ok(Value::Text(text)),
        Some("o") => Ok(Value::ObjectPath(text)),
        Some("g") => Ok(Value::Signature(text)),
        Some(expected) => Err(format!("expected {expected}, found the string {text:?}")),
    }
}

/// Parses a word as a value of a basic type.
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
    fn a_value_has_the_type_before_it_or_the_default_of_its_form() {
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

    // GVariant Text Format, "Numeric types": keyword, type string and range.
    #[test]
    fn every_basic_type_has_its_keyword_and_range() {
        for (text, value) in [
            ("boolean false", Value::Bool(false)),
            ("byte 255", Value::Byte(255)),
            ("int16 -32768", Value::Int16(i16::MIN)),
            ("uint16 65535", Value::Uint16(u16::MAX)),
            ("int32 -2147483648", Value::Int32(i32::MIN)),
            ("uint32 4294967295", Value::Uint32(u32::MAX)),
            ("int64 -9223372036854775808", Value::Int64(i64::MIN)),
            ("uint64 18446744073709551615", Value::Uint64(u64::MAX)),
            ("double 2", Value::Double(2.0)),
            ("1e3", Value::Double(1000.0)),
            ("0x1e", Value::Int32(30)),
            ("string 'a\\n\\tb'", Value::Text("a\n\tb".to_owned())),
            ("objectpath '/a'", Value::ObjectPath("/a".to_owned())),
            ("signature 'as'", Value::Signature("as".to_owned())),
            ("(1,)", Value::Struct(vec![Value::Int32(1)])),
            (
                " [ true , false ] ",
                Value::Array { of: "b".to_owned(), items: vec![Value::Bool(true), Value::Bool(false)] },
            ),
        ] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
        for text in [
            "byte 256",
            "int16 32768",
            "uint16 -1",
            "int32 2147483648",
            "2147483648",
            "uint32 -1",
            "@s 5",
            "uint64 'a'",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_nest_16_deep() {
        let nested = |depth: usize| format!("{}1{}", "<".repeat(depth), ">".repeat(depth));
        assert!(parse(&nested(15)).is_ok());
        assert!(parse(&nested(16)).is_err());
    }

    #[test]
    fn invalid_texts_are_refused() {
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
