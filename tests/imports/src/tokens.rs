//! The tokens of a Rust source: identifiers, `::`, and other punctuation. Comments, strings and numbers are left out.

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// An identifier or a keyword.
    Word(String),
    /// `::`
    Colons,
    /// Any other character.
    Mark(char),
}

impl Token {
    /// The text of a word; empty for another token.
    pub(crate) fn word(&self) -> &str {
        match self {
            Self::Word(word) => word,
            Self::Colons | Self::Mark(_) => "",
        }
    }
}

/// Splits a source into tokens.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut rest = source;
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest);
        if length > 0 {
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        let word = word_length(rest);
        let length = match first {
            _ if word > 0 => {
                tokens.push(Token::Word(rest.get(..word).unwrap_or_default().to_owned()));
                word
            }
            ':' if rest.starts_with("::") => {
                tokens.push(Token::Colons);
                2
            }
            _ => {
                tokens.push(Token::Mark(first));
                first.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    tokens
}

/// The length of the identifier at the beginning of a text, or of a number with its suffix.
fn word_length(text: &str) -> usize {
    text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len())
}

/// The length of the space, comment, string, character or lifetime at the beginning of a text; 0 for any other text.
fn skipped(text: &str) -> usize {
    let space = text.find(|letter: char| !letter.is_whitespace()).unwrap_or(text.len());
    if space > 0 {
        return space;
    }
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return comment(text);
    }
    let prefix = text.find(|letter: char| !matches!(letter, 'b' | 'c' | 'r')).unwrap_or(0);
    let after = text.get(prefix..).unwrap_or_default();
    match after.chars().next() {
        Some('"' | '#') if text.get(..prefix).is_some_and(|letters| letters.contains('r')) => {
            raw_string(after).map_or(0, |length| prefix + length)
        }
        Some('"') => prefix + quoted(after, '"'),
        Some('\'') if prefix == 0 || text.starts_with('b') => prefix + character(after),
        _ => 0,
    }
}

/// The length of a block comment. Block comments nest.
fn comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a raw string that begins with its quote or its `#`; `None` for another text, such as an attribute.
fn raw_string(text: &str) -> Option<usize> {
    let marks = text.find(|letter: char| letter != '#')?;
    let body = text.get(marks..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    Some(marks + 1 + body.find(&end)? + end.len())
}

/// The length of a quoted text with its quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal, or of a lifetime, which has no closing quote.
fn character(text: &str) -> usize {
    let body = text.get(1..).unwrap_or_default();
    let second = body.chars().nth(1);
    if body.starts_with('\\') || second == Some('\'') {
        return quoted(text, '\'');
    }
    1 + word_length(body)
}
