//! Exec, Attach and PortForward, with what goes both ways.

use serde_json::json;
use tests::engines::cri::message::{AttachRequest, ExecRequest, PortForwardRequest, UrlResponse};
use tests::engines::cri::{Stream, container};
use tests::{Host, eventually};

use super::start;

const INPUT: u8 = 0;
const OUTPUT: u8 = 1;
const ERRORS: u8 = 2;
const STATUS: u8 = 3;

#[test]
fn input_output_and_the_exit_code_of_a_program_go_over_a_stream() {
    let host = Host::for_engines();
    let cri = start(&host);
    let pod = cri.run_pod(&cri.host_pod("streams"));
    let mut config =
        container("one", &["sh", "-c", "while read line; do echo heard $line; done; exec sleep 100"]);
    config.stdin = true;
    let id = cri.run(&pod, config);
    let exec = |words: &[&str], tty: bool| {
        let asked = ExecRequest {
            container_id: id.clone(),
            cmd: words.iter().map(ToString::to_string).collect(),
            tty,
            stdin: true,
            stdout: true,
            stderr: !tty,
        };
        let UrlResponse { url } = cri.ok("Exec", &asked);
        Stream::open(&url)
    };
    let mut stream = exec(&["sh", "-c", "echo ready >&2; read x; echo got $x; exit 3"], false);
    let _ = stream.expect(ERRORS, "ready\n");
    stream.send(INPUT, b"this\n");
    let _ = stream.expect(OUTPUT, "got this\n");
    let status = stream.all(STATUS);
    assert!(status.contains("ExitCode") && status.contains("\"3\""), "{status}");
    let mut stream =
        exec(&["sh", "-c", "test -t 0 && test -t 1 && echo a terminal; read x; echo got $x"], true);
    let _ = stream.expect(OUTPUT, "a terminal");
    // Its size comes as a message of its own.
    stream.send(4, br#"{"Width": 71, "Height": 17}"#);
    stream.send(INPUT, b"that\n");
    let _ = stream.expect(OUTPUT, "got that");
    assert!(stream.all(STATUS).contains("Success"));
    let asked =
        AttachRequest { container_id: id.clone(), stdin: true, tty: false, stdout: true, stderr: true };
    let UrlResponse { url } = cri.ok("Attach", &asked);
    let mut stream = Stream::open(&url);
    stream.send(INPUT, b"me\n");
    let _ = stream.expect(OUTPUT, "heard me\n");
    drop(stream);
    cri.end_pod(&pod);
}

#[test]
fn a_port_of_a_pod_is_forwarded() {
    let host = Host::for_engines();
    let cri = start(&host);
    cri.network(&super::network::list(&json!({"subnet": "10.84.0.0/24"})));
    let pod = cri.run_pod(&cri.pod("forward"));
    let web = cri.run(&pod, container("web", &["httpd", "-f", "-p", "127.0.0.1:80", "-h", "/www"]));
    let answers = || cri.try_exec(&web, &["wget", "-qO-", "http://127.0.0.1/"], 0).unwrap().exit_code == 0;
    eventually("the server answers", answers);
    let asked = PortForwardRequest { pod_sandbox_id: pod.id.clone(), port: vec![80] };
    let UrlResponse { url } = cri.ok("PortForward", &asked);
    let mut stream = Stream::open(&format!("{url}?port=80"));
    stream.send(0, b"GET / HTTP/1.0\r\n\r\n");
    let _ = stream.expect(0, "hello from a container");
    drop(stream);
    cri.end_pod(&pod);
}
