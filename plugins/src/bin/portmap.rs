//! The program `portmap`.

fn main() -> std::process::ExitCode {
    tare_cni::run::<tare_cni::plugin::Portmap>()
}
