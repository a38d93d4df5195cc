//! The program `loopback`.

fn main() -> std::process::ExitCode {
    tare_cni::run::<tare_cni::plugin::Loopback>()
}
