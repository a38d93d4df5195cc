//! Signals by name (signal(7)).

/// The standard signals of this architecture.
pub const SIGNALS: &[(&str, i32)] = &[
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("IOT", libc::SIGABRT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("STKFLT", libc::SIGSTKFLT),
    ("CHLD", libc::SIGCHLD),
    ("CLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("POLL", libc::SIGIO),
    ("PWR", libc::SIGPWR),
    ("SYS", libc::SIGSYS),
];

/// The first and the last real-time signal that glibc leaves to programs. It uses 32 and 33 itself.
const REALTIME: (i32, i32) = (34, 64);

/// Parses a signal: a number, or a name in any case with or without `SIG`, such as `9`, `KILL`, `sigkill`,
/// `RTMIN+1`.
pub fn parse(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (1..=REALTIME.1).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known = SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    known.or_else(|| realtime(name))
}

fn realtime(name: &str) -> Option<i32> {
    let number = if let Some(offset) = name.strip_prefix("RTMIN") {
        REALTIME.0 + offset_of(offset, '+')?
    } else {
        REALTIME.1 - offset_of(name.strip_prefix("RTMAX")?, '-')?
    };
    (REALTIME.0..=REALTIME.1).contains(&number).then_some(number)
}

fn offset_of(text: &str, sign: char) -> Option<i32> {
    if text.is_empty() { Some(0) } else { text.strip_prefix(sign)?.parse::<u8>().ok().map(i32::from) }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn signals_are_found_by_name_and_number() {
        for text in ["9", "KILL", "SIGKILL", "kill", "SigKill"] {
            assert_eq!(parse(text), Some(9), "{text}");
        }
        assert_eq!((parse("RTMIN+1"), parse("SIGRTMAX"), parse("RTMAX-2")), (Some(35), Some(64), Some(62)));
        for text in ["0", "65", "-9", "NOPE", "SIG", "", "RTMIN-1", "RTMIN+99", "RTMIN+2147483647"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
