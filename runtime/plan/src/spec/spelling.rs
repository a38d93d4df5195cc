//! Misspellings: the known word that an unknown one was probably meant to be.

use super::decode::quote;

/// The known word nearest to an unknown one, if it is near enough to be a misspelling of it.
pub(crate) fn nearest<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|word| (distance(text, word), *word)).min()?;
    (near.0 <= allowed(text)).then_some(near.1)
}

/// The longest vocabulary that a message lists.
const LISTED: usize = 9;

/// What to say of a word that no table has: what was probably meant, or everything that could have been.
pub(crate) fn unknown(noun: &str, text: &str, known: &[&str]) -> String {
    let unknown = format!("unknown {noun} {}", quote(text));
    match nearest(text, known) {
        Some(near) => format!("{unknown}: did you mean {near:?}?"),
        None if known.len() > LISTED => unknown,
        None => format!("{unknown}: expected one of {}", known.join(", ")),
    }
}

/// How many slips are taken for a misspelling: short words differ by one or two letters without being related.
fn allowed(text: &str) -> usize {
    match text.len() {
        0..=3 => 0,
        4..=5 => 1,
        _ => 2,
    }
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other, case aside.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<u8> = left.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
    let right: Vec<u8> = right.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
    if left.len().abs_diff(right.len()) > 2 {
        return usize::MAX;
    }
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
    fn slips_are_counted() {
        assert_eq!(distance("capabilities", "capabilities"), 0);
        assert_eq!(distance("capabilites", "capabilities"), 1);
        assert_eq!(distance("hsotname", "hostname"), 1);
        assert_eq!(distance("maskedPath", "MASKEDPATHS"), 1);
        assert_eq!(distance("", "ab"), 2);
        assert_eq!(distance("abc", "abcdef"), usize::MAX);
    }

    #[test]
    fn only_near_words_are_offered() {
        let known = ["uid", "gid", "umask", "additionalGids"];
        assert_eq!(nearest("umaks", &known), Some("umask"));
        assert_eq!(nearest("additionalgid", &known), Some("additionalGids"));
        assert_eq!(nearest("pid", &known), None);
        assert_eq!(nearest("username", &known), None);
    }
}
