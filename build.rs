//! Embeds the browser script when it has been built (`make web`); without it the server says how to get
//! it, and building needs no Node.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// What `web/build.mjs` writes.
const FILES: [&str; 2] = ["plimsoll.js", "plimsoll.attr.js"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/dist");
    println!("cargo::rerun-if-changed=build.rs");
    // A missing path is always "changed"; so while nothing is built, its parent is watched instead.
    println!("cargo::rerun-if-changed={}", if dist.exists() { "web/dist" } else { "web" });
    let mut table =
        String::from("/// Name and content of each embedded file.\npub(super) const EMBEDDED: &[(&str, &[u8])] = &[\n");
    for file in FILES {
        let path = dist.join(file);
        if path.is_file() {
            let path = path.canonicalize()?;
            writeln!(table, "    ({file:?}, include_bytes!({:?})),", path.display().to_string())?;
        }
    }
    table.push_str("];\n");
    let out = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    fs::write(Path::new(&out).join("sdk.rs"), table)?;
    Ok(())
}
