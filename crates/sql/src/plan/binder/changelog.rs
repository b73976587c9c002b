//! `TO_CHANGELOG(..)` and `FROM_CHANGELOG(..)`.

use flott_api::process::TableTraits;
use flott_api::{Error, Result, RowKind, TypeKind};
use sqlparser::ast::{Expr as Ast, Spanned, Value};

use super::process::{TimedTable, arguments, descriptor, time_columns};
use super::{Binder, literal, unique_names};
use crate::parser::ast::view::{TableCall, map_texts};
use crate::plan::rel::{Given, Invocation, KindNames, Rel};
use crate::plan::scope::at_span;

/// The parameters of both, in their order.
const PARAMETERS: [&str; 3] = ["input", "op", "op_mapping"];
const KINDS: [(&str, RowKind); 4] = [
    ("INSERT", RowKind::Insert),
    ("UPDATE_BEFORE", RowKind::UpdateBefore),
    ("UPDATE_AFTER", RowKind::UpdateAfter),
    ("DELETE", RowKind::Delete),
];

/// The arguments of a call.
struct Call<'a> {
    rel: Rel,
    /// The column of kinds.
    op: String,
    mapping: Option<(&'a Ast, Vec<(String, String)>)>,
    /// The column that `on_time` names.
    time: Option<usize>,
    shown: Invocation,
}

impl Binder<'_> {
    /// The call of one of the two; nothing if it is another function.
    pub(super) fn bind_changelog_function(&self, name: &str, call: &TableCall<'_>) -> Result<Option<Rel>> {
        match name {
            "TO_CHANGELOG" => self.bind_to_changelog(call).map(Some),
            "FROM_CHANGELOG" => self.bind_from_changelog(call).map(Some),
            _ => Ok(None),
        }
    }

    fn bind_to_changelog(&self, call: &TableCall<'_>) -> Result<Rel> {
        let Call { rel, op, mapping, time, shown } = self.changelog_call("TO_CHANGELOG", call)?;
        if rel.columns.iter().any(|c| c.name == op) {
            return Err(Error::invalid(format!("the table of TO_CHANGELOG has a column '{op}'"))
                .with_hint("Name the column of kinds: op => DESCRIPTOR(kind)."));
        }
        // A key of the mapping is one kind or several, and its value what they are called.
        let names = match mapping {
            None => all_kinds(),
            Some((ast, entries)) => {
                let mut names = KindNames::new();
                for (kinds, name) in entries {
                    for kind in kinds.split(',') {
                        let kind = kind_of(kind, ast)?;
                        if names.iter().any(|(_, known)| *known == kind) {
                            return Err(at_span(twice(kind), ast.span()));
                        }
                        names.push((name.clone(), kind));
                    }
                }
                names
            }
        };
        let rel = rel.to_changelog(&op, names, shown);
        Ok(match time {
            Some(time) => with_rowtime(rel, time + 1),
            None => rel,
        })
    }

    fn bind_from_changelog(&self, call: &TableCall<'_>) -> Result<Rel> {
        let Call { rel, op: name, mapping, time, shown } = self.changelog_call("FROM_CHANGELOG", call)?;
        if time.is_some() {
            return Err(Error::unsupported("on_time in FROM_CHANGELOG").with_detail("It gives updates."));
        }
        let Some(op) = rel.columns.iter().position(|c| c.name == name) else {
            return Err(Error::invalid(format!("the table of FROM_CHANGELOG has no column '{name}'"))
                .with_hint("Name the column of kinds: op => DESCRIPTOR(kind)."));
        };
        let kind = &rel.columns[op].ty.kind;
        if !matches!(kind, TypeKind::Char(_) | TypeKind::Varchar(_)) {
            return Err(
                Error::invalid(format!("column '{name}' of kinds has type {kind}")).with_hint("It must be a STRING.")
            );
        }
        // A key of the mapping is one name or several, and its value their kind.
        let names = match mapping {
            None => all_kinds(),
            Some((ast, entries)) => {
                let mut names = KindNames::new();
                for (codes, kind) in entries {
                    let kind = kind_of(&kind, ast)?;
                    if names.iter().any(|(_, known)| *known == kind) {
                        return Err(at_span(twice(kind), ast.span()));
                    }
                    names.extend(codes.split(',').map(|code| (code.trim().to_owned(), kind)));
                }
                names
            }
        };
        check_names(&names)?;
        Ok(rel.from_changelog(op, names, shown))
    }

    fn changelog_call<'a>(&self, function: &str, call: &TableCall<'a>) -> Result<Call<'a>> {
        let given = arguments(function, &PARAMETERS, call)?;
        let [input, op, mapping, on_time, uid] = given.as_slice() else {
            return Err(Error::internal(format!("{function} has other arguments than its own")));
        };
        let (rel, _) = self.table_given(function, ("input", &TableTraits::rows()), *input)?;
        let named = op.map(|ast| one_column(function, ast)).transpose()?;
        let mapping = match mapping {
            Some(ast) if !is_null_map(ast) => Some((*ast, pairs(function, ast)?)),
            _ => None,
        };
        let times = on_time.map(|ast| descriptor(function, "on_time", ast)).transpose()?.unwrap_or_default();
        let uid = self.uid(function, *uid)?;
        let table = TimedTable { parameter: "input", columns: &rel.columns, require_on_time: false };
        let time = time_columns(function, &[table], &times)?.into_iter().next().flatten();
        let shown = vec![
            Given::Table { input: 0, partition_by: Vec::new() },
            named.as_ref().map_or(Given::Default, |op| Given::Descriptor(vec![op.clone()])),
            mapping.as_ref().map_or(Given::Default, |(_, entries)| Given::Map(entries.clone())),
            if times.is_empty() { Given::Default } else { Given::Descriptor(times) },
            uid.as_ref().map_or(Given::Default, |uid| Given::Constant(literal::string(uid))),
        ];
        let shown = Invocation { name: function.to_owned(), arguments: shown, uid };
        Ok(Call { rel, op: named.unwrap_or_else(|| "op".to_owned()), mapping, time, shown })
    }
}

fn all_kinds() -> KindNames {
    KINDS.map(|(name, kind)| (name.to_owned(), kind)).to_vec()
}

/// The rows with their time once more behind them.
fn with_rowtime(rel: Rel, time: usize) -> Rel {
    let all = (0..rel.columns.len()).chain([time]).collect::<Vec<_>>();
    let mut rel = rel.pick(&all);
    if let Some(rowtime) = rel.columns.last_mut() {
        rowtime.name = "rowtime".to_owned();
        rowtime.ty.nullable = false;
    }
    let names = unique_names(&rel.columns);
    rel.renamed(&names)
}

/// The column of `DESCRIPTOR(c)`.
fn one_column(function: &str, ast: &Ast) -> Result<String> {
    match descriptor(function, "op", ast)?.as_slice() {
        [one] => Ok(one.clone()),
        _ => {
            let error = Error::invalid(format!("op of {function} names several columns"));
            Err(at_span(error.with_hint("Write DESCRIPTOR(op)."), ast.span()))
        }
    }
}

/// `NULL` as a map, which is as good as none.
pub(super) fn is_null_map(ast: &Ast) -> bool {
    match ast {
        Ast::Cast { expr, .. } => is_null_map(expr),
        Ast::Value(value) => value.value == Value::Null,
        _ => false,
    }
}

/// The entries of `MAP['a', 'b', ..]`.
fn pairs(function: &str, ast: &Ast) -> Result<Vec<(String, String)>> {
    let wrong = || {
        let error = Error::invalid(format!("op_mapping of {function} must be a MAP of texts"));
        at_span(error.with_hint("Write MAP['c', 'INSERT']."), ast.span())
    };
    map_texts(ast).ok_or_else(wrong)
}

fn kind_of(name: &str, ast: &Ast) -> Result<RowKind> {
    let found = KINDS.iter().find(|(known, _)| *known == name.trim());
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        let error = Error::invalid(format!("'{}' in op_mapping is no kind of change", name.trim()))
            .with_hint(format!("The kinds are {}.", KINDS.map(|(known, _)| known).join(", ")));
        at_span(error, ast.span())
    })
}

fn twice(kind: RowKind) -> Error {
    let name = crate::plan::stream::kind_name(kind);
    Error::invalid(format!("op_mapping names '{name}' twice"))
        .with_hint(format!("Write all that stands for it in one key: MAP['c, r', '{name}']."))
}

/// No name stands for two kinds, and an update says what it replaces.
fn check_names(names: &KindNames) -> Result<()> {
    for (at, (name, _)) in names.iter().enumerate() {
        if names[..at].iter().any(|(known, _)| known == name) {
            return Err(Error::invalid(format!("'{name}' in op_mapping stands for two kinds of change")));
        }
    }
    let has = |wanted: RowKind| names.iter().any(|(_, kind)| *kind == wanted);
    if has(RowKind::UpdateAfter) && !has(RowKind::UpdateBefore) {
        return Err(Error::unsupported("op_mapping of FROM_CHANGELOG without UPDATE_BEFORE")
            .with_detail("Without it an update does not say which row it replaces."));
    }
    Ok(())
}
