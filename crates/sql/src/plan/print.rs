//! Nodes and expressions as Flink's plans show them: `Calc(select=[a], where=[(a > 1)])`.

mod batch;
mod frame;
mod pattern;
mod process;

use flott_api::expr::{Expr, Value};
use flott_api::{LogicalType, TypeKind};
use flott_graph::spec::{AggregateCall, ExpandColumn, JoinKind, SortField, TableFunction, WindowKind};

use super::rel::{Column, Scan, TimeAttribute, WindowBounds};
use super::stream::{Node, Sink, StreamOp, Text};

pub(super) use batch::batch;
pub(super) use frame::frame;
pub(super) use pattern::{logical_match, physical_match};
pub(super) use process::invocation;

const DAY_MS: i64 = 86_400_000;

/// How operators are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `>($0, 1)` and `CAST($0):INT`, as in the abstract syntax tree.
    Logical,
    /// `>(a, 1)`, as in the physical plan.
    Prefix,
    /// `(a > 1)`, as in the execution plan and in names of operators.
    Infix,
}

/// A stream node in one line, infix: also its name in the job.
pub(super) fn node(node: &Node) -> String {
    styled(node, Style::Infix)
}

/// A stream node in one line.
pub(super) fn styled(node: &Node, style: Style) -> String {
    node.op.describe(&Text::of(node, style))
}

/// A sink in one line.
pub(super) fn sink(sink: &Sink, fed_by: &[Column]) -> String {
    let materialize = if sink.materialize { ", upsertMaterialize=[true]" } else { "" };
    let strategy = sink.on_conflict.map(|action| format!(", conflictStrategy=[{action}]")).unwrap_or_default();
    format!("Sink(table=[{}], fields=[{}]{materialize}{strategy})", sink.name, names(fed_by).join(", "))
}

/// What columns are called.
pub(super) fn names(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|c| c.name.clone()).collect()
}

/// Names under which all are told apart: a second `x` is called `x0`.
pub(super) fn unique<'n>(names: impl Iterator<Item = &'n String>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for name in names {
        let numbered = (0..).map(|i| format!("{name}{i}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|n| !unique.contains(n));
        unique.extend(free);
    }
    unique
}

/// Some of the names.
pub(super) fn picked<'n>(columns: &[usize], names: &'n [String]) -> Vec<&'n str> {
    columns.iter().map(|&c| names[c].as_str()).collect()
}

/// `a ASC, b DESC`; where nulls are is shown if they are not small.
pub(super) fn order(order: &[SortField], names: &[String]) -> String {
    let field = |field: &SortField| {
        let direction = if field.descending { "DESC" } else { "ASC" };
        let nulls = match (field.descending, field.nulls_last) {
            (false, true) => " NULLS LAST",
            (true, false) => " NULLS FIRST",
            (false, false) | (true, true) => "",
        };
        format!("{} {direction}{nulls}", names[field.column])
    };
    order.iter().map(field).collect::<Vec<_>>().join(", ")
}

/// `sort0=[$1], dir0=[ASC-nulls-first]`
pub(super) fn collation(order: &[SortField]) -> String {
    let keys = order.iter().enumerate().map(|(i, field)| format!("sort{i}=[${}]", field.column));
    let directions = order.iter().enumerate().map(|(i, field)| {
        let direction = if field.descending { "DESC" } else { "ASC" };
        let nulls = if field.nulls_last { "last" } else { "first" };
        format!("dir{i}=[{direction}-nulls-{nulls}]")
    });
    keys.chain(directions).collect::<Vec<_>>().join(", ")
}

/// A scan with what was pushed into it.
pub(super) fn source(scan: &Scan, own: &[String]) -> String {
    let mut table = vec![scan.path.catalog.clone(), scan.path.database.clone(), scan.path.object.clone()];
    if !scan.filters.is_empty() {
        let physical: Vec<String> = scan.schema.fields.iter().map(|f| f.name.clone()).collect();
        let filters: Vec<String> = scan.filters.iter().map(|f| expr(f, &physical, Style::Prefix)).collect();
        table.push(format!("filter=[{}]", filters.join(", ")));
    }
    let whole = scan.projection.iter().copied().eq(0..scan.schema.len());
    if !whole {
        let read: Vec<&str> = scan.projection.iter().map(|&p| scan.schema.fields[p].name.as_str()).collect();
        let metadata: Vec<&str> = scan.metadata.iter().map(|(key, _)| key.as_str()).collect();
        table.push(format!("project=[{}], metadata=[{}]", read.join(", "), metadata.join(", ")));
    }
    format!("TableSourceScan(table=[[{}]], fields=[{}])", table.join(", "), own.join(", "))
}

/// `a, (b + 1) AS c`
pub(super) fn select(exprs: &[Expr], input: &[String], own: &[String], style: Style) -> String {
    let item = |(e, name): (&Expr, &String)| {
        let text = expr(e, input, style);
        if text == *name { text } else { format!("{text} AS {name}") }
    };
    exprs.iter().zip(own).map(item).collect::<Vec<_>>().join(", ")
}

/// `COUNT(*) AS n`, `SUM(DISTINCT x) FILTER f AS s`
pub(super) fn aggregate(call: &AggregateCall, input: &[String], name: &str, retract: bool) -> String {
    format!("{} AS {name}", aggregate_text(call, input, if retract { "_RETRACT" } else { "" }, "*"))
}

/// An aggregate; `suffix` follows its name, `star` stands for no argument.
pub(super) fn aggregate_text(call: &AggregateCall, input: &[String], suffix: &str, star: &str) -> String {
    let args = picked(&call.args, input).join(", ");
    let args = if args.is_empty() { star.to_owned() } else { args };
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    let filter = call.filter.map(|f| format!(" FILTER {}", input[f])).unwrap_or_default();
    if call.function.user.is_some() {
        return format!("{}({distinct}{args}){filter}", alone(call.function.called()));
    }
    // How it treats nulls is not part of what Flink shows.
    let (name, suffix) = match call.function.name.as_str() {
        "$max_of_rising" => ("max", ""),
        "$min_of_falling" => ("min", ""),
        name => (name.trim_end_matches("_ignore_nulls"), suffix),
    };
    format!("{}{suffix}({distinct}{args}){filter}", name.to_uppercase())
}

/// `inner`, `left`
pub(super) fn join_kind(kind: JoinKind) -> &'static str {
    match kind {
        JoinKind::Inner => "inner",
        JoinKind::Left => "left",
        JoinKind::Right => "right",
        JoinKind::Full => "full",
        JoinKind::Semi => "semi",
        JoinKind::Anti => "anti",
    }
}

/// `$UNNEST_ROWS$1(tags)`
pub(super) fn table_function(function: &TableFunction, input: &[String], style: Style) -> String {
    let argument = expr(function.argument(), input, style);
    let name = match function {
        TableFunction::User { .. } => return argument,
        TableFunction::Unnest { with_ordinality: false, .. } => "$UNNEST_ROWS$1",
        TableFunction::Unnest { with_ordinality: true, .. } => "$UNNEST_ROWS_WITH_ORDINALITY$1",
        TableFunction::Repeat { .. } => "$REPLICATE_ROWS$1",
    };
    format!("{name}({argument})")
}

/// `TUMBLE(time_col=[ts], size=[10 min])`; `input` has the names of the columns, for the keys of sessions.
pub(super) fn window_text(window: &WindowKind, time: &str, input: &[String]) -> String {
    let (name, sizes) = sizes(window);
    let keys = session_keys(&picked(window.keys(), input).join(", "));
    format!("{name}(time_col=[{time}], {sizes}{keys})")
}

/// `TUMBLE(win_start=[window_start], win_end=[window_end], size=[10 min])`: the windows of rows that come with theirs.
pub(super) fn attached_text(bounds: &WindowBounds, input: &[String]) -> String {
    let (name, sizes) = sizes(&bounds.window.window);
    let keys = session_keys(&bounds.window.keys.join(", "));
    format!("{name}(win_start=[{}], win_end=[{}], {sizes}{keys})", input[bounds.start], input[bounds.end])
}

/// `, partition keys=[city]`
fn session_keys(names: &str) -> String {
    if names.is_empty() { String::new() } else { format!(", partition keys=[{names}]") }
}

/// `TUMBLE(win_end=[window_end], size=[10 min])`: the same where the end alone is read.
pub(super) fn attached_end_text(window: &WindowKind, end: &str) -> String {
    let (name, sizes) = sizes(window);
    format!("{name}(win_end=[{end}], {sizes})")
}

/// `TUMBLE(slice_end=[$slice_end], size=[10 min])`: the same of slices.
pub(super) fn slice_text(window: &WindowKind, end: &str) -> String {
    let (name, sizes) = sizes(window);
    format!("{name}(slice_end=[{end}], {sizes})")
}

/// `TUMBLE` and `size=[10 min]`
fn sizes(window: &WindowKind) -> (&'static str, String) {
    let offset = |ms: i64| if ms == 0 { String::new() } else { format!(", offset=[{}]", duration(ms)) };
    match window {
        WindowKind::Tumble { size_ms, offset_ms } => {
            ("TUMBLE", format!("size=[{}]{}", duration(*size_ms), offset(*offset_ms)))
        }
        WindowKind::Hop { size_ms, slide_ms, offset_ms } => {
            let (size, slide) = (duration(*size_ms), duration(*slide_ms));
            ("HOP", format!("size=[{size}], slide=[{slide}]{}", offset(*offset_ms)))
        }
        WindowKind::Cumulate { max_size_ms, step_ms, offset_ms } => {
            let (size, step) = (duration(*max_size_ms), duration(*step_ms));
            ("CUMULATE", format!("max_size=[{size}], step=[{step}]{}", offset(*offset_ms)))
        }
        WindowKind::Session { gap_ms, .. } => ("SESSION", format!("gap=[{}]", duration(*gap_ms))),
    }
}

/// `TumblingGroupWindow('w$, ts, 10000)`: a window of the older syntax.
pub(super) fn group_window_text(window: &WindowKind, time: &str) -> String {
    match window {
        WindowKind::Tumble { size_ms, .. } => format!("TumblingGroupWindow('w$, {time}, {size_ms})"),
        WindowKind::Hop { size_ms, slide_ms, .. } => format!("SlidingGroupWindow('w$, {time}, {size_ms}, {slide_ms})"),
        WindowKind::Session { gap_ms, .. } => format!("SessionGroupWindow('w$, {time}, {gap_ms})"),
        // There is no such function in the older syntax.
        WindowKind::Cumulate { max_size_ms, step_ms, .. } => {
            format!("CumulativeGroupWindow('w$, {time}, {max_size_ms}, {step_ms})")
        }
    }
}

/// `TUMBLE(TABLE(#0), DESCRIPTOR('ts'), 10000:INTERVAL SECOND)`
pub(super) fn window_call(window: &WindowKind, time: &str) -> String {
    let seconds = |ms: i64| format!(", {ms}:INTERVAL SECOND");
    let shift = |ms: i64| if ms == 0 { String::new() } else { seconds(ms) };
    let table = match window {
        WindowKind::Session { keys, .. } if !keys.is_empty() => {
            let keys: Vec<String> = keys.iter().map(|k| format!("${k}")).collect();
            format!("TABLE(#0) PARTITION BY({})", keys.join(", "))
        }
        _ => "TABLE(#0)".to_owned(),
    };
    let (name, sizes) = match window {
        WindowKind::Tumble { size_ms, offset_ms } => ("TUMBLE", seconds(*size_ms) + &shift(*offset_ms)),
        WindowKind::Hop { size_ms, slide_ms, offset_ms } => {
            ("HOP", seconds(*slide_ms) + &seconds(*size_ms) + &shift(*offset_ms))
        }
        WindowKind::Cumulate { max_size_ms, step_ms, offset_ms } => {
            ("CUMULATE", seconds(*step_ms) + &seconds(*max_size_ms) + &shift(*offset_ms))
        }
        WindowKind::Session { gap_ms, .. } => ("SESSION", seconds(*gap_ms)),
    };
    format!("{name}({table}, DESCRIPTOR(_UTF-16LE'{time}'){sizes})")
}

/// Milliseconds in the largest unit that divides them.
fn duration(ms: i64) -> String {
    let units = [(DAY_MS, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")];
    match units.iter().find(|(unit, _)| ms % unit == 0) {
        Some((unit, name)) => format!("{} {name}", ms / unit),
        None => format!("{ms} ms"),
    }
}

/// `[[{ 1, 'a' }, { 2, 'b' }]]` without the outer brackets.
pub(super) fn tuples(rows: &[Vec<Value>], columns: &[Column]) -> String {
    const ROWS_SHOWN: usize = 100;
    let row = |row: &Vec<Value>| {
        let cells = row.iter().zip(columns).map(|(v, c)| literal(v, &c.ty, Style::Prefix));
        format!("{{ {} }}", cells.collect::<Vec<_>>().join(", "))
    };
    let shown: Vec<String> = rows.iter().take(ROWS_SHOWN).map(row).collect();
    let more = if rows.len() > ROWS_SHOWN { ", .." } else { "" };
    format!("[{}{more}]", shown.join(", "))
}

/// An expression over columns of these names.
pub(super) fn expr(e: &Expr, input: &[String], style: Style) -> String {
    match e {
        Expr::Column { index, .. } => input.get(*index).cloned().unwrap_or_else(|| format!("${index}")),
        Expr::Literal { value, ty } => literal(value, ty, style),
        Expr::Call { function, args, .. } => {
            let mut operands = Vec::with_capacity(args.len());
            flatten(&function.name, args, &mut operands);
            let args: Vec<String> = operands.into_iter().map(|a| expr(a, input, style)).collect();
            match &function.user {
                Some(_) => format!("{}({})", alone(function.called()), args.join(", ")),
                None => call(&function.name, &args, style),
            }
        }
        Expr::Case { branches, otherwise, .. } => {
            let mut parts: Vec<String> = Vec::new();
            for (test, result) in branches {
                parts.push(expr(test, input, style));
                parts.push(expr(result, input, style));
            }
            parts.push(expr(otherwise, input, style));
            format!("CASE({})", parts.join(", "))
        }
        Expr::Cast { input: value, ty, try_cast } => {
            let name = if *try_cast { "TRY_CAST" } else { "CAST" };
            let value = expr(value, input, style);
            match style {
                Style::Logical => format!("{name}({value}):{}", sql_type(ty)),
                Style::Prefix | Style::Infix => format!("{name}({value} AS {})", sql_type(ty)),
            }
        }
        Expr::Field { input: row, index, .. } => {
            let name = match &row.ty().kind {
                TypeKind::Row(fields) | TypeKind::Structured { fields, .. } => {
                    fields.get(*index).map(|f| f.name.clone()).unwrap_or_default()
                }
                _ => index.to_string(),
            };
            format!("{}.{name}", expr(row, input, style))
        }
    }
}

/// The name of a function of a catalog without the catalog, as Flink prints it.
fn alone(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The operands of `a AND b AND c` on one level; other calls have their own arguments.
fn flatten<'e>(name: &str, args: &'e [Expr], out: &mut Vec<&'e Expr>) {
    for arg in args {
        match arg {
            Expr::Call { function, args, .. } if function.name == name && matches!(name, "and" | "or") => {
                flatten(name, args, out);
            }
            other => out.push(other),
        }
    }
}

fn call(name: &str, args: &[String], style: Style) -> String {
    let shown = match name {
        "negate" => "-".to_owned(),
        "%" => "MOD".to_owned(),
        other => other.to_uppercase(),
    };
    let symbolic = matches!(name, "and" | "or" | "+" | "-" | "*" | "/" | "=" | "<>" | "<" | "<=" | ">" | ">=");
    match (style, args) {
        (Style::Infix, [_, ..]) if symbolic && args.len() > 1 => {
            format!("({})", args.join(&format!(" {shown} ")))
        }
        (_, [value, items @ ..]) if name == "in" => format!("SEARCH({value}, Sarg[{}])", items.join(", ")),
        (Style::Infix, [arg]) if name.starts_with("is ") => format!("{arg} {shown}"),
        _ => format!("{shown}({})", args.join(", ")),
    }
}

/// A type by Calcite's name.
pub(super) fn sql_type(ty: &LogicalType) -> String {
    match &ty.kind {
        TypeKind::Int => "INTEGER".to_owned(),
        TypeKind::Varchar(n) => format!("VARCHAR({n})"),
        TypeKind::Varbinary(n) => format!("VARBINARY({n})"),
        TypeKind::TimestampLtz(p) => format!("TIMESTAMP_WITH_LOCAL_TIME_ZONE({p})"),
        kind => kind.to_string(),
    }
}

/// `RecordType(INTEGER a, CHAR(1) b)`
pub(super) fn record(columns: &[Column]) -> String {
    let field = |c: &Column| {
        let time = match c.time {
            None => "",
            Some(TimeAttribute::Rowtime) => " *ROWTIME*",
            Some(TimeAttribute::Proctime) => " *PROCTIME*",
        };
        // Of a column that is time Flink shows the type by its short name.
        let ty = if time.is_empty() { sql_type(&c.ty) } else { c.ty.kind.to_string() };
        format!("{ty}{time} {}", c.name)
    };
    format!("RecordType({})", columns.iter().map(field).collect::<Vec<_>>().join(", "))
}

/// A constant's text without its type.
pub(super) fn literal_text(e: &Expr) -> String {
    match e {
        Expr::Literal { value, ty } => plain_literal(value, ty),
        other => expr(other, &[], Style::Infix),
    }
}

/// A constant; its type is shown where the text does not tell it.
pub(super) fn literal(value: &Value, ty: &LogicalType, style: Style) -> String {
    let text = plain_literal(value, ty);
    match (&ty.kind, value) {
        (_, Value::Null) => format!("null:{}", sql_type(ty)),
        (TypeKind::Char(_) | TypeKind::Varchar(_), _) => {
            // Calcite shows the character set of a literal.
            let charset = if style == Style::Infix { "" } else { "_UTF-16LE" };
            format!("{charset}'{}'", text.replace('\'', "''"))
        }
        (TypeKind::Decimal { .. } | TypeKind::Double | TypeKind::Binary(_), _) if style != Style::Infix => {
            format!("{text}:{}", ty.kind)
        }
        (TypeKind::IntervalDayTime, _) => format!("{text}:INTERVAL SECOND"),
        (TypeKind::IntervalYearMonth, _) => format!("{text}:INTERVAL MONTH"),
        _ => text,
    }
}

fn plain_literal(value: &Value, ty: &LogicalType) -> String {
    match (value, &ty.kind) {
        (Value::Null, _) => "null".to_owned(),
        (Value::Boolean(b), _) => b.to_string(),
        (Value::Int(days), TypeKind::Date) => moment(days.saturating_mul(DAY_MS), "%Y-%m-%d"),
        (Value::Int(ms), TypeKind::Time(_)) => moment(*ms, "%H:%M:%S%.f"),
        (Value::Int(i), _) => i.to_string(),
        (Value::Decimal(unscaled), TypeKind::Decimal { scale, .. }) => decimal(*unscaled, usize::from(*scale)),
        (Value::Decimal(unscaled), _) => unscaled.to_string(),
        (Value::DoubleBits(bits), _) => format!("{:E}", f64::from_bits(*bits)),
        (Value::String(s), _) => s.clone(),
        (Value::Bytes(bytes), _) => format!("X'{}'", bytes.iter().map(|b| format!("{b:02X}")).collect::<String>()),
        (Value::Timestamp { millis, nanos }, _) => {
            let fine = chrono::Duration::nanoseconds(i64::from(*nanos));
            match chrono::DateTime::from_timestamp_millis(*millis).and_then(|m| m.checked_add_signed(fine)) {
                Some(moment) => moment.format("%Y-%m-%d %H:%M:%S%.f").to_string(),
                None => format!("{millis} ms"),
            }
        }
    }
}

fn decimal(unscaled: i128, scale: usize) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn moment(millis: i64, format: &str) -> String {
    match chrono::DateTime::from_timestamp_millis(millis) {
        Some(moment) => moment.format(format).to_string(),
        None => format!("{millis} ms"),
    }
}

/// The columns of each copy that `Expand` makes of a row.
pub(super) fn copies(projections: &[Vec<ExpandColumn>], input: &[String], own: &[String]) -> String {
    let column = |(column, name): (&ExpandColumn, &String)| match column {
        ExpandColumn::Input(index) => input[*index].clone(),
        ExpandColumn::Null => format!("null AS {name}"),
        ExpandColumn::Id(id) => format!("{id} AS {name}"),
    };
    let copy = |columns: &Vec<ExpandColumn>| {
        let columns: Vec<String> = columns.iter().zip(own).map(column).collect();
        format!("{{{}}}", columns.join(", "))
    };
    projections.iter().map(copy).collect::<Vec<_>>().join(", ")
}
