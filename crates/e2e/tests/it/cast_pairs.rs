//! Writes the cases of `oracle/types/cast_pairs_*.expr`: every pair of types, each with a plain value, null, the ends of the
//! type, what is too large for the other type, and what it cannot read; `CAST` and `TRY_CAST`, of values of rows (`V(x)`)
//! and of constants.
//!
//! `FLOTT_WRITE_CASES=1 cargo test -p flott-e2e --test it cast_pairs` writes the files anew after a change here; then Flink
//! is asked again (`oracle/README.md`). `VARIANT` and `STRUCTURED` have cases of their own.

mod texts;
mod values;

use std::fmt::Write;

use values::{FILES, Family, SOURCES, Source, TARGETS, Target};

/// The files, by name, with their cases.
pub(crate) fn files() -> Vec<(String, String)> {
    FILES.iter().map(|(name, families)| (format!("cast_pairs_{name}.expr"), file(families))).collect()
}

fn file(families: &[Family]) -> String {
    let mut out = String::from("-- Written by crates/e2e/tests/it/cast_pairs.rs.\n");
    for source in SOURCES.iter().filter(|source| families.contains(&source.family)) {
        for target in TARGETS {
            writeln!(out, "-- {} to {}", source.ty, target.ty).unwrap();
            pair(source, target, &mut out);
        }
    }
    out
}

/// The cases of a pair. One that looks impossible is asked with one value, in both forms: whether it is, Flink decides.
fn pair(source: &Source, target: &Target, out: &mut String) {
    let values: Vec<String> = match source.family {
        Family::Text => texts::for_target(source.ty, target),
        _ => source.values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let ty = target.ty;
    // A row has no value without a type.
    if source.family == Family::Untyped {
        writeln!(out, "CAST(NULL AS {ty})\nTRY_CAST(NULL AS {ty})").unwrap();
        return;
    }
    if !is_likely(source.family, target.family) {
        let value = &values[0];
        writeln!(out, "CAST(V({value}) AS {ty})\nTRY_CAST(V({value}) AS {ty})").unwrap();
        return;
    }
    for value in &values {
        writeln!(out, "CAST(V({value}) AS {ty})\nTRY_CAST(V({value}) AS {ty})\nCAST({value} AS {ty})").unwrap();
        if source.family == Family::Text {
            writeln!(out, "TRY_CAST({value} AS {ty})").unwrap();
        }
    }
    let null = format!("CAST(NULL AS {})", source.ty);
    if values != [null.as_str()] {
        writeln!(out, "CAST(V({null}) AS {ty})\nTRY_CAST(V({null}) AS {ty})\nCAST({null} AS {ty})").unwrap();
    }
}

/// Whether a pair is worth all its values.
fn is_likely(from: Family, to: Family) -> bool {
    use Family::*;
    match (from, to) {
        (_, Text) => true,
        (Text, to) => !matches!(to, Array | Multiset | Map | Row | Bitmap | Raw | Months | Seconds),
        (Number | Boolean, to) => matches!(to, Number | Boolean),
        (Date | Time | Timestamp | Local, to) => matches!(to, Date | Time | Timestamp | Local),
        (Bitmap | Raw, Bytes) => true,
        (from, to) => from == to,
    }
}

/// The files are what this writes: a case that was put in by hand would be lost with the next one.
#[test]
fn cast_pairs_are_all_there() {
    let mut cases = 0;
    for (name, text) in files() {
        let path = crate::known::oracle().join("types").join(&name);
        if std::env::var_os("FLOTT_WRITE_CASES").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        cases += text.lines().filter(|line| !line.starts_with("--")).count();
        assert!(std::fs::read_to_string(&path).unwrap() == text, "{name} is not what cast_pairs.rs writes");
    }
    assert!(cases > 5000, "{cases} cases are too few");
}
