//! Links the binary as small as it goes: a function starts as fast as it is small.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").unwrap_or_default();
    let profile = std::env::var("OPT_LEVEL").unwrap_or_default();
    // What Rust links with there is LLD. Zig, which links for other processors, takes none of it.
    if target == "x86_64-unknown-linux-gnu" && profile == "z" {
        // The SDK's crates are full of functions that are alike to the byte.
        println!("cargo::rustc-link-arg-bin=bootstrap=-Wl,--icf=all");
        // Nothing is to be relocated at the start of a program that is where it was linked to be.
        println!("cargo::rustc-link-arg-bin=bootstrap=-no-pie");
    }
}
