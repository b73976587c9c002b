//! What our parser keeps inside sqlparser's tree, read back: types, names, hints, tables as arguments.

use flott_api::options::Options;
use flott_api::{Error, LogicalType, Result};
use sqlparser::ast::{DataType, Expr as Ast, ObjectName};

use crate::parser::ast::view::{Hint, HintArgs, TableArg};
use crate::parser::ast::{SqlType, SqlTypeKind, ident_location};

/// The type of a CAST.
pub(super) fn cast_type(data_type: &DataType) -> Result<LogicalType> {
    returned_type(&SqlType::from_sqlparser(data_type)?)
}

/// The type of a value that is made in an expression.
pub(super) fn returned_type(parsed: &SqlType) -> Result<LogicalType> {
    // Without a length they are as long as can be here, where a column of a table has one character.
    match parsed.kind {
        SqlTypeKind::Varchar(None) => Ok(LogicalType::string()),
        SqlTypeKind::Varbinary(None) => Ok(LogicalType::bytes()),
        _ => parsed.to_logical(),
    }
}

/// A table as an argument: `TABLE t`.
pub(super) fn table_operand(ast: &Ast) -> Option<TableArg> {
    TableArg::of(ast)
}

/// The parts of a name.
pub(super) fn name_parts(name: &ObjectName) -> Result<Vec<String>> {
    name.0
        .iter()
        .map(|part| match part.as_ident() {
            Some(ident) => Ok(ident.value.clone()),
            None => Err(Error::unsupported(format!("the name '{name}'"))),
        })
        .collect()
}

/// The options of the hint `OPTIONS`; other hints are refused by name.
pub(super) fn option_hints(hints: &[Hint], enabled: bool) -> Result<Options> {
    let mut options = Options::default();
    for Hint { name, args } in hints {
        if !name.value.eq_ignore_ascii_case("OPTIONS") {
            let error = Error::unsupported(format!("the hint '{}' behind a table", name.value));
            return Err(error.at(ident_location(name)));
        }
        if !enabled {
            return Err(Error::invalid("the hint OPTIONS is not allowed")
                .with_hint("Set 'table.dynamic-table-options.enabled' to 'true'.")
                .at(ident_location(name)));
        }
        let HintArgs::Options(given) = args else {
            return Err(Error::invalid("the hint OPTIONS takes options")
                .with_hint("Write OPTIONS('key' = 'value').")
                .at(ident_location(name)));
        };
        for option in given {
            options.0.insert(option.key.value.clone(), option.value.value.clone());
        }
    }
    Ok(options)
}
