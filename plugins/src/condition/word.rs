//! The tokens of conditions.

/// Splits texts into words and punctuation, each with the index of its text.
pub(super) fn words<'a>(texts: &[&'a str]) -> Vec<(&'a str, usize)> {
    texts
        .iter()
        .enumerate()
        .flat_map(|(number, text)| split(text).into_iter().map(move |word| (word, number)))
        .collect()
}

fn split(mut text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    while let Some(first) = text.trim_start().chars().next() {
        text = text.trim_start();
        let length = match first {
            '"' => text.get(1..).and_then(|rest| rest.find('"')).map_or(text.len(), |end| end + 2),
            '=' | '!' | '<' | '>' => text.find(|c| !"=!<>".contains(c)).unwrap_or(text.len()),
            '{' | '}' | '(' | ')' | ',' | '&' | '|' => 1,
            _ => text.find(|c: char| c.is_whitespace() || "=!<>{}(),&|\"".contains(c)).unwrap_or(text.len()),
        };
        let (word, rest) = text.split_at(length);
        words.push(word);
        text = rest;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_punctuation_need_no_spaces() {
        let text = "ip saddr!={10.0.0.1,10.0.0.2-10.0.0.9}";
        let found: Vec<&str> = words(&[text]).into_iter().map(|(word, _)| word).collect();
        assert_eq!(found, ["ip", "saddr", "!=", "{", "10.0.0.1", ",", "10.0.0.2-10.0.0.9", "}"]);
    }
}
