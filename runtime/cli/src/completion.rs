//! Completion scripts for shells, from the table of the command line.

use crate::table::{Flag, GLOBAL, VERBS, Verb};
use std::fmt::Write;

/// The supported shells.
pub(crate) const SHELLS: &str = "bash|zsh|fish";

/// The script for a shell; `None` for an unsupported one.
pub(crate) fn script(shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash()),
        "zsh" => Some(zsh()),
        "fish" => Some(fish()),
        _ => None,
    }
}

/// The command that lists container IDs.
const IDS: &str = "tare list --quiet 2>/dev/null";

fn takes_id(verb: &Verb) -> bool {
    verb.operands.contains("ID") && !matches!(verb.name, "create" | "run" | "restore")
}

fn words(flags: &[Flag]) -> String {
    let long: Vec<String> = flags.iter().map(|flag| format!("--{}", flag.long)).collect();
    long.join(" ")
}

fn bash() -> String {
    let verbs: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
    let mut text = String::from("# bash completion of tare\n_tare() {\n");
    text.push_str("    local word=${COMP_WORDS[COMP_CWORD]} verb= index\n");
    text.push_str("    for ((index = 1; index < COMP_CWORD; index++)); do\n");
    let _ = writeln!(
        text,
        "        case ${{COMP_WORDS[index]}} in {}) verb=${{COMP_WORDS[index]}}; break ;; esac",
        verbs.join("|")
    );
    text.push_str("    done\n    case $verb in\n");
    for verb in VERBS {
        let ids = if takes_id(verb) { format!(" $({IDS})") } else { String::new() };
        let _ = writeln!(
            text,
            "    {}) COMPREPLY=($(compgen -W \"{}{ids}\" -- \"$word\")) ;;",
            verb.name,
            words(verb.flags)
        );
    }
    let _ = writeln!(
        text,
        "    *) COMPREPLY=($(compgen -W \"{} {}\" -- \"$word\")) ;;",
        verbs.join(" "),
        words(GLOBAL)
    );
    text.push_str("    esac\n}\ncomplete -o default -F _tare tare\n");
    text
}

/// A text for single quotes, without the characters that are special in completion.
fn quoted(text: &str) -> String {
    text.replace('\'', "").replace([':', '[', ']'], " ")
}

fn zsh() -> String {
    let mut text = String::from("#compdef tare\n_tare() {\n    local -a verbs\n    verbs=(\n");
    for verb in VERBS {
        let _ = writeln!(text, "        '{}:{}'", verb.name, quoted(verb.summary));
    }
    text.push_str("    )\n    _arguments -C \\\n");
    zsh_flags(&mut text, GLOBAL);
    text.push_str("        '1: :->verb' '*:: :->rest'\n");
    text.push_str(
        "    case $state in\n    verb) _describe verb verbs ;;\n    rest)\n        case $words[1] in\n",
    );
    for verb in VERBS {
        let _ = writeln!(text, "        {})\n            _arguments \\", verb.name);
        zsh_flags(&mut text, verb.flags);
        let last =
            if takes_id(verb) { format!("'*:container:($({IDS}))'") } else { "'*:file:_files'".to_owned() };
        let _ = writeln!(text, "                {last} ;;");
    }
    text.push_str("        esac ;;\n    esac\n}\n_tare \"$@\"\n");
    text
}

fn zsh_flags(text: &mut String, flags: &[Flag]) {
    for flag in flags {
        let value = flag.value.map(|value| format!(":{}:_files", quoted(value))).unwrap_or_default();
        let _ = writeln!(text, "                '*--{}[{}]{value}' \\", flag.long, quoted(&flag.help()));
    }
}

fn fish() -> String {
    let mut text = String::from("# fish completion of tare\ncomplete -c tare -f\n");
    let verbs: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
    let none = format!("not __fish_seen_subcommand_from {}", verbs.join(" "));
    fish_flags(&mut text, &none, GLOBAL);
    for verb in VERBS {
        let _ = writeln!(text, "complete -c tare -n '{none}' -a {} -d '{}'", verb.name, quoted(verb.summary));
    }
    for verb in VERBS {
        let seen = format!("__fish_seen_subcommand_from {}", verb.name);
        fish_flags(&mut text, &seen, verb.flags);
        if takes_id(verb) {
            let _ = writeln!(text, "complete -c tare -n '{seen}' -a '({IDS})'");
        }
    }
    text
}

fn fish_flags(text: &mut String, condition: &str, flags: &[Flag]) {
    for flag in flags {
        let short = flag.short.map(|short| format!(" -s {short}")).unwrap_or_default();
        let value = if flag.value.is_some() { " -r -F" } else { "" };
        let _ = writeln!(
            text,
            "complete -c tare -n '{condition}' -l {}{short}{value} -d '{}'",
            flag.long,
            quoted(&flag.help())
        );
    }
}
