//! Gives our host-local an identity that its callers can read from the file, and puts what plugins use of the C library
//! side by side.

use std::path::Path;
use std::process::Command;

fn main() {
    // The build id, which the linker places near the start: a bridge of ours that finds it in `CNI_PATH` does
    // host-local's work without running it.
    let identity: String = "tare host-local 1".bytes().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo:rustc-link-arg-bin=host-local=-Wl,--build-id=0x{identity}");
    // The kernel maps sixteen pages at once around each that is touched, so what is strewn over the C library's 700 kB
    // makes nearly all of it resident. The names are those that ADD and DEL of bridge were seen in, step by step.
    // Other linkers than rustc's own have no such option.
    if links_with_lld() {
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("hot.txt");
        println!("cargo:rustc-link-arg-bins=-Wl,--symbol-ordering-file={}", list.display());
        println!("cargo:rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("order.ld");
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
    // A static program moves itself to its address when it starts, and reads all of this list for it: 1 kB instead of 46.
    if links_with_lld() && is_glibc_from(2, 36) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=hot.txt");
    println!("cargo:rerun-if-changed=order.ld");
}

/// Whether rustc brings the linker that it uses by default on this target.
fn links_with_lld() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let Ok(output) = Command::new(rustc).args(["--print", "sysroot"]).output() else { return false };
    let root = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    std::env::var("TARGET").is_ok_and(|target| {
        target == "x86_64-unknown-linux-gnu"
            && Path::new(&root).join("lib/rustlib").join(target).join("bin/gcc-ld/ld.lld").is_file()
    })
}

/// Whether the C library that programs are linked with knows the packed list of what is to be moved (`DT_RELR`).
fn is_glibc_from(major: u32, minor: u32) -> bool {
    let Ok(output) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.trim().trim_start_matches("glibc ").split('.').map(str::parse::<u32>);
    let (Some(Ok(found)), Some(Ok(part))) = (numbers.next(), numbers.next()) else { return false };
    (found, part) >= (major, minor)
}
