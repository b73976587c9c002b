//! What is not built, by the names that users know.

use flott_api::Error;
use sqlparser::ast::{Expr as Ast, TableFactor};

/// An expression that is not built.
pub(super) fn expression(ast: &Ast) -> Error {
    Error::unsupported(match ast {
        Ast::InSubquery { .. } => "a subquery in IN",
        Ast::Exists { .. } => "EXISTS",
        Ast::Subquery(_) => "a scalar subquery",
        Ast::InUnnest { .. } => "IN UNNEST",
        Ast::ILike { .. } => "ILIKE",
        Ast::RLike { .. } => "RLIKE",
        Ast::Like { .. } => "LIKE ANY",
        Ast::AnyOp { .. } => "ANY and SOME",
        Ast::AllOp { .. } => "ALL with a comparison",
        Ast::Convert { .. } => "CONVERT",
        Ast::AtTimeZone { .. } => "AT TIME ZONE",
        Ast::Collate { .. } => "COLLATE",
        Ast::GroupingSets(_) => "GROUPING SETS",
        Ast::Cube(_) => "CUBE",
        Ast::Rollup(_) => "ROLLUP",
        Ast::JsonAccess { .. } => "JSON access by path",
        Ast::IsNormalized { .. } => "IS NORMALIZED",
        Ast::Trim { .. } => "TRIM with a list of characters",
        Ast::Prefixed { .. } => "a table or a model as a value",
        Ast::Struct { .. } | Ast::Named { .. } => "a row with field names",
        Ast::Map(_) | Ast::Dictionary(_) => "this form of MAP",
        Ast::Lambda(_) => "a lambda",
        Ast::MemberOf(_) => "MEMBER OF",
        Ast::MatchAgainst { .. } => "MATCH AGAINST",
        Ast::Wildcard(_) | Ast::QualifiedWildcard(..) => "'*' as an expression",
        _ => "this expression",
    })
}

/// A kind of table in `FROM` that is not built.
pub(super) fn table_factor(factor: &TableFactor) -> Error {
    Error::unsupported(match factor {
        TableFactor::Function { .. } => "LATERAL TABLE",
        TableFactor::JsonTable { .. } => "JSON_TABLE",
        TableFactor::OpenJsonTable { .. } => "OPENJSON",
        TableFactor::Pivot { .. } => "PIVOT",
        TableFactor::Unpivot { .. } => "UNPIVOT",
        TableFactor::XmlTable { .. } => "XMLTABLE",
        TableFactor::SemanticView { .. } => "SEMANTIC_VIEW",
        TableFactor::Table { .. }
        | TableFactor::Derived { .. }
        | TableFactor::NestedJoin { .. }
        | TableFactor::UNNEST { .. }
        | TableFactor::MatchRecognize { .. }
        | TableFactor::TableFunction { .. } => "this table",
    })
}

/// Refuses a clause that is there.
pub(super) fn clause(present: bool, name: &str) -> Result<(), Error> {
    if present { Err(Error::unsupported(name)) } else { Ok(()) }
}
