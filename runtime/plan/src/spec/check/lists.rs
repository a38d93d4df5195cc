//! Lists of CPUs and memory nodes, such as `0-3,7` (cpuset(7), "List format").

/// Whether a text is a comma-separated list of numbers and ascending ranges. Spaces around them are allowed.
/// A list may be empty.
pub(super) fn is_list(text: &str) -> bool {
    text.trim().is_empty() || text.split(',').all(|part| is_range(part.trim()))
}

fn is_range(part: &str) -> bool {
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if plain { text.parse::<u32>().ok() } else { None }
    };
    match part.split_once('-') {
        Some((low, high)) => number(low).is_some_and(|low| number(high).is_some_and(|high| low <= high)),
        None => number(part).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_list;

    #[test]
    fn lists_are_numbers_and_ranges() {
        for good in ["", " ", "0", "0-3,7", "0, 2", "5-5", "4294967295"] {
            assert!(is_list(good), "{good}");
        }
        for bad in [",", "0-", "-1", "3-1", "a", "0,,1", "0-1-2", "+1", "4294967296"] {
            assert!(!is_list(bad), "{bad}");
        }
    }
}
