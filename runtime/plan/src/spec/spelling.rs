//! Misspellings: suggestions for unknown words.

use super::decode::quote;

/// Returns the known word with the smallest edit distance, if that is small enough for a misspelling.
pub(crate) fn nearest<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|word| (distance(text, word), *word)).min()?;
    (near.0 <= allowed(text)).then_some(near.1)
}

/// The longest vocabulary that a message lists in full.
const LISTED: usize = 9;

/// The message about an unknown word: with a suggestion, or with the whole of a short vocabulary.
pub(crate) fn unknown(noun: &str, text: &str, known: &[&str]) -> String {
    let unknown = format!("unknown {noun} {}", quote(text));
    match nearest(text, known) {
        Some(near) => format!("{unknown}: did you mean {near:?}?"),
        None if known.len() > LISTED => unknown,
        None => format!("{unknown}: expected one of {}", known.join(", ")),
    }
}

/// The largest edit distance of a misspelling. Short words such as `uid` and `pid` differ by a letter without
/// being related.
fn allowed(text: &str) -> usize {
    match text.len() {
        0..=3 => 0,
        4..=5 => 1,
        _ => 2,
    }
}

/// The edit distance of two words, case ignored: insertions, deletions, replacements and swaps of neighbours
/// (Damerau and Levenshtein, as optimal string alignment). `usize::MAX` for lengths that differ by more than
/// any misspelling.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<u8> = left.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
    let right: Vec<u8> = right.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
    if left.len().abs_diff(right.len()) > 2 {
        return usize::MAX;
    }
    // Two rows back, for swaps, and one row back.
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, &l) in left.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, &r) in right.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX);
            let replaced = at(&above, column) + usize::from(l != r);
            let added = at(&above, column + 1).min(at(&line, column)) + 1;
            let swapped =
                row > 0 && column > 0 && left.get(row - 1) == Some(&r) && right.get(column - 1) == Some(&l);
            let swap = if swapped { at(&before, column - 1) + 1 } else { usize::MAX };
            line.push(replaced.min(added).min(swap));
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        assert_eq!(distance("capabilities", "capabilities"), 0);
        assert_eq!(distance("capabilites", "capabilities"), 1);
        assert_eq!(distance("hsotname", "hostname"), 1);
        assert_eq!(distance("maskedPath", "MASKEDPATHS"), 1);
        assert_eq!(distance("", "ab"), 2);
        assert_eq!(distance("abc", "abcdef"), usize::MAX);
    }

    #[test]
    fn longer_words_may_differ_more() {
        assert_eq!(nearest("abd", &["abc"]), None);
        assert_eq!(nearest("abce", &["abcd"]), Some("abcd"));
        assert_eq!(nearest("abcxy", &["abcde"]), None);
        assert_eq!(nearest("abcdxy", &["abcdef"]), Some("abcdef"));
        assert_eq!(nearest("abcxyz", &["abcdef"]), None);
    }

    #[test]
    fn a_short_vocabulary_is_listed_in_full() {
        let words = ["a1", "b2", "c3", "d4", "e5", "f6", "g7", "h8", "i9", "j10"];
        assert_eq!(
            unknown("letter", "zz", &words[..9]),
            "unknown letter \"zz\": expected one of a1, b2, c3, d4, e5, f6, g7, h8, i9"
        );
        assert_eq!(unknown("letter", "zz", &words), "unknown letter \"zz\"");
    }

    #[test]
    fn only_near_words_are_suggested() {
        let known = ["uid", "gid", "umask", "additionalGids"];
        assert_eq!(nearest("umaks", &known), Some("umask"));
        assert_eq!(nearest("additionalgid", &known), Some("additionalGids"));
        assert_eq!(nearest("pid", &known), None);
        assert_eq!(nearest("username", &known), None);
    }
}
