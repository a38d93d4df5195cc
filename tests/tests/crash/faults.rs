//! Faults: every system call of `create` fails in turn, in the runtime and in the container's init.

use std::path::Path;

use nix::errno::Errno;
use serde_json::Value;
use tests::killer::{Attack, Death, attack_at, command};
use tests::{Container, Host, Kind, Snapshot, under_test};

use crate::demanding;

/// What the container probes besides: what is masked, read-only and denied.
const PROBED: [&str; 7] =
    ["/", "/proc/keys", "/proc/sys/kernel/domainname", "/sys/firmware", "/dev/mine", "/dev/null", "/run"];

fn created(host: &Host, container: &Container, at: usize) -> Death {
    let bundle = container.bundle().to_string_lossy().into_owned();
    let root = host.runtime().root().to_string_lossy().into_owned();
    let words = ["--root", &root, "create", "--bundle", &bundle, container.id()];
    attack_at(&command(host.runtime().program(), &words), Attack::Fail(Errno::EPERM), at, &output(host))
}

fn output(host: &Host) -> std::path::PathBuf {
    host.files().join("attacked")
}

/// Starts what was created and gives what it sees, without what differs from one container to the next.
fn seen(host: &Host, container: &Container) -> Result<Value, String> {
    let started = container.verb(&["start"]);
    if started.code != 0 {
        return Err(format!("start: {}", started.err));
    }
    container.becomes("stopped");
    let text = std::fs::read_to_string(output(host)).unwrap();
    let line = text.lines().find(|line| line.starts_with('{')).ok_or(format!("no report: {text}"))?;
    let mut report: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    for kind in ["mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let own = std::fs::metadata(format!("/proc/thread-self/ns/{kind}")).unwrap();
        if report["namespaces"][kind] == std::os::unix::fs::MetadataExt::ino(&own) {
            return Err(format!("it shares the {kind} namespace"));
        }
    }
    for key in ["namespaces", "boottime_ns", "root_inode", "fds"] {
        report.as_object_mut().unwrap().remove(key);
    }
    // Ids of containers are in the paths of layers.
    Ok(serde_json::from_str(&report.to_string().replace(container.id(), "ID")).unwrap())
}

/// The first difference between two reports, by its place.
fn difference(wanted: &Value, got: &Value, place: &str) -> Option<String> {
    match (wanted, got) {
        (Value::Object(one), Value::Object(other)) => one.iter().find_map(|(key, value)| {
            difference(value, other.get(key).unwrap_or(&Value::Null), &format!("{place}.{key}"))
        }),
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => one
            .iter()
            .zip(other)
            .enumerate()
            .find_map(|(index, (a, b))| difference(a, b, &format!("{place}[{index}]"))),
        _ => (wanted != got).then(|| format!("{place}: {got} instead of {wanted}")),
    }
}

/// What was wrong with a create whose call of that number failed.
fn judged(
    host: &Host,
    (death, container): (&Death, &mut Container),
    clean: &Snapshot,
    wanted: &Value,
) -> Option<String> {
    let verdict = if death.code == 0 {
        match seen(host, container) {
            Ok(report) => difference(wanted, &report, "it runs, but"),
            Err(why) => Some(format!("it reports success, but {why}")),
        }
    } else {
        let said = std::fs::read_to_string(output(host)).unwrap();
        let left = clean.leaks(host.marker());
        let silent = said.trim().is_empty() && death.at.as_deref() != Some("write");
        let broken = (death.code != 1).then(|| format!("it ends with {}", death.code));
        let leaks = (!left.is_empty()).then(|| format!("it leaves {left:?}"));
        broken.or(leaks).or_else(|| silent.then(|| "it says nothing".to_string()))
    };
    let deleted = container.force_delete();
    verdict.or_else(|| (deleted.code != 0).then(|| format!("delete --force: {}", deleted.err)))
}

#[test]
fn create_refused_any_call_says_so_or_makes_the_same_container_and_leaves_nothing() {
    if under_test() != Kind::Tare && std::env::var_os("SHOW_LEAKS").is_none() {
        return tests::skip::note_peer("any peer", "they fail open and leak; SHOW_LEAKS=1 counts how often");
    }
    let host = Host::new();
    let words: Vec<&str> = ["report"].iter().chain(&PROBED).copied().collect();
    let mut whole = demanding(&host, &words);
    assert_eq!(created(&host, &whole, usize::MAX).code, 0, "{:?}", std::fs::read_to_string(output(&host)));
    let wanted = seen(&host, &whole).unwrap();
    let _ = whole.force_delete().ok();
    let mut wrong = Vec::new();
    let (mut points, mut failed) = (0, 0);
    loop {
        let mut container = demanding(&host, &words);
        let clean = Snapshot::take(host.marker());
        let death = created(&host, &container, points);
        let verdict = judged(&host, (&death, &mut container), &clean, &wanted);
        let Some(call) = death.at else { break };
        if let Some(verdict) = verdict {
            wrong.push(format!("call {points}, {call}: {verdict}"));
            host.sweep();
            forget(&host, &container);
        }
        points += 1;
        failed += usize::from(death.code != 0);
    }
    eprintln!(
        "create: {points} calls refused; {failed} times it failed, {} times in the wrong way",
        wrong.len()
    );
    assert!(under_test() != Kind::Tare || wrong.is_empty(), "{wrong:#?}");
    assert!(points > 100, "only {points} calls: the tracer sees nothing");
    assert!(failed > points / 2, "only {failed} of {points} were noticed: the calls do not fail");
}

/// What one fault has left is not to be blamed on the next.
fn forget(host: &Host, container: &Container) {
    // It may be something else that was left.
    let _ = std::fs::remove_dir_all(Path::new(host.runtime().root()).join(container.id()));
}
