//! Calls of process table functions.

use super::{Style, literal};
use crate::plan::rel::{Given, Invocation};
use flott_api::expr::{Expr, Value};
use flott_api::{LogicalType, TypeKind};

/// `F(TABLE(#0) PARTITION BY($0), 1, DEFAULT(), DEFAULT())`
pub(in crate::plan) fn invocation(call: &Invocation, style: Style) -> String {
    let arguments: Vec<String> = call.arguments.iter().map(|argument| given(argument, style)).collect();
    format!("{}({})", call.name, arguments.join(", "))
}

fn given(argument: &Given, style: Style) -> String {
    match argument {
        Given::Default => "DEFAULT()".to_owned(),
        Given::Constant(Expr::Literal { value, ty }) => literal(value, ty, style),
        Given::Constant(other) => super::expr(other, &[], style),
        Given::Descriptor(columns) => {
            let columns: Vec<String> = columns.iter().map(|column| text(column, style)).collect();
            format!("DESCRIPTOR({})", columns.join(", "))
        }
        Given::Model(path) => format!("Model(MODEL {path})"),
        Given::Map(entries) => {
            let items: Vec<String> = entries.iter().flat_map(|(k, v)| [text(k, style), text(v, style)]).collect();
            format!("MAP({})", items.join(", "))
        }
        Given::Table { input, partition_by } if partition_by.is_empty() => format!("TABLE(#{input})"),
        Given::Table { input, partition_by } => {
            let columns: Vec<String> = partition_by.iter().map(|column| format!("${column}")).collect();
            format!("TABLE(#{input}) PARTITION BY({})", columns.join(", "))
        }
    }
}

fn text(text: &str, style: Style) -> String {
    literal(&Value::String(text.to_owned()), &LogicalType::new(TypeKind::Varchar(0)), style)
}
