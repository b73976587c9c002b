//! Types and values of expressions against Flink's: `oracle/types/*.out`.

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use flott_api::{Error, Field, LogicalType, Schema};
use flott_functions::{CompileContext, EvalContext, TextStyle, compile, format_value};
use flott_sql::plan::bind_scalar_text;
use flott_sql::session::Session;

use crate::known::{Differences, oracle};
use crate::session::session;

/// Columns that an expression may name, with a row of them.
struct Columns {
    schema: Schema,
    arrays: Vec<ArrayRef>,
}

/// Type with nullability, and the cell as the client prints it.
fn answer(session: &Session, expression: &str, columns: &Columns) -> Result<(String, String), Error> {
    let (ty, value) = evaluated(session, expression, columns)?;
    let value = match value {
        Ok(array) if array.is_null(0) => "<NULL>".to_owned(),
        Ok(array) => {
            let mut text = String::new();
            format_value(array.as_ref(), 0, &ty, "UTC", TextStyle::Cell, &mut text).unwrap();
            text.replace('\n', "\\n").replace('\t', "\\t")
        }
        Err(error) => format!("error: {error}"),
    };
    Ok((ty.to_string(), value))
}

/// The type, and the value of one row or what went wrong with it.
fn evaluated(
    session: &Session,
    expression: &str,
    columns: &Columns,
) -> Result<(LogicalType, Result<ArrayRef, Error>), Error> {
    let bound = bind_scalar_text(session, expression, &columns.schema)?;
    let ty = bound.ty().clone();
    let compiled = compile(&bound, &CompileContext { session_zone: "UTC".into(), environment: None })?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(columns.schema.arrow(), columns.arrays.clone(), &options).unwrap();
    let cx = EvalContext { processing_time_ms: 0, watermark: i64::MIN };
    Ok((ty, compiled.evaluate(&row, &cx)))
}

/// Whether an answer is Flink's. An error is an error, whatever its words; `NULL!` of Flink's sinks is null.
fn is_equal(flink: (&str, &str), ours: &Result<(String, String), Error>) -> bool {
    let (ty, value) = flink;
    match ours {
        // What fails in Flink once the job runs may be refused here before.
        Err(_) => ty == "refused" || value.starts_with("error:"),
        Ok((our_type, our_value)) => {
            let null_in_not_null = value.contains("is NOT NULL, however, a null value");
            let same_value = if null_in_not_null {
                our_value == "<NULL>"
            } else if value.starts_with("error:") {
                our_value.starts_with("error:")
            } else {
                our_value == value
            };
            ty == our_type && same_value
        }
    }
}

/// `V(x)` is x: in Flink it hides a constant from the planner.
fn without_v(expression: &str) -> String {
    expression.replace("V(", "(")
}

/// The expression with a column for each `V(x)`, whose row is x and does not stand first in its array.
fn with_columns(session: &Session, expression: &str) -> Result<(String, Columns), Error> {
    let mut columns = Columns { schema: Schema::default(), arrays: Vec::new() };
    let (mut text, mut rest) = (String::new(), expression);
    while let Some((before, behind)) = rest.split_once("V(") {
        let inner = &behind[..closing(behind)];
        rest = &behind[inner.len() + 1..];
        let (ty, value) =
            evaluated(session, &without_v(inner), &Columns { schema: Schema::default(), arrays: Vec::new() })?;
        let value = value?;
        let twice = arrow_select::concat::concat(&[value.as_ref(), value.as_ref()])?;
        let name = format!("v{}", columns.arrays.len());
        text.push_str(before);
        text.push_str(&name);
        columns.schema.fields.push(Field::new(name, ty));
        columns.arrays.push(twice.slice(1, 1));
    }
    text.push_str(rest);
    Ok((text, columns))
}

/// Where the parenthesis ends that was opened before the text.
fn closing(text: &str) -> usize {
    let (mut depth, mut quoted) = (0, false);
    let found = text.char_indices().find(|(_, c)| {
        match c {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        depth < 0
    });
    found.map_or_else(|| panic!("V( does not end in {text}"), |(at, _)| at)
}

fn compare(file: &str, session: &Session, differences: &mut Differences) {
    let text = std::fs::read_to_string(oracle().join(file)).unwrap();
    let computes = file.starts_with("types/cast_");
    let mut skipping = false;
    for line in text.lines() {
        if line.starts_with("--!") {
            skipping = true;
        }
        let cells: Vec<&str> = line.split('\t').collect();
        if skipping || line.starts_with("--") || cells.len() < 2 {
            continue;
        }
        let (expression, ty, value) = (cells[0], cells[1], cells.get(2).copied().unwrap_or_default());
        let nothing = Columns { schema: Schema::default(), arrays: Vec::new() };
        let mut ours = answer(session, &without_v(expression), &nothing);
        // A cast of a column is the cast of its constant.
        if computes && expression.contains("V(") && is_equal((ty, value), &ours) {
            ours = with_columns(session, expression).and_then(|(text, columns)| answer(session, &text, &columns));
        }
        if is_equal((ty, value), &ours) {
            differences.equal();
            continue;
        }
        let shown = match ours {
            Ok((ty, value)) => format!("{ty} {value}"),
            Err(error) => format!("refused: {error}"),
        };
        differences.differs(file, expression, format!("Flink: {ty} {value} | Flott: {shown}"));
    }
}

#[test]
fn expressions_have_flinks_types_and_values() {
    let session = session();
    let mut files: Vec<String> = std::fs::read_dir(oracle().join("types"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".expr"))
        .map(|name| format!("types/{}.out", name.trim_end_matches(".expr")))
        .collect();
    files.sort();
    assert!(files.len() >= 10);
    let mut differences = Differences::new("types/");
    for file in files {
        compare(&file, &session, &mut differences);
    }
    differences.check();
}
