//! Functions, models and connections; and `ALTER` of what has only options and a name.

use std::fmt;

use sqlparser::ast::{Expr, Ident, ObjectName, Query};

use super::print::{if_exists, if_not_exists, joined, parens, query_text, with_options};
use super::view::expr_sql;
use super::{ColumnDef, SqlOption, SqlType, Text};

/// Whether an object is kept in the catalog, or lives with the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// In the catalog.
    #[default]
    Permanent,
    /// `TEMPORARY`: in the session, under a catalog and database.
    Temporary,
    /// `TEMPORARY SYSTEM`: in the session, before all catalogs.
    TemporarySystem,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scope::Permanent => "",
            Scope::Temporary => "TEMPORARY ",
            Scope::TemporarySystem => "TEMPORARY SYSTEM ",
        })
    }
}

/// `CREATE [TEMPORARY [SYSTEM]] FUNCTION [IF NOT EXISTS] f ..`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateFunction {
    /// `TEMPORARY [SYSTEM]`.
    pub scope: Scope,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// The function's name.
    pub name: ObjectName,
    /// What it does.
    pub body: FunctionBody,
}

/// What a function does.
#[derive(Clone, Debug, PartialEq)]
pub enum FunctionBody {
    /// `[(a INT, ..) RETURNS t LANGUAGE l] AS 'class' ..`: something with a name in another language. Flink has no
    /// signature here: its languages say it themselves.
    Named {
        /// The signature, if it was written.
        signature: Option<FunctionSignature>,
        /// The class, or whatever the language names a function with.
        class: Text,
        /// `LANGUAGE`.
        language: Option<FunctionLanguage>,
        /// `USING JAR 'uri', ..`.
        resources: Vec<ResourceUri>,
        /// `WITH`.
        options: Vec<SqlOption>,
    },
    /// `(a INT, ..) [RETURNS t] [LANGUAGE SQL] RETURN e`: an expression over the parameters. Flink has none; the words are
    /// those of the SQL standard.
    Sql {
        /// The parameters.
        parameters: Vec<FunctionParameter>,
        /// `RETURNS`.
        returns: Option<SqlType>,
        /// Behind `RETURN`.
        body: Box<Expr>,
    },
}

/// What a function in another language takes and gives.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionSignature {
    /// The parameters.
    pub parameters: Vec<FunctionParameter>,
    /// `RETURNS`.
    pub returns: SqlType,
}

/// A parameter of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionParameter {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub data_type: SqlType,
}

/// `LANGUAGE ..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionLanguage {
    /// `JAVA`.
    Java,
    /// `SCALA`.
    Scala,
    /// `SQL`.
    Sql,
    /// `PYTHON`.
    Python,
    /// `WASM`, which Flink has not.
    Wasm,
}

/// `JAR 'uri'`, `ARTIFACT 'uri'`.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceUri {
    /// Jar or artifact.
    pub kind: ResourceKind,
    /// Where it lies.
    pub uri: Text,
}

/// What a function's resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// `JAR`.
    Jar,
    /// `ARTIFACT`.
    Artifact,
}

/// `ALTER [TEMPORARY [SYSTEM]] FUNCTION [IF EXISTS] f AS 'class' [LANGUAGE ..]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterFunction {
    /// `TEMPORARY [SYSTEM]`.
    pub scope: Scope,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// The function.
    pub name: ObjectName,
    /// Its new class.
    pub class: Text,
    /// `LANGUAGE`.
    pub language: Option<FunctionLanguage>,
}

/// `CREATE [TEMPORARY] MODEL [IF NOT EXISTS] m [INPUT (..)] [OUTPUT (..)] [COMMENT] WITH (..) [AS query]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateModel {
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// The model's name.
    pub name: ObjectName,
    /// `INPUT (c type, ..)`; physical columns only.
    pub input: Vec<ColumnDef>,
    /// `OUTPUT (c type, ..)`; physical columns and metadata.
    pub output: Vec<ColumnDef>,
    /// `COMMENT`.
    pub comment: Option<Text>,
    /// `WITH`.
    pub options: Vec<SqlOption>,
    /// `AS query`.
    pub query: Option<Box<Query>>,
}

/// `CREATE [TEMPORARY [SYSTEM]] CONNECTION [IF NOT EXISTS] c [COMMENT] WITH (..)`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateConnection {
    /// `TEMPORARY [SYSTEM]`.
    pub scope: Scope,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// The connection's name.
    pub name: ObjectName,
    /// `COMMENT`.
    pub comment: Option<Text>,
    /// `WITH`.
    pub options: Vec<SqlOption>,
}

/// `ALTER {CATALOG|DATABASE|MODEL|CONNECTION} [IF EXISTS] x ..`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterObject {
    /// What is changed.
    pub kind: ObjectKind,
    /// `IF EXISTS`; only models and connections have it.
    pub if_exists: bool,
    /// Its name.
    pub name: ObjectName,
    /// The change.
    pub action: AlterObjectAction,
}

/// What [`AlterObject`] changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A catalog: `SET`, `RESET`, `COMMENT`.
    Catalog,
    /// A database: `SET`.
    Database,
    /// A model: `SET`, `RESET`, `RENAME TO`.
    Model,
    /// A connection: `SET`, `RESET`, `RENAME TO`.
    Connection,
}

/// A change of an object with options.
#[derive(Clone, Debug, PartialEq)]
pub enum AlterObjectAction {
    /// `SET ('k' = 'v', ..)`.
    Set(Vec<SqlOption>),
    /// `RESET ('k', ..)`.
    Reset(Vec<Text>),
    /// `RENAME TO x`.
    RenameTo(ObjectName),
    /// `COMMENT 's'`.
    Comment(Text),
}

impl fmt::Display for FunctionLanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FunctionLanguage::Java => "JAVA",
            FunctionLanguage::Scala => "SCALA",
            FunctionLanguage::Sql => "SQL",
            FunctionLanguage::Python => "PYTHON",
            FunctionLanguage::Wasm => "WASM",
        })
    }
}

/// ` LANGUAGE x`, or nothing.
fn language_clause(f: &mut fmt::Formatter<'_>, language: Option<FunctionLanguage>) -> fmt::Result {
    match language {
        Some(language) => write!(f, " LANGUAGE {language}"),
        None => Ok(()),
    }
}

impl fmt::Display for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ResourceKind::Jar => write!(f, "JAR {}", self.uri),
            ResourceKind::Artifact => write!(f, "ARTIFACT {}", self.uri),
        }
    }
}

impl fmt::Display for CreateFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CREATE {}FUNCTION ", self.scope)?;
        if_not_exists(f, self.if_not_exists)?;
        write!(f, "{}", self.name)?;
        match &self.body {
            FunctionBody::Named { signature, class, language, resources, options } => {
                match signature {
                    Some(FunctionSignature { parameters, returns }) => {
                        write!(f, " {} RETURNS {returns}", parens(parameters))?;
                        language_clause(f, *language)?;
                        write!(f, " AS {class}")?;
                    }
                    None => {
                        write!(f, " AS {class}")?;
                        language_clause(f, *language)?;
                    }
                }
                if !resources.is_empty() {
                    write!(f, " USING {}", joined(resources, ", "))?;
                }
                with_options(f, options)
            }
            FunctionBody::Sql { parameters, returns, body } => {
                write!(f, " {}", parens(parameters))?;
                if let Some(returns) = returns {
                    write!(f, " RETURNS {returns}")?;
                }
                write!(f, " RETURN {}", expr_sql(body))
            }
        }
    }
}

impl fmt::Display for FunctionParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.data_type)
    }
}

impl fmt::Display for AlterFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ALTER {}FUNCTION ", self.scope)?;
        if_exists(f, self.if_exists)?;
        write!(f, "{} AS {}", self.name, self.class)?;
        language_clause(f, self.language)
    }
}

impl fmt::Display for CreateModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CREATE {}MODEL ", if self.temporary { "TEMPORARY " } else { "" })?;
        if_not_exists(f, self.if_not_exists)?;
        write!(f, "{}", self.name)?;
        if !self.input.is_empty() {
            write!(f, " INPUT {}", parens(&self.input))?;
        }
        if !self.output.is_empty() {
            write!(f, " OUTPUT {}", parens(&self.output))?;
        }
        if let Some(comment) = &self.comment {
            write!(f, " COMMENT {comment}")?;
        }
        with_options(f, &self.options)?;
        match &self.query {
            Some(query) => write!(f, " AS {}", query_text(query)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for CreateConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CREATE {}CONNECTION ", self.scope)?;
        if_not_exists(f, self.if_not_exists)?;
        write!(f, "{}", self.name)?;
        if let Some(comment) = &self.comment {
            write!(f, " COMMENT {comment}")?;
        }
        with_options(f, &self.options)
    }
}

impl fmt::Display for AlterObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ObjectKind::Catalog => "CATALOG",
            ObjectKind::Database => "DATABASE",
            ObjectKind::Model => "MODEL",
            ObjectKind::Connection => "CONNECTION",
        };
        write!(f, "ALTER {kind} ")?;
        if_exists(f, self.if_exists)?;
        write!(f, "{} ", self.name)?;
        match &self.action {
            AlterObjectAction::Set(options) => write!(f, "SET {}", parens(options)),
            AlterObjectAction::Reset(keys) => write!(f, "RESET {}", parens(keys)),
            AlterObjectAction::RenameTo(name) => write!(f, "RENAME TO {name}"),
            AlterObjectAction::Comment(comment) => write!(f, "COMMENT {comment}"),
        }
    }
}
