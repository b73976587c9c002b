//! Nodes of bounded plans: what runs in batch mode, in one line each. The names are ours; a plan of Flink's looks otherwise.

use flott_api::function::{CallArgument, FunctionCall};
use flott_api::table::SourceSpec;
use flott_graph::spec::{AggregateCall, BatchNode, BatchOp, WindowTime};

use super::{
    Style, aggregate, copies, expr, frame, join_kind, order, picked, select, table_function, tuples, window_text,
};
use crate::plan::rel::Column;

/// A node in one line.
pub(in crate::plan) fn batch(node: &BatchNode, style: Style) -> String {
    let own = names(&node.output);
    let all: Vec<Vec<String>> = node.inputs.iter().map(|input| names(&input.output)).collect();
    let input = all.concat();
    let by = |partition: &[usize], order_by: &[_]| {
        let partition = match partition {
            [] => String::new(),
            columns => format!("partitionBy=[{}], ", picked(columns, &input).join(", ")),
        };
        format!("{partition}orderBy=[{}]", order(order_by, &input))
    };
    match &node.op {
        BatchOp::Scan(spec) => scan(spec, &own),
        BatchOp::Values { rows } => {
            let columns: Vec<Column> =
                node.output.fields.iter().map(|f| Column::new(f.name.clone(), f.ty.clone())).collect();
            format!("Values(tuples=[{}])", tuples(rows, &columns))
        }
        BatchOp::Filter { condition } => format!("Filter(where=[{}])", expr(condition, &input, style)),
        BatchOp::Project { exprs } => format!("Project(select=[{}])", select(exprs, &input, &own, style)),
        BatchOp::Aggregate { keys, calls } => format!("Aggregate({})", groups(keys, calls, &input, &own)),
        BatchOp::Expand(spec) => format!("Expand(projects=[{}])", copies(&spec.projections, &input, &own)),
        BatchOp::Window(spec) => {
            let time = match spec.time {
                WindowTime::Rowtime(column) => input.get(column).map_or("", String::as_str),
                _ => "",
            };
            format!("WindowTableFunction(window=[{}])", window_text(&spec.window, time, &input))
        }
        BatchOp::Correlate(spec) => {
            let kind = if spec.outer { "left" } else { "inner" };
            format!("Correlate(invocation=[{}], joinType=[{kind}])", table_function(&spec.function, &input, style))
        }
        BatchOp::Predict(spec) => {
            let asked: Vec<String> = spec.arguments.iter().map(|argument| expr(argument, &input, style)).collect();
            format!("MLPredictTableFunction(model=[{}], args=[{}])", spec.model.model, asked.join(", "))
        }
        BatchOp::PythonCalc(spec) => {
            format!("PythonCalc(select=[{}])", called(&spec.forwarded, &spec.calls, &input, &own))
        }
        BatchOp::PythonCorrelate(spec) => {
            let kind = if spec.outer { "left" } else { "inner" };
            format!("PythonCorrelate(invocation=[{}], joinType=[{kind}])", function_call(&spec.call, &input))
        }
        BatchOp::PythonAggregate(spec) => {
            format!("PythonAggregate({})", groups(&spec.groups.keys, &spec.groups.aggregates, &input, &own))
        }
        BatchOp::Join { .. } => join(&node.op, &all, style),
        BatchOp::Sort { order: by, limit } => {
            let limit = limit.map_or(String::new(), |(offset, rows)| format!(", offset=[{offset}], fetch=[{rows}]"));
            format!("Sort(orderBy=[{}]{limit})", order(by, &input))
        }
        BatchOp::Over { partition, order, frame: rows, calls } => {
            let results =
                calls.iter().zip(&own[input.len()..]).map(|(call, name)| aggregate(call, &input, name, false));
            let results = results.collect::<Vec<_>>().join(", ");
            let python = if calls.iter().any(|call| call.function.user.is_some()) { "Python" } else { "" };
            format!(
                "{python}OverAggregate({}, window=[{}], select=[{results}])",
                by(partition, order),
                frame(rows).trim_start()
            )
        }
        BatchOp::Rank { partition, order, range: (first, last), emit_rank: _ } => {
            let range = format!("rankStart={first}, rankEnd={last}");
            format!("Rank(rankType=[ROW_NUMBER], rankRange=[{range}], {})", by(partition, order))
        }
        BatchOp::Union => format!("Union(all=[true], union=[{}])", own.join(", ")),
        BatchOp::Limit { offset, limit } => format!("Limit(offset=[{offset}], fetch=[{limit}])"),
    }
}

/// What is grouped by, and what comes of it.
fn groups(keys: &[usize], calls: &[AggregateCall], input: &[String], own: &[String]) -> String {
    let results = calls.iter().zip(&own[keys.len()..]).map(|(call, name)| aggregate(call, input, name, false));
    let keys = picked(keys, input);
    let all = keys.iter().map(|key| (*key).to_owned()).chain(results).collect::<Vec<_>>().join(", ");
    let keys = if keys.is_empty() { String::new() } else { format!("groupBy=[{}], ", keys.join(", ")) };
    format!("{keys}select=[{all}]")
}

/// The columns that go on, and what is called.
fn called(forwarded: &[usize], calls: &[FunctionCall], input: &[String], own: &[String]) -> String {
    let results = calls.iter().zip(&own[forwarded.len()..]);
    let results = results.map(|(call, name)| format!("{} AS {name}", function_call(call, input)));
    let forwarded = picked(forwarded, input).into_iter().map(ToOwned::to_owned);
    forwarded.chain(results).collect::<Vec<_>>().join(", ")
}

/// A call of columns and of other calls.
fn function_call(call: &FunctionCall, input: &[String]) -> String {
    let argument = |argument: &CallArgument| match argument {
        CallArgument::Column(column) => input.get(*column).cloned().unwrap_or_default(),
        CallArgument::Call(inner) => function_call(inner, input),
    };
    let arguments: Vec<String> = call.args.iter().map(argument).collect();
    let name = call.name.rsplit('.').next().unwrap_or_default();
    format!("{name}({})", arguments.join(", "))
}

fn names(schema: &flott_api::Schema) -> Vec<String> {
    schema.fields.iter().map(|field| field.name.clone()).collect()
}

fn scan(spec: &SourceSpec, own: &[String]) -> String {
    let physical = names(&spec.schema);
    let filters: Vec<String> = spec.filters.iter().map(|filter| expr(filter, &physical, Style::Prefix)).collect();
    let filters = if filters.is_empty() { String::new() } else { format!(", filter=[{}]", filters.join(", ")) };
    let limit = spec.limit.map_or(String::new(), |limit| format!(", limit=[{limit}]"));
    format!("TableSourceScan(table=[{}], fields=[{}]{filters}{limit})", spec.table, own.join(", "))
}

fn join(op: &BatchOp, inputs: &[Vec<String>], style: Style) -> String {
    let (BatchOp::Join { kind, keys: [left, right], nulls_meet, condition }, [of_left, of_right]) = (op, inputs) else {
        return "Join".to_owned();
    };
    let sign = if *nulls_meet { "IS NOT DISTINCT FROM" } else { "=" };
    let pairs = picked(left, of_left).into_iter().zip(picked(right, of_right));
    let on: Vec<String> = pairs.map(|(left, right)| format!("{left} {sign} {right}")).collect();
    let on = if on.is_empty() { String::new() } else { format!(", on=[{}]", on.join(" AND ")) };
    let rest = condition.as_ref().map(|condition| expr(condition, &inputs.concat(), style));
    let rest = rest.map_or(String::new(), |rest| format!(", where=[{rest}]"));
    format!("Join(joinType=[{}]{on}{rest})", join_kind(*kind))
}
