//! The program `host-device`.

fn main() -> std::process::ExitCode {
    tare_cni::run::<tare_cni::plugin::HostDevice>()
}
