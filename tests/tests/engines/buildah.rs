//! buildah on the runtime under test: what it runs while it makes images.

use tests::engines::{Image, NAME};
use tests::{Call, Host, Output};

/// A buildah of its own, with a container to work in.
struct Buildah<'a> {
    host: &'a Host,
}

impl<'a> Buildah<'a> {
    fn start(host: &'a Host, image: &Image) -> Self {
        let buildah = Self { host };
        let archive = format!("oci-archive:{}", image.archive().display());
        buildah.call(&["pull", "-q", &archive]).run().ok();
        buildah
    }

    fn call(&self, words: &[&str]) -> Call {
        let place = |name: &str| self.host.files().join("buildah").join(name).display().to_string();
        Call::new("buildah", self.host.files())
            .with(|command| {
                command.env("BUILDAH_RUNTIME", self.host.runtime().program());
                command.env("TARE_TEST", self.host.marker()).env("BUILDAH_ISOLATION", "oci");
                command.args([
                    "--root",
                    &place("root"),
                    "--runroot",
                    &place("run"),
                    "--storage-driver",
                    "vfs",
                ]);
            })
            .args(words)
            .within(self.host.files())
    }

    fn ok(&self, words: &[&str]) -> Output {
        self.call(words).run().ok()
    }
}

impl Drop for Buildah<'_> {
    fn drop(&mut self) {
        let _ = self.call(&["rm", "--all"]).run();
        // The default roots of runtimes: empty, or they hold a leak.
        for root in ["/run/tare", "/run/crun", "/run/runc"] {
            let _ = std::fs::remove_dir(root);
        }
        for path in ["/run/lock", "/run/containers", "/run/libpod"] {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

#[test]
fn a_working_container_runs_the_given_command_as_the_given_user() {
    let host = Host::for_engines();
    let buildah = Buildah::start(&host, &Image::make(&host));
    buildah.ok(&[
        "from",
        "--name",
        "work",
        "--network",
        "none",
        "--memory",
        "64m",
        "--cap-drop",
        "KILL",
        NAME,
    ]);
    let run = |options: &[&str], words: &[&str]| {
        buildah.call(&[&["run", "--network", "none"], options, &["work", "--"], words].concat())
    };
    let prints = |options: &[&str], words: &[&str]| run(options, words).run().ok().out;
    assert_eq!(
        prints(&["--user", "1000", "--workingdir", "/tmp"], &["sh", "-c", "id -u; pwd"]),
        "1000\n/tmp\n"
    );
    let status = prints(&[], &["cat", "/proc/self/status"]);
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
    assert_eq!(u64::from_str_radix(effective, 16).unwrap() & (1 << 5), 0, "{status}");
    assert!(status.contains("Seccomp:\t2"), "{status}");
    let shared = host.files().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let volume = format!("{}:/v", shared.display());
    let _ = prints(&["-v", &volume], &["sh", "-c", "echo one > /v/f"]);
    assert_eq!(std::fs::read_to_string(shared.join("f")).unwrap(), "one\n");
    assert_eq!(run(&[], &["sh", "-c", "exit 5"]).run().code, 5);
    assert_ne!(run(&[], &["no-such-program"]).run().code, 0);
    let shown = run(&["--tty"], &["sh"]).typed("test -t 0 && echo a $(echo terminal)\nexit 4\n").run();
    assert!(shown.code == 4 && shown.out.contains("a terminal"), "{shown:?}");
}

#[test]
fn an_image_is_built_from_a_file_and_committed() {
    let host = Host::for_engines();
    let buildah = Buildah::start(&host, &Image::make(&host));
    let context = host.files().join("context");
    std::fs::create_dir(&context).unwrap();
    let recipe = format!(
        "FROM {NAME}\nRUN echo built > /b && id -u >> /b\nUSER 1000\nRUN id -u > /tmp/c\nCMD cat /b\n"
    );
    std::fs::write(context.join("Containerfile"), recipe).unwrap();
    buildah.ok(&["build", "--network", "none", "-t", "built", context.to_str().unwrap()]);
    buildah.ok(&["from", "--name", "check", "localhost/built"]);
    let told = buildah.ok(&["run", "--network", "none", "check", "cat", "/b", "/tmp/c"]).out;
    assert_eq!(told, "built\n0\n1000\n");
    buildah.ok(&["from", "--name", "work", NAME]);
    buildah.ok(&["run", "--network", "none", "work", "sh", "-c", "echo more > /more"]);
    buildah.ok(&["commit", "-q", "work", "again"]);
    buildah.ok(&["from", "--name", "second", "localhost/again"]);
    assert_eq!(buildah.ok(&["run", "--network", "none", "second", "cat", "/more"]).out, "more\n");
}
