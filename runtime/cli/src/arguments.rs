//! The command line as its table has it.
//!
//! Read as the callers of runc write it: an option's name after one dash or two, its value in the same word after `=` or in
//! the next one, options before and after operands, a repeated option as often as it likes.

use crate::help;
use crate::table::{Flag, GLOBAL, Rest, VERBS, Verb};
use tare_engine::Error;

/// What the words of a command line ask for.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// A text to be printed.
    Help(String),
    /// A verb.
    Verb { verb: &'static Verb, arguments: Arguments },
}

/// Options and operands.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    global: Vec<(&'static str, String)>,
    own: Vec<(&'static str, String)>,
    /// What stands beside the options.
    pub(crate) operands: Vec<String>,
}

impl Arguments {
    /// The last value of an option of the verb.
    pub(crate) fn value(&self, long: &str) -> Option<&str> {
        last(&self.own, long)
    }

    /// Whether an option of the verb that takes no value is given.
    pub(crate) fn is_set(&self, long: &str) -> bool {
        self.value(long).is_some_and(|value| value != "false")
    }

    /// All values of an option that can be repeated, in their order.
    pub(crate) fn values(&self, long: &str) -> Vec<String> {
        self.own.iter().filter(|(name, _)| *name == long).map(|(_, value)| value.clone()).collect()
    }

    /// The last value of an option of the verb that is a number.
    ///
    /// # Errors
    /// When it is none of this type.
    pub(crate) fn number<N: std::str::FromStr>(&self, long: &str) -> Result<Option<N>, Error> {
        let wrong = |text: &str| Error::Usage(format!("invalid --{long} {text:?}: expected a number"));
        self.value(long).map(|text| text.parse().map_err(|_| wrong(text))).transpose()
    }

    /// The last value of an option before the verb. An empty one is as good as none: callers pass on what they have not got.
    pub(crate) fn global(&self, long: &str) -> Option<&str> {
        last(&self.global, long).filter(|value| !value.is_empty())
    }

    /// Whether an option before the verb that takes no value is given.
    pub(crate) fn is_global_set(&self, long: &str) -> bool {
        self.global(long).is_some_and(|value| value != "false")
    }

    /// The container's id, of which the table has made sure that it is there.
    pub(crate) fn id(&self) -> &str {
        self.operands.first().map_or("", String::as_str)
    }
}

fn last<'text>(options: &'text [(&'static str, String)], long: &str) -> Option<&'text str> {
    options.iter().rev().find(|(name, _)| *name == long).map(|(_, value)| value.as_str())
}

/// Reads the words after the program's name.
///
/// # Errors
/// A word that the table does not know, a value that is missing, operands too few or too many.
pub(crate) fn parse(words: &[String]) -> Result<Invocation, Error> {
    let mut arguments = Arguments::default();
    let mut words = words.iter();
    let verb = loop {
        let Some(word) = words.next() else { return Ok(Invocation::Help(help::program())) };
        let Some(name) = option_name(word) else { break word };
        let (flag, value) = take(GLOBAL, "tare", name, &mut words)?;
        match flag.long {
            "help" => return Ok(Invocation::Help(help::program())),
            "version" => return Ok(Invocation::Help(help::version())),
            long => arguments.global.push((long, value)),
        }
    };
    if verb == "help" {
        return Ok(Invocation::Help(
            words.next().and_then(|name| find(name)).map_or_else(help::program, help::verb),
        ));
    }
    let verb = find(verb).ok_or_else(|| Error::Usage(format!("No help topic for '{verb}'")))?;
    parse_verb(verb, &mut words, arguments)
}

fn find(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

fn parse_verb<'word>(
    verb: &'static Verb,
    words: &mut impl Iterator<Item = &'word String>,
    mut arguments: Arguments,
) -> Result<Invocation, Error> {
    while let Some(word) = words.next() {
        match option_name(word) {
            _ if word == "--" => arguments.operands.extend(words.by_ref().cloned()),
            Some("help" | "h") => return Ok(Invocation::Help(help::verb(verb))),
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

/// What follows the first operand, as it is; a `--` right behind it means nothing more.
fn rest<'word>(words: &mut impl Iterator<Item = &'word String>) -> Vec<String> {
    let mut words: Vec<String> = words.cloned().collect();
    if words.first().is_some_and(|word| word == "--") {
        words.remove(0);
    }
    words
}

/// A word that begins with a dash, without it; a dash alone is an operand.
fn option_name(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    (!name.is_empty()).then_some(name)
}

/// Finds an option and its value; one that takes none is `true`.
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
            Invocation::Help(text) => panic!("{text}"),
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
    fn what_follows_the_id_of_exec_is_the_programs() {
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
    fn what_the_table_does_not_know_is_refused_by_name() {
        assert!(parsed("run --bogus x").unwrap_err().to_string().contains("-bogus"));
        assert!(parsed("frobnicate").unwrap_err().to_string().contains("No help topic for 'frobnicate'"));
        assert!(parsed("create").is_err() && parsed("create a b").is_err());
        assert!(parsed("run --bundle").unwrap_err().to_string().contains("flag needs an argument"));
    }
}
