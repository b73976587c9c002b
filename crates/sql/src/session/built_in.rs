//! What is told of built-in functions: Flink's list, by the names of its definitions.
//!
//! Some of these are functions of the Table API only (`withColumns`), some are called otherwise in SQL (`ifThenElse`, which
//! is `CASE`), and what SQL calls by another name has that of the definition (`charLength` for `CHAR_LENGTH`). It is
//! recorded from Flink (`plan/functions.out` of the end-to-end tests).

use std::sync::LazyLock;

/// A function as Flink describes it.
pub(super) struct BuiltIn {
    /// Its name.
    pub(super) name: &'static str,
    /// `SCALAR`, `AGGREGATE`, `PROCESS_TABLE`, or `OTHER` for what is no function to SQL.
    pub(super) kind: &'static str,
    /// Whether it gives the same for the same arguments: `true` or `false`.
    pub(super) deterministic: &'static str,
    /// How it is called; one line for each way.
    pub(super) signature: String,
}

static BUILT_INS: LazyLock<Vec<BuiltIn>> =
    LazyLock::new(|| include_str!("flink_functions.tsv").lines().filter_map(parse).collect());

fn parse(line: &'static str) -> Option<BuiltIn> {
    let mut cells = line.split('\t');
    let (name, kind, deterministic, signature) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
    Some(BuiltIn { name, kind, deterministic, signature: signature.replace("\\n", "\n") })
}

/// The functions that there are, by name.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    BUILT_INS.iter().filter(|function| !is_later(function.name)).map(|function| function.name)
}

/// What is told of a function, whatever the case of its name.
pub(super) fn find(name: &str) -> Option<&'static BuiltIn> {
    BUILT_INS.iter().find(|function| function.name.eq_ignore_ascii_case(name) && !is_later(function.name))
}

fn is_later(name: &str) -> bool {
    crate::plan::is_later_function(&name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_flink_are_there_and_each_is_whole() {
        assert_eq!((BUILT_INS.len(), include_str!("flink_functions.tsv").lines().count()), (251, 251));
        for function in BUILT_INS.iter() {
            assert!(["SCALAR", "AGGREGATE", "PROCESS_TABLE", "OTHER"].contains(&function.kind), "{}", function.name);
            assert!(["true", "false"].contains(&function.deterministic), "{}", function.name);
        }
        assert!(find("ifnull").is_some() && find("Upper").is_some() && find("ml_predict").is_some());
    }
}
