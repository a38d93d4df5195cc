//! debug and stats: what an operator sees.

use serde_json::Value;
use tests::{Container, Host};

fn running(host: &Host) -> Container {
    host.running(host.config(&["sleep", "60"]).pids(20).memory(64 << 20))
}

fn value<'v>(answer: &'v Value, section: &str, name: &str) -> &'v str {
    let lines = answer[section].as_array().unwrap_or_else(|| panic!("no {section}: {answer}"));
    let line = lines.iter().find(|line| line["name"] == name);
    line.unwrap_or_else(|| panic!("no {name} in {section}: {answer}"))["value"].as_str().unwrap()
}

#[test]
fn a_running_container_is_described_from_all_sides() {
    let host = Host::new();
    let container = running(&host);
    let _ = container.verb(&["update", "--pids-limit", "30"]).ok();
    let answer = container.verb(&["debug", "--format", "json"]).ok().json();
    assert_eq!(value(&answer, "state", "pid"), container.pid().to_string());
    assert_eq!(value(&answer, "cgroup", "pids.max"), "30, configured as 20");
    let memory = if tests::hierarchies::only_v2() { "memory.max" } else { "memory.limit_in_bytes" };
    assert_eq!(value(&answer, "cgroup", memory), (64 << 20).to_string());
    assert!(value(&answer, "namespaces", "user").contains("this process's own"));
    assert!(!value(&answer, "namespaces", "pid").contains("this process's own"));
    assert_eq!(value(&answer, "privileges", "effective"), "none");
    assert!(value(&answer, "mounts", "/proc").starts_with("proc proc"));
    assert!(!value(&answer, "open files", "0").is_empty());
    let text = container.verb(&["debug"]).ok().out;
    assert!(text.contains("\nprivileges\n") && text.contains("30, configured as 20"), "{text}");
}

#[test]
fn an_oom_kill_is_reported_as_the_reason_of_an_end() {
    let host = Host::new();
    let mut container = host.container(host.config(&["alloc", "268435456"]).memory(16 << 20));
    assert_eq!(container.run_with(&["--keep"]).code, 137);
    let answer = container.verb(&["debug", "-f", "json"]).ok().json();
    assert!(value(&answer, "end", "memory").contains("linux.resources.memory.limit"));
    assert_eq!(value(&answer, "end", "exit"), "signal 9");
}

#[test]
fn the_exit_code_of_a_kept_container_is_reported() {
    let host = Host::new();
    let mut container = host.container(host.config(&["fail", "7"]));
    assert_eq!(container.run_with(&["--keep"]).code, 7);
    let answer = container.verb(&["debug", "-f", "json"]).ok().json();
    assert_eq!(value(&answer, "end", "exit"), "exit code 7");
}

#[test]
fn an_unknown_container_and_an_unknown_format_are_refused() {
    let host = Host::new();
    let _ = host.runtime().run(&["debug", "nobody"]).fails().says(&["does not exist"]);
    let _ = host.runtime().run(&["debug", "--format", "yaml", "nobody"]).fails().says(&["yaml"]);
}

#[test]
fn statistics_are_a_line_for_each_container() {
    let host = Host::new();
    let (one, other) = (running(&host), running(&host));
    let output = host.runtime().run(&["stats"]).ok();
    let ids: Vec<Value> =
        output.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect();
    assert!(ids.contains(&one.id().into()) && ids.contains(&other.id().into()), "{ids:?}");
    let output = host.runtime().run(&["stats", one.id()]).ok();
    assert_eq!(output.json()["stats"]["pids"]["limit"], 20);
    let _ = host.runtime().run(&["stats", "nobody"]).fails().says(&["does not exist"]);
}

#[test]
fn on_a_terminal_they_are_a_table() {
    let host = Host::new();
    let container = running(&host);
    let program = host.runtime().program().to_string_lossy().into_owned();
    let root = host.runtime().root().to_string_lossy().into_owned();
    let line = format!("{program} --root {root} stats {}", container.id());
    let output = host.tool(&["script", "-qec", &line, "/dev/null"]);
    let lines: Vec<&str> = output.out.lines().collect();
    assert!(lines[0].starts_with("ID") && lines[0].contains("MEMORY"), "{output:?}");
    assert!(lines[1].contains("64.0 MiB") && lines[1].contains("1/20"), "{output:?}");
}

#[test]
fn completion_and_manual_pages_know_every_verb_and_option() {
    let host = Host::new();
    let help = host.runtime().run(&["--help"]).ok().out;
    let verbs =
        help.lines().skip_while(|line| *line != "COMMANDS:").skip(1).take_while(|line| !line.is_empty());
    let verbs: Vec<&str> = verbs.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.contains(&"exec") && verbs.contains(&"update"), "{verbs:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = host.runtime().run(&["completion", shell]).ok().out;
        for word in verbs.iter().chain(&["ignore-paused", "cpuset-cpus", "root"]) {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let bash = host.files().join("completion").to_string_lossy().into_owned();
    std::fs::write(&bash, host.runtime().run(&["completion", "bash"]).ok().out).unwrap();
    let words = "COMP_WORDS=(tare exec --ignore); COMP_CWORD=2; _tare; echo ${COMPREPLY[@]}";
    let output = host.tool(&["bash", "-c", &format!("source {bash}; {words}")]);
    assert_eq!(output.out, "--ignore-paused\n");
    let _ = host.runtime().run(&["completion", "tcsh"]).fails().says(&["tcsh"]);
    for verb in verbs {
        let help = host.runtime().run(&[verb, "--help"]).ok().out;
        assert!(help.contains("NAME:") && help.contains("EXAMPLE:"), "{help}");
        assert!(help.lines().count() <= 30, "{verb} does not fit a screen");
    }
}

#[test]
fn manual_pages_have_no_errors_and_name_every_option() {
    let host = Host::new();
    let help = host.runtime().run(&["--help"]).ok().out;
    let verbs =
        help.lines().skip_while(|line| *line != "COMMANDS:").skip(1).take_while(|line| !line.is_empty());
    for verb in verbs.filter_map(|line| line.split_whitespace().next()) {
        let page = host.files().join(format!("tare-{verb}.8"));
        std::fs::write(&page, host.runtime().run(&["man", verb]).ok().out).unwrap();
        let page = page.to_string_lossy();
        let lint = host.tool(&["mandoc", "-Tlint", "-Wwarning", &page]);
        assert_eq!((lint.code, lint.out.as_str()), (0, ""), "{verb}");
        let text = plain(&host.tool(&["mandoc", "-Tascii", "-Owidth=200", &page]).out);
        let help = host.runtime().run(&[verb, "--help"]).ok().out;
        for option in help.split_whitespace().filter(|word| word.starts_with("--")) {
            assert!(text.contains(option), "{verb}: {option}");
        }
    }
}

/// A text without the backspaces by which a terminal of old prints bold.
fn plain(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let kept = letters
        .iter()
        .enumerate()
        .filter(|(index, letter)| **letter != '\u{8}' && letters.get(index + 1) != Some(&'\u{8}'));
    kept.map(|(_, letter)| letter).collect()
}
