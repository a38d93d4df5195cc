//! Parses the command line by its table.
//!
//! It reads what callers of runc write: an option after one dash or two, its value after `=` or as the next word, options before
//! and after operands, a repeated option any number of times.

use crate::arguments::Arguments;
use crate::table::{Flag, GLOBAL, Rest, Verb, find};
use tare_engine::Error;

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// The help of a verb, or that of the program.
    Help(Option<&'static Verb>),
    /// The version.
    Version,
    /// A verb.
    Verb { verb: &'static Verb, arguments: Arguments },
}

/// Parses the words after the program's name.
///
/// # Errors
/// An unknown option or verb, a missing value, too few or too many operands.
pub(crate) fn parse(words: &[String]) -> Result<Invocation, Error> {
    let mut arguments = Arguments::default();
    let mut words = words.iter();
    let verb = loop {
        let Some(word) = words.next() else { return Ok(Invocation::Help(None)) };
        let Some(name) = option_name(word) else { break word };
        let (flag, value) = take(GLOBAL, "tare", name, &mut words)?;
        match flag.long {
            "help" => return Ok(Invocation::Help(None)),
            "version" => return Ok(Invocation::Version),
            long => arguments.global.push((long, value)),
        }
    };
    if verb == "help" {
        return Ok(Invocation::Help(words.next().and_then(|name| find(name))));
    }
    let verb = find(verb).ok_or_else(|| Error::Usage(format!("No help topic for '{verb}'")))?;
    parse_verb(verb, &mut words, arguments)
}

fn parse_verb<'word>(
    verb: &'static Verb,
    words: &mut impl Iterator<Item = &'word String>,
    mut arguments: Arguments,
) -> Result<Invocation, Error> {
    while let Some(word) = words.next() {
        match option_name(word) {
            _ if word == "--" => arguments.operands.extend(words.by_ref().cloned()),
            Some("help" | "h") => return Ok(Invocation::Help(Some(verb))),
            Some(name) => {
                let (flag, value) = take(verb.flags, verb.name, name, words)?;
                arguments.own.push((flag.long, value));
            }
            None if verb.rest == Rest::Operands => {
                arguments.operands.push(word.clone());
                arguments.operands.extend(rest(words));
            }
            None => arguments.operands.push(word.clone()),
        }
    }
    let (least, most) = verb.takes;
    if (least..=most).contains(&arguments.operands.len()) {
        return Ok(Invocation::Verb { verb, arguments });
    }
    let wanted = if most == 0 { "no operands" } else { verb.operands };
    let given = arguments.operands.len();
    Err(Error::Usage(format!(
        "tare {} takes {wanted}, {given} given; see tare {} --help",
        verb.name, verb.name
    )))
}

/// The words after the first operand as they are, without a `--` in front.
fn rest<'word>(words: &mut impl Iterator<Item = &'word String>) -> Vec<String> {
    let mut words: Vec<String> = words.cloned().collect();
    if words.first().is_some_and(|word| word == "--") {
        words.remove(0);
    }
    words
}

/// The name of an option: a word without its leading dash or dashes. A single dash is an operand.
fn option_name(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    (!name.is_empty()).then_some(name)
}

/// Finds an option and its value; a switch has the value `true`.
fn take<'word>(
    flags: &'static [Flag],
    of: &str,
    word: &str,
    words: &mut impl Iterator<Item = &'word String>,
) -> Result<(&'static Flag, String), Error> {
    let (name, attached) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (word, None),
    };
    let matches =
        |flag: &&Flag| flag.long == name || flag.short.is_some_and(|short| name == short.to_string());
    let flag = flags
        .iter()
        .find(matches)
        .ok_or_else(|| Error::Usage(format!("flag provided but not defined: -{name} ({of})")))?;
    let value = match (flag.value, attached) {
        (_, Some(value)) => value,
        (None, None) => "true".to_owned(),
        (Some(_), None) => {
            words.next().cloned().ok_or_else(|| Error::Usage(format!("flag needs an argument: -{name}")))?
        }
    };
    Ok((flag, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, Error> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        match parse(&words)? {
            Invocation::Verb { arguments, .. } => Ok(arguments),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_are_read_with_one_dash_or_two_and_values_in_either_place() {
        for line in [
            "--root /r run --bundle=/b -d x",
            "-root=/r run -b /b --detach x",
            "--root /r run x -d -bundle /b",
        ] {
            let arguments = parsed(line).unwrap();
            assert_eq!(
                (arguments.global("root"), arguments.value("bundle")),
                (Some("/r"), Some("/b")),
                "{line}"
            );
            assert!(arguments.is_set("detach") && arguments.id() == "x");
        }
    }

    #[test]
    fn words_after_the_id_of_exec_belong_to_the_program() {
        let arguments = parsed("exec -e A=1 --env B=2 x ls -l --tty").unwrap();
        assert_eq!(arguments.operands, ["x", "ls", "-l", "--tty"]);
        assert_eq!(arguments.values("env"), ["A=1", "B=2"]);
        assert!(!arguments.is_set("tty"));
        assert_eq!(parsed("exec x -- ls").unwrap().operands, ["x", "ls"]);
    }

    #[test]
    fn the_last_of_a_repeated_option_counts() {
        assert_eq!(parsed("run -b /a -b /b x").unwrap().value("bundle"), Some("/b"));
        assert!(!parsed("run --detach=false x").unwrap().is_set("detach"));
    }

    #[test]
    fn help_and_the_version_are_no_verbs() {
        let invocation = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            parse(&words).unwrap()
        };
        assert!(matches!(invocation(""), Invocation::Help(None)));
        assert!(matches!(invocation("--help"), Invocation::Help(None)));
        assert!(matches!(invocation("-v"), Invocation::Version));
        for line in ["help run", "run --help", "run -h"] {
            assert!(matches!(invocation(line), Invocation::Help(Some(verb)) if verb.name == "run"), "{line}");
        }
    }

    #[test]
    fn an_unknown_word_is_refused_by_name() {
        assert!(parsed("run --bogus x").unwrap_err().to_string().contains("-bogus"));
        assert!(parsed("frobnicate").unwrap_err().to_string().contains("No help topic for 'frobnicate'"));
        assert!(parsed("create").is_err() && parsed("create a b").is_err());
        assert!(parsed("run --bundle").unwrap_err().to_string().contains("flag needs an argument"));
    }
}
