//! The program `host-local`.

fn main() -> std::process::ExitCode {
    tare_cni::run::<tare_cni::plugin::HostLocal>()
}
