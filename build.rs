//! Embeds the browser script.

fn main() {}
