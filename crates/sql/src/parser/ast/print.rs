//! How a statement is printed: the small pieces, the dispatch, and queries with their encodings taken back.

use std::fmt;

use sqlparser::ast::{Expr, Query};

use super::{SqlOption, Statement};
use crate::parser::encode;

/// Prints `text` if `condition` holds.
pub(super) fn word(f: &mut fmt::Formatter<'_>, condition: bool, text: &str) -> fmt::Result {
    if condition { f.write_str(text) } else { Ok(()) }
}

/// Prints `IF NOT EXISTS ` if it was said.
pub(super) fn if_not_exists(f: &mut fmt::Formatter<'_>, said: bool) -> fmt::Result {
    word(f, said, "IF NOT EXISTS ")
}

/// Prints `IF EXISTS ` if it was said.
pub(super) fn if_exists(f: &mut fmt::Formatter<'_>, said: bool) -> fmt::Result {
    word(f, said, "IF EXISTS ")
}

/// Items with a separator between them.
pub(super) struct Joined<'a, T>(&'a [T], &'a str);

impl<T: fmt::Display> fmt::Display for Joined<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(self.1)?;
            }
            write!(f, "{item}")?;
        }
        Ok(())
    }
}

/// `a, b`, with any separator.
pub(super) fn joined<'a, T: fmt::Display>(items: &'a [T], separator: &'a str) -> Joined<'a, T> {
    Joined(items, separator)
}

/// `(a, b)`.
pub(super) fn parens<T: fmt::Display>(items: &[T]) -> String {
    format!("({})", joined(items, ", "))
}

/// ` WITH ('k' = 'v')`, or nothing.
pub(super) fn with_options(f: &mut fmt::Formatter<'_>, options: &[SqlOption]) -> fmt::Result {
    if options.is_empty() { Ok(()) } else { write!(f, " WITH {}", parens(options)) }
}

/// A query as canonical SQL.
pub(crate) fn query_text(query: &Query) -> String {
    encode::query_to_sql(query)
}

/// An expression as canonical SQL.
pub(super) fn expr_text(expr: &Expr) -> String {
    encode::expr_to_sql(expr)
}

/// Prints what was or was not said of a key.
fn optional<T: fmt::Display>(f: &mut fmt::Formatter<'_>, keyword: &str, item: &Option<T>) -> fmt::Result {
    match item {
        Some(item) => write!(f, "{keyword} {item}"),
        None => f.write_str(keyword),
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statement::Query(query) => f.write_str(&query_text(query)),
            Statement::Insert(insert) => write!(f, "{insert}"),
            Statement::StatementSet(inserts) => {
                f.write_str("EXECUTE ")?;
                super::dml::statement_set(f, inserts)
            }
            Statement::BeginStatementSet => f.write_str("BEGIN STATEMENT SET"),
            Statement::EndStatementSet => f.write_str("END"),
            Statement::Delete(delete) => write!(f, "{delete}"),
            Statement::Update(update) => write!(f, "{update}"),
            Statement::Truncate(name) => write!(f, "TRUNCATE TABLE {name}"),
            Statement::Merge(merge) => f.write_str(&encode::decode_text(merge.to_string())),
            Statement::Call(call) => write!(f, "{call}"),
            Statement::CompilePlan(plan) => write!(f, "{plan}"),
            Statement::ExecutePlan(file) => write!(f, "EXECUTE PLAN {file}"),
            Statement::CreateTable(create) => write!(f, "{create}"),
            Statement::CreateView(create) => write!(f, "{create}"),
            Statement::CreateMaterializedTable(create) => write!(f, "{create}"),
            Statement::CreateFunction(create) => write!(f, "{create}"),
            Statement::CreateModel(create) => write!(f, "{create}"),
            Statement::CreateConnection(create) => write!(f, "{create}"),
            Statement::CreateCatalog(create) => write!(f, "{create}"),
            Statement::CreateDatabase(create) => write!(f, "{create}"),
            _ => self.fmt_rest(f),
        }
    }
}

impl Statement {
    /// The statements that neither query, write nor create.
    fn fmt_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statement::Drop(drop) => write!(f, "{drop}"),
            Statement::AlterTable(alter) => write!(f, "{alter}"),
            Statement::AlterView(alter) => write!(f, "{alter}"),
            Statement::AlterMaterializedTable(alter) => write!(f, "{alter}"),
            Statement::AlterFunction(alter) => write!(f, "{alter}"),
            Statement::AlterObject(alter) => write!(f, "{alter}"),
            Statement::Explain(explain) => write!(f, "{explain}"),
            Statement::Describe(describe) => write!(f, "{describe}"),
            Statement::Show(show) => write!(f, "{show}"),
            Statement::Use(target) => write!(f, "{target}"),
            Statement::LoadModule { name, options } => {
                write!(f, "LOAD MODULE {name}")?;
                with_options(f, options)
            }
            Statement::UnloadModule(name) => write!(f, "UNLOAD MODULE {name}"),
            Statement::Set(option) => optional(f, "SET", option),
            Statement::Reset(key) => optional(f, "RESET", key),
            Statement::AddJar(path) => write!(f, "ADD JAR {path}"),
            Statement::RemoveJar(path) => write!(f, "REMOVE JAR {path}"),
            Statement::Analyze(analyze) => write!(f, "{analyze}"),
            Statement::StopJob { job, savepoint, drain } => {
                write!(f, "STOP JOB {job}")?;
                word(f, *savepoint, " WITH SAVEPOINT")?;
                word(f, *drain, " WITH DRAIN")
            }
            Statement::Client(command) => write!(f, "{command}"),
            _ => unreachable!("printed by Display"),
        }
    }
}
