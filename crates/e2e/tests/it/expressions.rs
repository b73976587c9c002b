//! Types and values of expressions against Flink's: `oracle/types/*.out`.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use flott_api::{Error, Schema};
use flott_functions::{CompileContext, EvalContext, TextStyle, compile, format_value};
use flott_sql::plan::bind_scalar_text;
use flott_sql::session::Session;

use crate::known::{Differences, oracle};
use crate::session::session;

/// Type with nullability, and the cell as the client prints it.
fn answer(session: &Session, expression: &str) -> Result<(String, String), Error> {
    let bound = bind_scalar_text(session, expression, &Schema::default())?;
    let ty = bound.ty().clone();
    let compiled = compile(&bound, &CompileContext { session_zone: "UTC".into(), environment: None })?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let schema = Arc::new(arrow_schema::Schema::empty());
    let row = RecordBatch::try_new_with_options(schema, Vec::new(), &options).unwrap();
    let cx = EvalContext { processing_time_ms: 0, watermark: i64::MIN };
    let value = match compiled.evaluate(&row, &cx) {
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

fn compare(file: &str, session: &Session, differences: &mut Differences) {
    let text = std::fs::read_to_string(oracle().join(file)).unwrap();
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
        let ours = answer(session, &without_v(expression));
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
