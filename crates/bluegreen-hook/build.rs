//! Links the binary as small as it goes: a function starts as fast as it is small.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // What Rust links with there by itself is LLD. Zig, which links for other processors, takes none of it.
    let is_lld = told("TARGET") == "x86_64-unknown-linux-gnu" && told("RUSTC_LINKER").is_empty();
    let flags = told("CARGO_ENCODED_RUSTFLAGS");
    let is_chosen = flags.contains("fuse-ld") || flags.contains("linker");
    if is_lld && !is_chosen && told("OPT_LEVEL") == "z" {
        // The SDK's crates are full of functions that are alike to the byte, and of more that are alike in parts: side by
        // side these take a tenth less in the package.
        println!("cargo::rustc-link-arg-bin=bootstrap=-Wl,--icf=all");
        println!("cargo::rustc-link-arg-bin=bootstrap=-Wl,--bp-compression-sort=both");
        // Nothing is to be relocated at the start of a program that is where it was linked to be.
        println!("cargo::rustc-link-arg-bin=bootstrap=-no-pie");
    }
}

#[expect(clippy::disallowed_methods, reason = "this is how Cargo tells a build script")]
fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
