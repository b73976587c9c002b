//! `TO_CHANGELOG(..)` and `FROM_CHANGELOG(..)`.

use flott_api::{Error, Result, RowKind, TypeKind};
use sqlparser::ast::{
    Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, Spanned, Value,
};

use super::{Binder, refuse, syntax};
use crate::parser::ast::view::{TableArg, TableCall, map_items};
use crate::plan::rel::{KindNames, Rel};
use crate::plan::scope::at_span;

/// The parameters of both, in their order.
const PARAMETERS: [&str; 5] = ["input", "op", "op_mapping", "on_time", "uid"];
const KINDS: [(&str, RowKind); 4] = [
    ("INSERT", RowKind::Insert),
    ("UPDATE_BEFORE", RowKind::UpdateBefore),
    ("UPDATE_AFTER", RowKind::UpdateAfter),
    ("DELETE", RowKind::Delete),
];

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
        let [input, op, mapping, ..] = arguments("TO_CHANGELOG", call)?;
        let rel = self.input("TO_CHANGELOG", input)?;
        let op = op.map(column_of).transpose()?.unwrap_or_else(|| "op".to_owned());
        if rel.columns.iter().any(|c| c.name == op) {
            return Err(Error::invalid(format!("the table of TO_CHANGELOG has a column '{op}'"))
                .with_hint("Name the column of kinds: op => DESCRIPTOR(kind)."));
        }
        // A key of the mapping is one kind or several, and its value what they are called.
        let names = match mapping {
            None => KINDS.map(|(name, kind)| (name.to_owned(), kind)).to_vec(),
            Some(ast) => {
                let mut names = KindNames::new();
                for (kinds, name) in pairs("TO_CHANGELOG", ast)? {
                    for kind in kinds.split(',') {
                        names.push((name.clone(), kind_of(kind, ast)?));
                    }
                }
                names
            }
        };
        Ok(rel.to_changelog(&op, names))
    }

    fn bind_from_changelog(&self, call: &TableCall<'_>) -> Result<Rel> {
        let [input, op, mapping, ..] = arguments("FROM_CHANGELOG", call)?;
        let rel = self.input("FROM_CHANGELOG", input)?;
        let name = op.map(column_of).transpose()?.unwrap_or_else(|| "op".to_owned());
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
            None => KINDS.map(|(name, kind)| (name.to_owned(), kind)).to_vec(),
            Some(ast) => {
                let mut names = KindNames::new();
                for (codes, kind) in pairs("FROM_CHANGELOG", ast)? {
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
        Ok(rel.from_changelog(op, names))
    }

    fn input(&self, function: &str, ast: Option<&Ast>) -> Result<Rel> {
        let missing = || {
            Error::invalid(format!("{function} has no table")).with_hint(format!("Write {function}(input => TABLE t)."))
        };
        match ast.ok_or_else(missing)? {
            Ast::Subquery(query) => self.bind_query(query),
            ast => {
                let Some(TableArg { table, partition_by, order_by }) = TableArg::of(ast) else {
                    return Err(at_span(missing(), ast.span()));
                };
                refuse::clause(!partition_by.is_empty(), &format!("PARTITION BY in {function}"))?;
                refuse::clause(!order_by.is_empty(), &format!("ORDER BY in {function}"))?;
                Ok(self.relation(&table, &[])?.0)
            }
        }
    }
}

/// The arguments by parameter.
fn arguments<'a>(function: &str, call: &TableCall<'a>) -> Result<[Option<&'a Ast>; 5]> {
    let mut found = [None; 5];
    for (position, arg) in call.args.iter().enumerate() {
        let (slot, expr) = match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => (Some(position), expr),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), operator: _ } => {
                (PARAMETERS.iter().position(|p| name.value.eq_ignore_ascii_case(p)), expr)
            }
            other => return Err(Error::invalid(format!("'{other}' is no argument of {function}"))),
        };
        let Some(place) = slot.and_then(|s| found.get_mut(s)) else {
            let error = Error::invalid(format!("{function} has no such argument: '{arg}'"))
                .with_hint(format!("Its parameters are {}.", PARAMETERS.join(", ")));
            return Err(at_span(error, arg.span()));
        };
        if place.replace(expr).is_some() {
            return Err(at_span(Error::invalid(format!("an argument of {function} is given twice")), arg.span()));
        }
    }
    refuse::clause(found[3].is_some(), &format!("on_time in {function}"))?;
    refuse::clause(found[4].is_some(), &format!("uid in {function}"))?;
    Ok(found)
}

/// The column of `DESCRIPTOR(c)`.
fn column_of(ast: &Ast) -> Result<String> {
    let wrong = || {
        let error = Error::invalid("a column of kinds must be a DESCRIPTOR of one column");
        at_span(error.with_hint("Write DESCRIPTOR(op)."), ast.span())
    };
    let Ast::Function(Function { name, args: FunctionArguments::List(list), .. }) = ast else { return Err(wrong()) };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Ast::Identifier(column)))] if is_descriptor(name) => {
            Ok(column.value.clone())
        }
        _ => Err(wrong()),
    }
}

fn is_descriptor(name: &ObjectName) -> bool {
    syntax::name_parts(name)
        .is_ok_and(|parts| matches!(parts.as_slice(), [one] if one.eq_ignore_ascii_case("DESCRIPTOR")))
}

/// The entries of `MAP['a', 'b', ..]`.
fn pairs(function: &str, ast: &Ast) -> Result<Vec<(String, String)>> {
    let wrong = || {
        let error = Error::invalid(format!("op_mapping of {function} must be a MAP of texts"));
        at_span(error.with_hint("Write MAP['c', 'INSERT']."), ast.span())
    };
    let items = map_items(ast).filter(|items| items.len() % 2 == 0).ok_or_else(wrong)?;
    let text = |item: &Ast| match item {
        Ast::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Ok(text.clone()),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    };
    items.chunks_exact(2).map(|pair| Ok((text(&pair[0])?, text(&pair[1])?))).collect()
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
