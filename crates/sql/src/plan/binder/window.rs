//! Windows: the table functions `TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL ..)`, `HOP`, `CUMULATE` and `SESSION`, and the
//! older `GROUP BY TUMBLE(ts, ..)`, `HOP` and `SESSION`.

use flott_api::expr::{Expr, Value};
use flott_api::{Error, Result, TypeKind};
use flott_graph::spec::{WindowKind, WindowProperty};
use sqlparser::ast::{Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Spanned};

use super::aggregate::GroupWindow;
use super::call::function_name;
use super::{Binder, refuse};
use crate::parser::ast::view::{TableArg, TableCall};
use crate::plan::rel::{Rel, TimeAttribute};
use crate::plan::scope::{Scope, at_span};

/// A function that cuts windows.
struct WindowFunction {
    name: &'static str,
    /// The parameters behind the table and its time column, in order.
    lengths: &'static [&'static str],
    /// How it is called in FROM.
    example: &'static str,
    /// How it is called in GROUP BY, and how many lengths it has there; nothing if it is not called there.
    group: Option<(&'static str, usize)>,
}

const FUNCTIONS: [WindowFunction; 4] = [
    WindowFunction {
        name: "TUMBLE",
        lengths: &["SIZE", "OFFSET"],
        example: "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTE)",
        group: Some(("TUMBLE(ts, INTERVAL '10' MINUTE)", 1)),
    },
    WindowFunction {
        name: "HOP",
        lengths: &["SLIDE", "SIZE", "OFFSET"],
        example: "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '10' MINUTE)",
        group: Some(("HOP(ts, INTERVAL '5' MINUTE, INTERVAL '10' MINUTE)", 2)),
    },
    WindowFunction {
        name: "CUMULATE",
        lengths: &["STEP", "SIZE", "OFFSET"],
        example: "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTE, INTERVAL '1' HOUR)",
        group: None,
    },
    WindowFunction {
        name: "SESSION",
        lengths: &["GAP"],
        example: "SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '10' MINUTE)",
        group: Some(("SESSION(ts, INTERVAL '10' MINUTE)", 1)),
    },
];

impl WindowFunction {
    fn of(name: &str) -> Option<&'static WindowFunction> {
        FUNCTIONS.iter().find(|f| f.name.eq_ignore_ascii_case(name))
    }

    /// All parameters.
    fn parameters(&self) -> impl Iterator<Item = &'static str> {
        ["DATA", "TIMECOL"].into_iter().chain(self.lengths.iter().copied())
    }

    /// The windows of these lengths, in the order of the parameters.
    fn windows(&self, lengths: &[Option<i64>], keys: Vec<usize>) -> Result<WindowKind> {
        let mut given = Vec::with_capacity(lengths.len());
        for (parameter, length) in self.lengths.iter().zip(lengths) {
            match length {
                Some(length) => given.push(*length),
                None if *parameter == "OFFSET" => given.push(0),
                None => return Err(self.missing(parameter)),
            }
        }
        match (self.name, given.as_slice()) {
            ("TUMBLE", [size_ms, offset_ms]) => tumble(*size_ms, *offset_ms),
            ("HOP", [slide_ms, size_ms, offset_ms]) => hop(*slide_ms, *size_ms, *offset_ms),
            ("CUMULATE", [step_ms, max_size_ms, offset_ms]) => cumulate(*step_ms, *max_size_ms, *offset_ms),
            ("SESSION", [gap_ms]) => {
                positive(*gap_ms, "gap of a session")?;
                Ok(WindowKind::Session { gap_ms: *gap_ms, keys })
            }
            _ => Err(Error::internal("a window function with other lengths than its own")),
        }
    }

    fn missing(&self, parameter: &str) -> Error {
        Error::invalid(format!("{} has no argument {parameter}", self.name))
            .with_hint(format!("Write {}.", self.example))
    }
}

/// The property that a function of the older syntax gives, and of which window.
pub(super) fn group_property(name: &str) -> Option<WindowProperty> {
    let (function, property) = name.split_once('_')?;
    WindowFunction::of(function)?.group?;
    match property {
        "start" => Some(WindowProperty::Start),
        "end" => Some(WindowProperty::End),
        "rowtime" | "proctime" => Some(WindowProperty::Time),
        _ => None,
    }
}

/// The call, if a key of GROUP BY is a window of the older syntax.
pub(super) fn group_window(ast: &Ast) -> Option<&Function> {
    let Ast::Function(function) = ast else { return None };
    let name = function_name(&function.name).ok()?;
    WindowFunction::of(&name)?.group?;
    Some(function)
}

impl Binder<'_> {
    /// `GROUP BY TUMBLE(ts, INTERVAL ..)`: the rows with their window, and the window's columns.
    pub(super) fn bind_group_window(&self, rel: Rel, scope: &Scope, call: &Function) -> Result<(Rel, GroupWindow)> {
        let found = WindowFunction::of(&function_name(&call.name)?);
        let Some((function, (example, count))) = found.and_then(|f| Some((f, f.group?))) else {
            return Err(Error::internal("a window of GROUP BY is no window function"));
        };
        let name = function.name;
        let FunctionArguments::List(list) = &call.args else {
            return Err(Error::invalid(format!("{name} has no arguments")));
        };
        let mut binder = self.exprs(scope, "GROUP BY");
        let args = list
            .args
            .iter()
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => binder.bind(expr),
                _ => Err(Error::invalid(format!("{name} takes a time column and intervals"))),
            })
            .collect::<Result<Vec<_>>>()?;
        let (time, lengths) = match args.split_first() {
            Some((time, lengths)) if lengths.len() == count => (time, lengths),
            _ => {
                return Err(Error::invalid(format!("{name} takes {} arguments, not {}", count + 1, args.len()))
                    .with_hint(format!("Write {example}.")));
            }
        };
        let time = match time {
            Expr::Column { index, .. } => time_column(&rel, *index)?,
            _ => return Err(no_time_attribute(&format!("the first argument of {name}"))),
        };
        let parameters = function.lengths.iter();
        let mut lengths: Vec<Option<i64>> =
            parameters.zip(lengths).map(|(p, length)| milliseconds(length, p).map(Some)).collect::<Result<_>>()?;
        lengths.resize(function.lengths.len(), None);
        // The sessions of an aggregation are those of its keys.
        let window = function.windows(&lengths, Vec::new())?;
        let first = rel.columns.len();
        let rel = rel.windowed(time, window, true);
        let columns = [rel.column(first), rel.column(first + 1), rel.column(first + 2)];
        Ok((rel, GroupWindow { function: name, args, columns }))
    }

    /// A table function in FROM.
    pub(super) fn bind_table_function(&self, call: &TableCall<'_>) -> Result<Rel> {
        let name = function_name(call.name)?.to_uppercase();
        if let Some(rel) = self.bind_changelog_function(&name, call)? {
            return Ok(rel);
        }
        if let Some(rel) = self.bind_model_function(&name, call)? {
            return Ok(rel);
        }
        if let Some(function) = self.cx.process_function(&name) {
            return self.bind_process(function.as_ref(), &name, call);
        }
        let Some(function) = WindowFunction::of(&name) else {
            return Err(Error::unsupported(format!("table function '{name}'")));
        };
        let args = arguments(function, call.args)?;
        let [data, time] = [0, 1].map(|place| args[place]);
        let (rel, keys) = self.table_argument(function, data.ok_or_else(|| function.missing("DATA"))?)?;
        let time = self.descriptor(function.name, &rel, time.ok_or_else(|| function.missing("TIMECOL"))?)?;
        let lengths = function.lengths.iter().zip(&args[2..]);
        let lengths =
            lengths.map(|(parameter, ast)| ast.map(|ast| self.interval(function, ast, parameter)).transpose());
        let window = function.windows(&lengths.collect::<Result<Vec<_>>>()?, keys)?;
        Ok(rel.windowed(time, window, false))
    }

    /// The table, and the columns by which it is partitioned.
    fn table_argument(&self, function: &WindowFunction, ast: &Ast) -> Result<(Rel, Vec<usize>)> {
        if let Ast::Subquery(query) = ast {
            return Ok((self.bind_query(query)?, Vec::new()));
        }
        let name = function.name;
        let Some(TableArg { table, partition_by, order_by }) = TableArg::of(ast) else {
            let error = Error::invalid(format!("the first argument of {name} is no table"))
                .with_hint("Write TABLE before its name.");
            return Err(at_span(error, ast.span()));
        };
        if name != "SESSION" && !partition_by.is_empty() {
            let error = Error::invalid(format!("{name} takes no PARTITION BY"))
                .with_hint("GROUP BY the column besides the window.");
            return Err(at_span(error, ast.span()));
        }
        refuse::clause(!order_by.is_empty(), &format!("ORDER BY in {name}"))?;
        let rel = self.relation(&table, &[])?.0;
        let all: Vec<usize> = (0..rel.columns.len()).collect();
        let rel = rel.pick(&all);
        let mut keys = Vec::with_capacity(partition_by.len());
        for column in &partition_by {
            let key = named_column(&rel, column)?;
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok((rel, keys))
    }

    /// The position of the time column that `DESCRIPTOR(ts)` names.
    fn descriptor(&self, function: &str, rel: &Rel, ast: &Ast) -> Result<usize> {
        let wrong = || {
            let error = Error::invalid(format!("the time column of {function} must be a DESCRIPTOR of one column"));
            at_span(error.with_hint("Write DESCRIPTOR(ts)."), ast.span())
        };
        let Ast::Function(Function { name, args: FunctionArguments::List(list), .. }) = ast else {
            return Err(wrong());
        };
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Ast::Identifier(column)))] = list.args.as_slice() else {
            return Err(wrong());
        };
        if function_name(name)? != "descriptor" {
            return Err(wrong());
        }
        time_column(rel, named_column(rel, column)?).map_err(|e| at_span(e, column.span))
    }

    fn interval(&self, function: &WindowFunction, ast: &Ast, parameter: &str) -> Result<i64> {
        let bound = self.expression(ast, &Scope::default(), function.name)?;
        milliseconds(&bound, parameter).map_err(|e| at_span(e, ast.span()))
    }
}

fn named_column(rel: &Rel, column: &Ident) -> Result<usize> {
    let scope = Scope::of_columns(rel.columns.clone());
    match scope.resolve(std::slice::from_ref(column))? {
        Expr::Column { index, .. } => Ok(index),
        _ => Err(Error::internal("a name is no column")),
    }
}

/// The arguments in the order of the parameters, by position or by name.
fn arguments<'a>(function: &WindowFunction, args: &'a [FunctionArg]) -> Result<Vec<Option<&'a Ast>>> {
    let name = function.name;
    let mut found = vec![None; function.parameters().count()];
    for (position, arg) in args.iter().enumerate() {
        let (slot, expr) = match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => (Some(position), expr),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), operator: _ } => {
                (function.parameters().position(|p| name.value.eq_ignore_ascii_case(p)), expr)
            }
            other => return Err(Error::invalid(format!("'{other}' is no argument of {name}"))),
        };
        let Some(place) = slot.and_then(|s| found.get_mut(s)) else {
            let parameters: Vec<&str> = function.parameters().collect();
            let error = Error::invalid(format!("'{arg}' is one argument too many for {name}"))
                .with_hint(format!("Its parameters are {}.", parameters.join(", ")));
            return Err(at_span(error, arg.span()));
        };
        if place.replace(expr).is_some() {
            return Err(at_span(Error::invalid(format!("an argument of {name} is given twice")), arg.span()));
        }
    }
    Ok(found)
}

fn time_column(rel: &Rel, index: usize) -> Result<usize> {
    match rel.columns.get(index).and_then(|c| c.time) {
        Some(TimeAttribute::Rowtime | TimeAttribute::Proctime) => Ok(index),
        None => {
            let name = rel.columns.get(index).map_or("", |c| c.name.as_str());
            Err(no_time_attribute(&format!("column '{name}'")))
        }
    }
}

fn no_time_attribute(what: &str) -> Error {
    Error::invalid(format!("{what} is no time attribute")).with_hint(
        "A window needs a column with a WATERMARK, or one that is PROCTIME(); an expression over such a column is none.",
    )
}

/// A constant interval in milliseconds.
fn milliseconds(expr: &Expr, parameter: &str) -> Result<i64> {
    let what = parameter.to_lowercase();
    match expr {
        Expr::Literal { value: Value::Int(ms), ty } if ty.kind == TypeKind::IntervalDayTime => Ok(*ms),
        _ => Err(Error::invalid(format!("the {what} of a window must be an interval of days to seconds"))
            .with_hint("Write INTERVAL '10' MINUTE.")),
    }
}

fn positive(length_ms: i64, what: &str) -> Result<()> {
    if length_ms > 0 { Ok(()) } else { Err(Error::invalid(format!("the {what} must be positive"))) }
}

fn tumble(size_ms: i64, offset_ms: i64) -> Result<WindowKind> {
    positive(size_ms, "size of a window")?;
    if offset_ms.checked_abs().is_none_or(|offset| offset >= size_ms) {
        return Err(Error::invalid("the offset of a window must be shorter than the window"));
    }
    Ok(WindowKind::Tumble { size_ms, offset_ms })
}

fn hop(slide_ms: i64, size_ms: i64, offset_ms: i64) -> Result<WindowKind> {
    positive(slide_ms, "slide of a window")?;
    positive(size_ms, "size of a window")?;
    Ok(WindowKind::Hop { size_ms, slide_ms, offset_ms })
}

fn cumulate(step_ms: i64, max_size_ms: i64, offset_ms: i64) -> Result<WindowKind> {
    positive(step_ms, "step of a window")?;
    positive(max_size_ms, "size of a window")?;
    if max_size_ms % step_ms != 0 {
        return Err(Error::invalid("the size of a window that grows must be a multiple of its step")
            .with_detail(format!("The size is {max_size_ms} ms, and the step {step_ms} ms.")));
    }
    Ok(WindowKind::Cumulate { max_size_ms, step_ms, offset_ms })
}
