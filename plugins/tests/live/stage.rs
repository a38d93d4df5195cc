//! The fixtures of the tests: unnamed namespaces that end with the test, and calls of plugins like those of a runtime.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The directory of the tested programs.
pub(crate) fn ours() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_bridge")).parent().unwrap().to_owned()
}

/// The Go plugins of the distribution, as a reference.
pub(crate) fn theirs() -> PathBuf {
    PathBuf::from("/usr/lib/cni")
}

/// Reports that the test, or a part of it, is skipped; fails it when `tests/skips.txt` does not allow that.
pub(crate) fn skip(reason: &str) {
    test_report::note_skip(reason);
}

/// Whether live tests can run; if not, says so.
pub(crate) fn can_run() -> bool {
    let root = rustix::process::geteuid().is_root();
    let tools = ["/usr/sbin/nft", "/sbin/ip"].iter().all(|tool| Path::new(tool).exists());
    if !root || !tools {
        skip("live tests of the plugins need root, nft and ip");
    }
    root && tools
}

/// A network namespace that lives as long as this does.
pub(crate) struct Namespace(File);

impl Namespace {
    /// Creates a namespace.
    pub(crate) fn new() -> Namespace {
        let create = || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        };
        Namespace(std::thread::spawn(create).join().unwrap())
    }

    /// Creates a namespace with its loopback interface up.
    pub(crate) fn with_loopback() -> Namespace {
        let namespace = Namespace::new();
        namespace.ip("link set lo up");
        namespace
    }

    /// A path to the namespace, in the form that buildah passes.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Runs something in the namespace.
    pub(crate) fn run<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let enter = || {
                move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                act()
            };
            scope.spawn(enter).join().unwrap()
        })
    }

    /// Runs `ip` in the namespace and returns its output.
    pub(crate) fn ip(&self, words: &str) -> String {
        self.command("ip", words)
    }

    /// Runs a command in the namespace, which must succeed.
    pub(crate) fn command(&self, program: &str, words: &str) -> String {
        let output = self.run(|| Command::new(program).args(words.split_whitespace()).output().unwrap());
        assert!(output.status.success(), "{program} {words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Returns all state that a plugin could leave in the namespace.
    pub(crate) fn state(&self) -> String {
        let stable = |text: String| text.lines().map(without_counters).collect::<Vec<_>>().join("\n");
        [
            stable(self.ip("-o link")),
            stable(self.ip("-o -4 addr")),
            self.ip("-4 route").replace(" linkdown", ""),
            self.command("nft", "-s list ruleset"),
        ]
        .join("\n--\n")
    }

    /// Returns the value of a sysctl in the namespace.
    pub(crate) fn sysctl(&self, path: &str) -> String {
        let path = format!("/proc/sys/{path}");
        self.run(move || std::fs::read_to_string(path).unwrap().trim().to_owned())
    }

    /// Starts a server that answers each connection with its peer's address; it ends with the test.
    pub(crate) fn serve(&self, address: &str) {
        let listener = self.run(|| TcpListener::bind(address).unwrap());
        std::thread::spawn(move || {
            while let Ok((mut stream, peer)) = listener.accept() {
                let _ = stream.write_all(peer.ip().to_canonical().to_string().as_bytes());
            }
        });
    }

    /// Like `serve`, over UDP.
    pub(crate) fn serve_datagrams(&self, address: &str) {
        let socket = self.run(|| UdpSocket::bind(address).unwrap());
        std::thread::spawn(move || {
            let mut buffer = [0; 16];
            while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(peer.ip().to_canonical().to_string().as_bytes(), peer);
            }
        });
    }

    /// Connects to a server of `serve` and returns its answer; `None` if there is no answer.
    pub(crate) fn ask(&self, address: &str) -> Option<IpAddr> {
        let address: SocketAddr = address.parse().unwrap();
        self.run(move || {
            let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).ok()?;
            text.parse().ok()
        })
    }

    /// Like `ask`, from one of the namespace's addresses.
    pub(crate) fn ask_from(&self, source: &str, to: &str) -> Option<IpAddr> {
        let (source, to): (IpAddr, SocketAddr) = (source.parse().unwrap(), to.parse().unwrap());
        self.run(move || {
            let socket =
                rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None)
                    .unwrap();
            rustix::net::bind(&socket, &SocketAddr::new(source, 0)).unwrap();
            let mut stream = TcpStream::from(socket);
            // Half of the time limit of `ask`, for the connection and for the answer.
            rustix::net::sockopt::set_socket_timeout(
                &stream,
                rustix::net::sockopt::Timeout::Send,
                Some(Duration::from_secs(1)),
            )
            .unwrap();
            rustix::net::connect(&stream, &to).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).ok()?;
            text.parse().ok()
        })
    }

    /// Opens a UDP socket to a server of `serve_datagrams`.
    pub(crate) fn datagram_socket(&self, address: &str) -> UdpSocket {
        let to: SocketAddr = address.parse().unwrap();
        let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = self.run(|| UdpSocket::bind(from).unwrap());
        socket.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
        socket.connect(to).unwrap();
        socket
    }
}

/// Sends a datagram and returns the answer.
pub(crate) fn ask_datagram(socket: &UdpSocket) -> Option<IpAddr> {
    let mut buffer = [0; 64];
    socket.send(b"?").ok()?;
    let length = socket.recv(&mut buffer).ok()?;
    std::str::from_utf8(&buffer[..length]).ok()?.parse().ok()
}

/// Removes values that change on their own, such as states that follow the other end.
fn without_counters(line: &str) -> String {
    line.split(" qdisc ").next().unwrap().replace("NO-CARRIER,", "").replace(",LOWER_UP", "")
}

/// A host, a machine outside of it, and a directory for the data of plugins.
pub(crate) struct Stage {
    /// The host on which plugins run.
    pub(crate) host: Namespace,
    /// Another machine: 192.0.2.2, next to the host's 192.0.2.1.
    pub(crate) outside: Namespace,
    /// Removed together with the stage.
    pub(crate) directory: PathBuf,
    _timed: test_report::Timed,
}

impl Stage {
    /// Sets the stage up.
    pub(crate) fn new() -> Stage {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("tare-cni-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (host, outside) = (Namespace::with_loopback(), Namespace::with_loopback());
        host.ip(&format!("link add out type veth peer name in netns {}", outside.path()));
        host.ip("addr add 192.0.2.1/24 dev out");
        host.ip("addr add 2001:db8::1/64 dev out nodad");
        host.ip("link set out up");
        outside.ip("addr add 192.0.2.2/24 dev in");
        outside.ip("addr add 2001:db8::2/64 dev in nodad");
        outside.ip("link set in up");
        Stage { host, outside, directory, _timed: test_report::Timed::start() }
    }

    /// Returns a configuration; `$dir` stands for the data directory.
    pub(crate) fn config(&self, text: &str) -> Value {
        serde_json::from_str(&text.replace("$dir", self.directory.to_str().unwrap())).unwrap()
    }

    /// Creates a call on the host.
    pub(crate) fn call<'a>(&'a self, command: &'a str, config: &'a Value) -> Call<'a> {
        Call {
            stage: self,
            command,
            config,
            container: "c1".into(),
            netns: String::new(),
            interface: "eth0".into(),
            args: String::new(),
            path: ours().to_str().unwrap().into(),
            system: SYSTEM.into(),
            plugins: ours(),
        }
    }

    /// Runs `ADD` for a container, which must succeed.
    pub(crate) fn add(&self, config: &Value, container: &str, netns: &Namespace) -> Value {
        self.call("ADD", config).container(container).netns(netns).succeed()
    }

    /// Runs `DEL` for a container, which must succeed.
    pub(crate) fn del(&self, config: &Value, container: &str, netns: &Namespace) {
        self.call("DEL", config).container(container).netns(netns).succeed();
    }

    /// Returns the names of the lease files of a network.
    pub(crate) fn leases(&self, network: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.join(network)).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut leases: Vec<String> = names.filter(|name| name.parse::<IpAddr>().is_ok()).collect();
        leases.sort();
        leases
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

const SYSTEM: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A call of a plugin.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    stage: &'a Stage,
    command: &'a str,
    config: &'a Value,
    container: String,
    netns: String,
    interface: String,
    args: String,
    path: String,
    system: String,
    plugins: PathBuf,
}

impl Call<'_> {
    /// Sets the container ID.
    pub(crate) fn container(mut self, container: &str) -> Self {
        self.container = container.into();
        self
    }

    /// Sets the container's namespace.
    pub(crate) fn netns(self, netns: &Namespace) -> Self {
        self.netns_path(&netns.path())
    }

    /// Sets the path of the container's namespace.
    pub(crate) fn netns_path(mut self, path: &str) -> Self {
        self.netns = path.into();
        self
    }

    /// Sets the name of the interface.
    pub(crate) fn interface(mut self, interface: &str) -> Self {
        self.interface = interface.into();
        self
    }

    /// Sets `CNI_ARGS`.
    pub(crate) fn args(mut self, args: &str) -> Self {
        self.args = args.into();
        self
    }

    /// Sets `CNI_PATH`.
    pub(crate) fn path(mut self, path: &str) -> Self {
        self.path = path.into();
        self
    }

    /// Puts a directory in front of the system's search path.
    pub(crate) fn system(mut self, directory: &Path) -> Self {
        self.system = format!("{}:{SYSTEM}", directory.display());
        self
    }

    /// Removes the search path from the environment.
    pub(crate) fn without_path(mut self) -> Self {
        self.system = String::new();
        self
    }

    /// Runs the program of another directory.
    pub(crate) fn plugins(mut self, directory: &Path) -> Self {
        self.plugins = directory.into();
        self
    }

    /// Runs the plugin under another program, such as one that kills it.
    pub(crate) fn wrapped(&self, words: &[String]) -> Output {
        self.spawn_with(words)
    }

    /// Runs it.
    pub(crate) fn output(&self) -> Output {
        self.spawn_with(&[])
    }

    fn spawn_with(&self, wrapper: &[String]) -> Output {
        let plugin = self.plugins.join(self.config["type"].as_str().unwrap());
        let mut words = wrapper.to_vec();
        words.push(plugin.to_str().unwrap().to_owned());
        let input = self.config.to_string();
        self.stage.host.run(|| {
            let mut child = Command::new(&words[0])
                .args(&words[1..])
                .env_clear()
                .env("PATH", &self.system)
                .env("CNI_COMMAND", self.command)
                .env("CNI_CONTAINERID", &self.container)
                .env("CNI_NETNS", &self.netns)
                .env("CNI_IFNAME", &self.interface)
                .env("CNI_ARGS", &self.args)
                .env("CNI_PATH", &self.path)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            // A plugin that refuses its environment exits without reading its input.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
            child.wait_with_output().unwrap()
        })
    }

    /// Runs the plugin, which must succeed and print one JSON document or nothing.
    pub(crate) fn succeed(&self) -> Value {
        let output = self.output();
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{} failed: {text} {errors}", self.command);
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// Runs the plugin, which must fail with one JSON document. Returns its code and message.
    pub(crate) fn fail(&self) -> (u64, String) {
        let output = self.output();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{} answered {text}", self.command);
        let error: Value = serde_json::from_str(&text).unwrap();
        (error["code"].as_u64().unwrap(), error["msg"].as_str().unwrap().to_owned())
    }
}

/// Returns the configuration with the result for the next plugin, or for `CHECK` and `DEL`.
pub(crate) fn with_result(config: &Value, result: &Value) -> Value {
    with(config, "prevResult", result.clone())
}

/// Returns the configuration with one more key.
pub(crate) fn with(config: &Value, key: &str, value: Value) -> Value {
    let mut config = config.clone();
    config[key] = value;
    config
}

/// Returns the first address of a result, without its prefix length.
pub(crate) fn address_of(result: &Value) -> String {
    result["ips"][0]["address"].as_str().unwrap().split('/').next().unwrap().to_owned()
}
