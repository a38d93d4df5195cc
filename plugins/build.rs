//! Links a build ID into our host-local, by which callers recognize it, and groups the functions that plugins use, so that
//! fewer pages become resident.

use std::path::Path;
use std::process::Command;

fn main() {
    // The linker places the build ID near the start of the file. A bridge of ours that finds it in `CNI_PATH` leases the
    // addresses without running host-local.
    let identity: String = "tare host-local 1".bytes().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo:rustc-link-arg-bin=host-local=-Wl,--build-id=0x{identity}");
    // On a page fault the kernel maps sixteen pages around it (fault_around_bytes). Functions scattered over the 700 kB of the C
    // library would make nearly all of it resident. hot.txt lists the functions that ADD and DEL of bridge call, found by
    // single-stepping. Only rustc's own linker has this option.
    if links_with_lld() {
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("hot.txt");
        println!("cargo:rustc-link-arg-bins=-Wl,--symbol-ordering-file={}", list.display());
        println!("cargo:rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("order.ld");
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
    // A static position-independent program relocates itself at its start. In this format the list of relocations takes 1 kB
    // instead of 46.
    if links_with_lld() && is_glibc_from(2, 36) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=hot.txt");
    println!("cargo:rerun-if-changed=order.ld");
}

/// Whether rustc uses the linker that comes with it.
fn links_with_lld() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let Ok(output) = Command::new(rustc).args(["--print", "sysroot"]).output() else { return false };
    let root = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    std::env::var("TARGET").is_ok_and(|target| {
        target == "x86_64-unknown-linux-gnu"
            && Path::new(&root).join("lib/rustlib").join(target).join("bin/gcc-ld/ld.lld").is_file()
    })
}

/// Whether the C library supports packed relocations (`DT_RELR`).
fn is_glibc_from(major: u32, minor: u32) -> bool {
    let Ok(output) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.trim().trim_start_matches("glibc ").split('.').map(str::parse::<u32>);
    let (Some(Ok(found)), Some(Ok(part))) = (numbers.next(), numbers.next()) else { return false };
    (found, part) >= (major, minor)
}
