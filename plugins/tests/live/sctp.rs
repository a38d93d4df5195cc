//! SCTP with traffic: the test builds the packets itself, because few kernels have SCTP sockets.

use crate::stage::{Namespace, Stage, can_run, skip, with_result};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketType, ipproto, recv, sendto, socket, sockopt,
};
use serde_json::json;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Opens a raw socket for SCTP packets.
fn raw(netns: &Namespace) -> OwnedFd {
    let protocol: Protocol = ipproto::SCTP;
    let socket = netns.run(|| socket(AddressFamily::INET, SocketType::RAW, Some(protocol)).unwrap());
    let patience = Some(Duration::from_millis(700));
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, patience).unwrap();
    socket
}

/// Returns the checksum of RFC 4960, appendix B, in packet byte order.
fn checksum(packet: &[u8]) -> [u8; 4] {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    let crc = packet.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step));
    (!crc).to_le_bytes()
}

/// Returns an INIT packet (RFC 4960, section 3.3.2).
fn init(from: u16, to: u16) -> Vec<u8> {
    let chunk = [1, 0, 0, 20, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1];
    let mut packet = [from.to_be_bytes(), to.to_be_bytes()].concat();
    packet.extend([0; 8]);
    packet.extend(chunk);
    let sum = checksum(&packet);
    packet[8..12].copy_from_slice(&sum);
    packet
}

/// Returns the ports of the next packet, and whether its checksum is right.
fn arrived(socket: &OwnedFd) -> Option<(u16, u16, bool)> {
    let mut buffer = [0; 256];
    let (length, _) = recv(socket, &mut buffer, RecvFlags::empty()).ok()?;
    // After the IPv4 header.
    let mut packet = buffer[20..length].to_vec();
    let sum: [u8; 4] = packet[8..12].try_into().unwrap();
    packet[8..12].fill(0);
    let port = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    Some((port(0), port(2), checksum(&packet) == sum))
}

#[test]
fn sctp_is_redirected_by_both_backends() {
    if !can_run() {
        return;
    }
    assert_eq!(checksum(b"123456789"), 0xe306_9283_u32.to_le_bytes(), "the checksum is that of the standard");
    for backend in ["nftables", "iptables"] {
        if backend == "iptables" && !std::path::Path::new("/usr/sbin/iptables-restore").exists() {
            skip("iptables is not installed");
            continue;
        }
        let (stage, container) = (Stage::new(), Namespace::new());
        let bridge = stage.config(
            r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "isDefaultGateway": true,
                "ipam": {"type": "host-local", "dataDir": "$dir", "subnet": "10.1.0.0/24"}}"#,
        );
        let attached = stage.add(&bridge, "c1", &container);
        let mappings = json!([{"hostPort": 7, "containerPort": 8, "protocol": "sctp"}]);
        let config = json!({"cniVersion": "1.0.0", "name": "net", "type": "portmap", "backend": backend,
            "runtimeConfig": {"portMappings": mappings}});
        let ports = with_result(&config, &attached);
        let (inside, outside) = (raw(&container), raw(&stage.outside));
        let host: SocketAddr = "192.0.2.1:0".parse().unwrap();
        let send = |from: u16| sendto(&outside, &init(from, 7), SendFlags::empty(), &host).unwrap();
        send(4001);
        assert_eq!(arrived(&inside), None);
        stage.add(&ports, "c1", &container);
        send(4002);
        assert_eq!(arrived(&inside), Some((4002, 8, true)), "{backend}");
        stage.del(&ports, "c1", &container);
        send(4003);
        assert_eq!(arrived(&inside), None);
    }
}
