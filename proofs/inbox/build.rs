//! Links `faults/sqlite.c` into the receiver, before the functions of SQLite.

use std::{env, error::Error};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=faults/sqlite.c");
    if env::var("CARGO_CFG_TARGET_OS")? == "linux" {
        let mut build = cc::Build::new();
        for object in build.file("faults/sqlite.c").try_compile_intermediates()? {
            println!("cargo::rustc-link-arg-bin=inbox_node={}", object.display());
        }
        println!("cargo::rustc-link-arg-bin=inbox_node=-Wl,--wrap=sqlite3_step");
    }
    Ok(())
}
