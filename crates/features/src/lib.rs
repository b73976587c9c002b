//! One set of features for every selection of crates; see `Cargo.toml`.
