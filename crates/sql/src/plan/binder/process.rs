//! Calls of process table functions, and what `TO_CHANGELOG` and `FROM_CHANGELOG` share with them: arguments by position and by
//! name, tables with `PARTITION BY`, `on_time` and `uid`.
//!
//! Flink takes an argument whose name no parameter has, and a second one for the same parameter, without a word; both are
//! refused here.

use flott_api::expr::{Expr, Value};
use flott_api::process::{Parameter, ParameterKind, ProcessArgument, ProcessFunction, ProcessTable, TableTraits};
use flott_api::{Error, LogicalType, Result, TypeKind};
use sqlparser::ast::{Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Spanned};

use super::call::function_name;
use super::expr::coerce;
use super::{Binder, refuse, unique_names};
use crate::parser::ast::view::{SetClauses, TableArg, TableCall};
use crate::plan::rel::{Column, Given, Invocation, Op, Process, Rel, TimeAttribute};
use crate::plan::scope::{Scope, at_span};

/// The arguments that every such function takes behind its own.
pub(super) const SYSTEM: [&str; 2] = ["on_time", "uid"];
/// The column that a call with `on_time` has behind the function's.
const ROWTIME: &str = "rowtime";

/// The arguments by parameter, `on_time` and `uid` last: nothing for what was left out or is `DEFAULT`.
pub(super) fn arguments<'a>(function: &str, parameters: &[&str], call: &TableCall<'a>) -> Result<Vec<Option<&'a Ast>>> {
    let all: Vec<&str> = parameters.iter().copied().chain(SYSTEM).collect();
    by_parameter(function, &all, call)
}

/// The arguments by parameter: nothing for what was left out or is `DEFAULT`.
pub(super) fn by_parameter<'a>(function: &str, all: &[&str], call: &TableCall<'a>) -> Result<Vec<Option<&'a Ast>>> {
    let mut found = vec![None; all.len()];
    for (position, arg) in call.args.iter().enumerate() {
        let (slot, expr) = match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => (Some(position), expr),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), operator: _ } => {
                (all.iter().position(|p| name.value.eq_ignore_ascii_case(p)), expr)
            }
            other => return Err(Error::invalid(format!("'{other}' is no argument of {function}"))),
        };
        let Some(place) = slot.and_then(|s| found.get_mut(s)) else {
            let error = Error::invalid(format!("{function} has no such argument: '{arg}'"))
                .with_hint(format!("Its parameters are {}.", all.join(", ")));
            return Err(at_span(error, arg.span()));
        };
        if place.replace(expr).is_some() {
            return Err(at_span(Error::invalid(format!("an argument of {function} is given twice")), arg.span()));
        }
    }
    Ok(found.into_iter().map(|given| given.filter(|ast| !is_default(ast))).collect())
}

/// `DEFAULT`
fn is_default(ast: &Ast) -> bool {
    matches!(ast, Ast::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("DEFAULT"))
}

/// The columns of `DESCRIPTOR(a, ..)`.
pub(super) fn descriptor(function: &str, parameter: &str, ast: &Ast) -> Result<Vec<String>> {
    let wrong = || {
        let error = Error::invalid(format!("argument '{parameter}' of {function} is no DESCRIPTOR of columns"));
        at_span(error.with_hint("Write DESCRIPTOR(a)."), ast.span())
    };
    let Ast::Function(Function { name, args: FunctionArguments::List(list), .. }) = ast else { return Err(wrong()) };
    let column = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Ast::Identifier(column))) => Ok(column.value.clone()),
        _ => Err(wrong()),
    };
    match function_name(name).is_ok_and(|name| name == "descriptor") && !list.args.is_empty() {
        true => list.args.iter().map(column).collect(),
        false => Err(wrong()),
    }
}

/// A table that is given, with what is asked of its time.
pub(super) struct TimedTable<'a> {
    pub(super) parameter: &'a str,
    pub(super) columns: &'a [Column],
    pub(super) require_on_time: bool,
}

/// The column of each table that `on_time` names: one of every table, or none of any.
pub(super) fn time_columns(
    function: &str,
    tables: &[TimedTable<'_>],
    on_time: &[String],
) -> Result<Vec<Option<usize>>> {
    let times = tables.iter().map(|table| time_column(function, table, on_time)).collect::<Result<Vec<_>>>()?;
    let unknown = |name: &&String| !tables.iter().any(|t| t.columns.iter().any(|c| c.name == **name));
    if let Some(name) = on_time.iter().find(unknown) {
        return Err(Error::invalid(format!("on_time of {function} names the column '{name}', which no table has")));
    }
    let missing = tables.iter().zip(&times).find(|(_, time)| time.is_none() && times.iter().any(Option::is_some));
    if let Some((table, _)) = missing {
        return Err(Error::invalid(format!("on_time of {function} names no column of table '{}'", table.parameter))
            .with_detail("It must name a time column of each table, or none of any."));
    }
    let kinds: Vec<TypeKind> =
        tables.iter().zip(&times).filter_map(|(t, time)| Some(t.columns[(*time)?].ty.kind.clone())).collect();
    let is_local = |kind: &TypeKind| matches!(kind, TypeKind::TimestampLtz(_));
    if kinds.iter().any(|kind| is_local(kind) != is_local(&kinds[0])) {
        return Err(Error::invalid(format!("on_time of {function} names columns of TIMESTAMP and of TIMESTAMP_LTZ")));
    }
    Ok(times)
}

fn time_column(function: &str, table: &TimedTable<'_>, on_time: &[String]) -> Result<Option<usize>> {
    let named: Vec<usize> = (0..table.columns.len()).filter(|c| on_time.contains(&table.columns[*c].name)).collect();
    let column = match named.as_slice() {
        [] if table.require_on_time => {
            return Err(Error::invalid(format!("table '{}' of {function} needs a time attribute", table.parameter))
                .with_hint(format!("Write {function}(.., on_time => DESCRIPTOR(ts)).")));
        }
        [] => return Ok(None),
        [one] => *one,
        [one, other, ..] => {
            let [one, other] = [one, other].map(|c| &table.columns[*c].name);
            return Err(Error::invalid(format!(
                "on_time of {function} names both '{one}' and '{other}' of table '{}'",
                table.parameter
            )));
        }
    };
    let Column { name, ty, time, .. } = &table.columns[column];
    if !matches!(ty.kind, TypeKind::Timestamp(0..=3) | TypeKind::TimestampLtz(0..=3)) {
        return Err(Error::invalid(format!("column '{name}' in on_time of {function} has type {}", ty.kind))
            .with_hint("It must be a TIMESTAMP or TIMESTAMP_LTZ of precision 3 at most."));
    }
    match time {
        Some(TimeAttribute::Rowtime) => Ok(Some(column)),
        Some(TimeAttribute::Proctime) => {
            Err(Error::invalid(format!("column '{name}' in on_time of {function} is processing time"))
                .with_hint("Name a column with a WATERMARK."))
        }
        None => Err(Error::invalid(format!("column '{name}' in on_time of {function} is no time attribute"))
            .with_hint("It needs a WATERMARK, and must come from its table as it is.")),
    }
}

/// A name that is an identifier: what Flink takes as `uid`.
fn is_uid(uid: &str) -> bool {
    let first = uid.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && uid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl Binder<'_> {
    /// What `uid` says.
    pub(super) fn uid(&self, function: &str, ast: Option<&Ast>) -> Result<Option<String>> {
        let Some(ast) = ast else { return Ok(None) };
        let bound = self.expression(ast, &Scope::default(), "a uid")?;
        match bound {
            Expr::Literal { value: Value::Null, .. } => Ok(None),
            Expr::Literal { value: Value::String(uid), .. } if is_uid(&uid) => Ok(Some(uid)),
            _ => {
                let error = Error::invalid(format!("the uid of {function} is not a valid identifier"));
                Err(at_span(
                    error.with_hint("It is a text of letters, digits, '_' and '-', and begins with no digit."),
                    ast.span(),
                ))
            }
        }
    }

    /// A table, and what it is partitioned by.
    pub(super) fn table_given(
        &self,
        function: &str,
        (parameter, traits): (&str, &TableTraits),
        ast: Option<&Ast>,
    ) -> Result<(Rel, Vec<usize>)> {
        let missing = || {
            Error::invalid(format!("{function} has no table '{parameter}'"))
                .with_hint(format!("Write {function}({parameter} => TABLE t)."))
        };
        let ast = ast.ok_or_else(missing)?;
        let clauses = SetClauses::of(ast);
        let rel = match clauses.of {
            Ast::Subquery(query) => self.bind_query(query)?,
            table => match TableArg::of(table) {
                Some(TableArg { table, .. }) => self.relation(&table, &[])?.0,
                None => {
                    let error = Error::invalid(format!("argument '{parameter}' of {function} is no table"));
                    return Err(at_span(error.with_hint("Write TABLE before its name."), ast.span()));
                }
            },
        };
        refuse::clause(!clauses.order_by.is_empty(), &format!("ORDER BY in {function}"))?;
        let keys = clauses.partition_by.iter().map(|column| key(function, &rel, column)).collect::<Result<Vec<_>>>()?;
        check_partition(function, (parameter, traits), &keys).map_err(|e| at_span(e, ast.span()))?;
        Ok((rel, keys))
    }

    /// A constant of this type.
    fn constant(&self, function: &str, (parameter, ty): (&str, &LogicalType), ast: &Ast) -> Result<Expr> {
        let wrong =
            |what: String| at_span(Error::invalid(format!("argument '{parameter}' of {function} {what}")), ast.span());
        let bound = self.expression(ast, &Scope::default(), "an argument of a table function")?;
        if !matches!(bound, Expr::Literal { value: Value::Null, .. }) && !flott_functions::implicit_cast(bound.ty(), ty)
        {
            return Err(wrong(format!("has type {}, not {}", bound.ty().kind, ty.kind)));
        }
        let constant = self.folded(coerce(bound, ty))?;
        if matches!(constant, Expr::Literal { .. }) { Ok(constant) } else { Err(wrong("is no constant".to_owned())) }
    }

    /// A call of a process table function.
    pub(super) fn bind_process(&self, function: &dyn ProcessFunction, name: &str, call: &TableCall<'_>) -> Result<Rel> {
        let parameters = function.parameters();
        let names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
        let given = arguments(name, &names, call)?;
        let mut bound = Bound::default();
        for (parameter, ast) in parameters.iter().zip(&given) {
            self.bind_argument(name, parameter, *ast, &mut bound)?;
        }
        check_keys(name, &bound)?;
        let [on_time, uid] = [given[parameters.len()], given[parameters.len() + 1]];
        let on_time = on_time.map(|ast| descriptor(name, "on_time", ast)).transpose()?.unwrap_or_default();
        let uid = self.uid(name, uid)?;
        bound.set_times(name, &parameters, &on_time)?;
        bound.shown.push(if on_time.is_empty() { Given::Default } else { Given::Descriptor(on_time) });
        bound.shown.push(uid.as_ref().map_or(Given::Default, |uid| Given::Constant(super::literal::string(uid))));
        let keyed = parameters.iter().any(|p| p.traits().is_some_and(TableTraits::is_set));
        let shape = function.shape(&bound.arguments)?;
        let process = Process {
            function: function.id(),
            rowtime: bound.rowtime(),
            arguments: bound.arguments,
            changelog: shape.changelog,
            call: Invocation {
                name: name.to_owned(),
                arguments: bound.shown,
                uid: uid.or_else(|| keyed.then(|| name.to_owned())),
            },
            parameters,
        };
        let own = shape.output.fields.iter().map(|f| Column::new(&f.name, f.ty.clone()));
        let inputs = if bound.tables.is_empty() { vec![Rel::one_row()] } else { bound.tables };
        let columns = || inputs.iter().map(|input| input.columns.as_slice());
        let mut all: Vec<Column> = process.passed_on(columns()).into_iter().cloned().chain(own).collect();
        all.extend(process.rowtime.iter().map(|ty| Column::new(ROWTIME, ty.clone())));
        let all = process.timed(all, columns());
        let unique = unique_names(&all);
        Ok(Rel { op: Op::Process(Box::new(process)), inputs, columns: all }.renamed(&unique))
    }

    fn bind_argument(&self, name: &str, parameter: &Parameter, ast: Option<&Ast>, bound: &mut Bound) -> Result<()> {
        match (&parameter.kind, ast) {
            (ParameterKind::Table(traits), ast) => {
                let (rel, partition_by) = self.table_given(name, (parameter.name.as_str(), traits), ast)?;
                bound.shown.push(Given::Table { input: bound.tables.len(), partition_by: partition_by.clone() });
                let table = ProcessTable { schema: rel.schema(), partition_by, time: None };
                bound.arguments.push(ProcessArgument::Table(table));
                bound.tables.push(rel);
            }
            (ParameterKind::Scalar { ty, .. }, Some(ast)) => {
                let constant = self.constant(name, (parameter.name.as_str(), ty), ast)?;
                if let Expr::Literal { value, .. } = &constant {
                    bound.arguments.push(ProcessArgument::Scalar(value.clone()));
                }
                bound.shown.push(Given::Constant(constant));
            }
            (ParameterKind::Scalar { optional: true, .. }, None) => {
                bound.arguments.push(ProcessArgument::Scalar(Value::Null));
                bound.shown.push(Given::Default);
            }
            (ParameterKind::Scalar { .. }, None) => {
                return Err(Error::invalid(format!("argument '{}' of {name} is missing", parameter.name))
                    .with_detail("It has no default."));
            }
        }
        Ok(())
    }
}

/// Arguments that are bound.
#[derive(Default)]
struct Bound {
    arguments: Vec<ProcessArgument>,
    shown: Vec<Given>,
    /// The tables, in order.
    tables: Vec<Rel>,
}

impl Bound {
    /// Notes the time column of each table.
    fn set_times(&mut self, function: &str, parameters: &[Parameter], on_time: &[String]) -> Result<()> {
        let declared = parameters.iter().filter_map(|p| Some((p.name.as_str(), p.traits()?)));
        let timed = declared.zip(&self.tables).map(|((parameter, traits), rel)| TimedTable {
            parameter,
            columns: &rel.columns,
            require_on_time: traits.require_on_time,
        });
        let times = time_columns(function, &timed.collect::<Vec<_>>(), on_time)?;
        let tables = self.arguments.iter_mut().filter_map(|argument| match argument {
            ProcessArgument::Table(table) => Some(table),
            ProcessArgument::Scalar(_) => None,
        });
        tables.zip(times).for_each(|(table, time)| table.time = time);
        Ok(())
    }

    /// The type of `rowtime`: the finest of the time columns.
    fn rowtime(&self) -> Option<LogicalType> {
        let types = self.arguments.iter().filter_map(|argument| match argument {
            ProcessArgument::Table(table) => Some(table.schema.fields[table.time?].ty.clone()),
            ProcessArgument::Scalar(_) => None,
        });
        let precision = |ty: &LogicalType| match ty.kind {
            TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => p,
            _ => 0,
        };
        types.max_by_key(precision).map(|ty| ty.with_nullable(false))
    }
}

/// A column of `PARTITION BY`.
fn key(function: &str, rel: &Rel, column: &Ident) -> Result<usize> {
    rel.columns.iter().position(|c| c.name == column.value).ok_or_else(|| {
        let names: Vec<&str> = rel.columns.iter().map(|c| c.name.as_str()).collect();
        let error = Error::invalid(format!(
            "PARTITION BY in {function} names the column '{}', which its table has not",
            column.value
        ));
        at_span(error.with_hint(format!("The columns are {}.", names.join(", "))), column.span)
    })
}

fn check_partition(function: &str, (parameter, traits): (&str, &TableTraits), keys: &[usize]) -> Result<()> {
    use flott_api::process::TableSemantics::{Row, Set};
    match traits.semantics {
        Row if !keys.is_empty() => Err(Error::invalid(format!(
            "table '{parameter}' of {function} takes no PARTITION BY"
        ))
        .with_detail("The function sees its rows one by one: only tables with set semantics may be partitioned.")),
        Set { optional_partition_by: false } if keys.is_empty() => {
            Err(Error::invalid(format!("table '{parameter}' of {function} needs a PARTITION BY"))
                .with_hint(format!("Write {function}({parameter} => TABLE t PARTITION BY k).")))
        }
        _ => Ok(()),
    }
}

/// Rows of several tables meet by columns of the same types.
fn check_keys(function: &str, bound: &Bound) -> Result<()> {
    let tables = bound.arguments.iter().filter_map(|argument| match argument {
        ProcessArgument::Table(table) => Some(table),
        ProcessArgument::Scalar(_) => None,
    });
    let kinds: Vec<Vec<&TypeKind>> =
        tables.map(|t| t.partition_by.iter().map(|c| &t.schema.fields[*c].ty.kind).collect()).collect();
    let is_text = |kind: &TypeKind| matches!(kind, TypeKind::Char(_) | TypeKind::Varchar(_));
    let same = |a: &TypeKind, b: &TypeKind| a == b || is_text(a) && is_text(b);
    let fit =
        |other: &Vec<&TypeKind>| other.len() == kinds[0].len() && other.iter().zip(&kinds[0]).all(|(a, b)| same(a, b));
    if kinds.iter().all(fit) {
        return Ok(());
    }
    let shown = kinds.iter().map(|k| format!("[{}]", k.iter().map(|k| k.to_string()).collect::<Vec<_>>().join(", ")));
    Err(Error::invalid(format!("the tables of {function} are partitioned by columns of different types"))
        .with_detail(format!("They are {}.", shown.collect::<Vec<_>>().join(" and "))))
}
