//! Gives our host-local an identity that its callers can read from the file: the build id that the linker places near
//! its start. A bridge of ours that finds it in `CNI_PATH` does its work without running it.

fn main() {
    let identity: String = "tare host-local 1".bytes().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo:rustc-link-arg-bin=host-local=-Wl,--build-id=0x{identity}");
    println!("cargo:rerun-if-changed=build.rs");
}
