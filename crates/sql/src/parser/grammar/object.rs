//! Functions, models, connections, and `ALTER` of what has options and a name.

use sqlparser::ast::{ObjectName, ObjectNamePart};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::{expression, query, table};
use crate::parser::ast::{
    AlterFunction, AlterObject, AlterObjectAction, ColumnDef, ColumnKind, CreateConnection, CreateFunction,
    CreateModel, FunctionBody, FunctionLanguage, FunctionParameter, FunctionSignature, ObjectKind, ResourceKind,
    ResourceUri, Scope, Statement, ident_location,
};
use crate::parser::cursor::{
    commas, comment, expect, expect_kw, ident, if_exists, if_not_exists, is_token, keys, kw, kws, list, name, one_of,
    options, text, with_options,
};
use crate::parser::error::{PResult, fail, location_of};
use crate::parser::type_grammar::data_type;

/// `FUNCTION ..`, behind `CREATE` and the scope.
pub(super) fn create_function(p: &mut Parser<'_>, scope: Scope) -> PResult<Statement> {
    expect_kw(p, "FUNCTION")?;
    let if_not_exists = if_not_exists(p);
    let name = function_name(p, scope)?;
    let body = if is_token(p, 0, &Token::LParen) { body_of_signature(p)? } else { named_body(p)? };
    Ok(Statement::CreateFunction(Box::new(CreateFunction { scope, if_not_exists, name, body })))
}

/// `AS 'class' [LANGUAGE ..] ..`.
fn named_body(p: &mut Parser<'_>) -> PResult<FunctionBody> {
    expect_kw(p, "AS")?;
    let class = text(p)?;
    let language = language(p)?;
    let at = location_of(p.peek_token_ref());
    let resources = resources(p)?;
    if language == Some(FunctionLanguage::Python) && !resources.is_empty() {
        return Err(fail("USING does not go with LANGUAGE PYTHON", at, ""));
    }
    Ok(FunctionBody::Named { signature: None, class, language, resources, options: with_options(p)? })
}

/// `(a INT, ..) [RETURNS t] [LANGUAGE SQL] RETURN e`, or `(a INT, ..) RETURNS t LANGUAGE .. AS 'class' ..`.
fn body_of_signature(p: &mut Parser<'_>) -> PResult<FunctionBody> {
    let parameters = parameters(p)?;
    let returns = if kw(p, "RETURNS") { Some(data_type(p)?) } else { None };
    let at = location_of(p.peek_token_ref());
    let language = language(p)?;
    if matches!(language, None | Some(FunctionLanguage::Sql)) {
        expect_kw(p, "RETURN")?;
        return Ok(FunctionBody::Sql { parameters, returns, body: Box::new(expression(p)?) });
    }
    let Some(returns) = returns else {
        return Err(fail("a function in another language with parameters needs RETURNS", at, ""));
    };
    expect_kw(p, "AS")?;
    let signature = Some(FunctionSignature { parameters, returns });
    Ok(FunctionBody::Named {
        signature,
        class: text(p)?,
        language,
        resources: resources(p)?,
        options: with_options(p)?,
    })
}

/// `USING JAR 'uri', ..`, if it follows.
fn resources(p: &mut Parser<'_>) -> PResult<Vec<ResourceUri>> {
    if kw(p, "USING") { commas(p, resource) } else { Ok(Vec::new()) }
}

/// `(a INT, ..)`, also without any.
fn parameters(p: &mut Parser<'_>) -> PResult<Vec<FunctionParameter>> {
    if is_token(p, 1, &Token::RParen) {
        expect(p, &Token::LParen)?;
        expect(p, &Token::RParen)?;
        return Ok(Vec::new());
    }
    list(p, |p| Ok(FunctionParameter { name: ident(p)?, data_type: data_type(p)? }))
}

/// A system function has no catalog.
fn function_name(p: &mut Parser<'_>, scope: Scope) -> PResult<ObjectName> {
    match scope {
        Scope::TemporarySystem => Ok(ObjectName(vec![ObjectNamePart::Identifier(ident(p)?)])),
        _ => name(p),
    }
}

/// `LANGUAGE ..`, if it follows.
fn language(p: &mut Parser<'_>) -> PResult<Option<FunctionLanguage>> {
    if !kw(p, "LANGUAGE") {
        return Ok(None);
    }
    const LANGUAGES: [FunctionLanguage; 5] = [
        FunctionLanguage::Java,
        FunctionLanguage::Scala,
        FunctionLanguage::Sql,
        FunctionLanguage::Python,
        FunctionLanguage::Wasm,
    ];
    Ok(Some(LANGUAGES[one_of(p, &["JAVA", "SCALA", "SQL", "PYTHON", "WASM"])?]))
}

/// `JAR 'uri'` or `ARTIFACT 'uri'`.
fn resource(p: &mut Parser<'_>) -> PResult<ResourceUri> {
    let kinds = [ResourceKind::Jar, ResourceKind::Artifact];
    let kind = kinds[one_of(p, &["JAR", "ARTIFACT"])?];
    Ok(ResourceUri { kind, uri: text(p)? })
}

/// `ALTER [TEMPORARY [SYSTEM]] FUNCTION ..`, from `FUNCTION` on.
pub(super) fn alter_function(p: &mut Parser<'_>, scope: Scope) -> PResult<Statement> {
    expect_kw(p, "FUNCTION")?;
    let if_exists = if_exists(p);
    let name = function_name(p, scope)?;
    expect_kw(p, "AS")?;
    let class = text(p)?;
    let language = language(p)?;
    Ok(Statement::AlterFunction(AlterFunction { scope, if_exists, name, class, language }))
}

/// `MODEL ..`, behind `CREATE [TEMPORARY]`.
pub(super) fn create_model(p: &mut Parser<'_>, temporary: bool) -> PResult<Statement> {
    expect_kw(p, "MODEL")?;
    let if_not_exists = if_not_exists(p);
    let name = name(p)?;
    let input = if kw(p, "INPUT") { list(p, |p| model_column(p, false))? } else { Vec::new() };
    let output = if kw(p, "OUTPUT") { list(p, |p| model_column(p, true))? } else { Vec::new() };
    let comment = comment(p)?;
    let options = with_options(p)?;
    let query = if kw(p, "AS") { Some(query(p)?) } else { None };
    let model = CreateModel { temporary, if_not_exists, name, input, output, comment, options, query };
    Ok(Statement::CreateModel(Box::new(model)))
}

/// A physical column without a constraint, or metadata where that may be: of an output, which Flink has in its Table API only.
fn model_column(p: &mut Parser<'_>, metadata: bool) -> PResult<ColumnDef> {
    let name = ident(p)?;
    let at = ident_location(&name);
    let column = table::column(p, name)?;
    match column.kind {
        ColumnKind::Physical { constraint: None, .. } => Ok(column),
        ColumnKind::Metadata { .. } if metadata => Ok(column),
        _ => Err(fail("column of a model must have a type and nothing else", at, "")),
    }
}

/// `CONNECTION ..`, behind `CREATE` and the scope.
pub(super) fn create_connection(p: &mut Parser<'_>, scope: Scope) -> PResult<Statement> {
    expect_kw(p, "CONNECTION")?;
    let if_not_exists = if_not_exists(p);
    let name = name(p)?;
    let comment = comment(p)?;
    let options = with_options(p)?;
    Ok(Statement::CreateConnection(CreateConnection { scope, if_not_exists, name, comment, options }))
}

/// `ALTER {CATALOG | DATABASE | MODEL | CONNECTION} ..`, behind the kind.
pub(super) fn alter(p: &mut Parser<'_>, kind: ObjectKind) -> PResult<Statement> {
    let renames = matches!(kind, ObjectKind::Model | ObjectKind::Connection);
    let if_exists = renames && if_exists(p);
    let name = match kind {
        ObjectKind::Catalog => ObjectName(vec![ObjectNamePart::Identifier(ident(p)?)]),
        _ => name(p)?,
    };
    let action = alter_action(p, kind, renames)?;
    Ok(Statement::AlterObject(AlterObject { kind, if_exists, name, action }))
}

fn alter_action(p: &mut Parser<'_>, kind: ObjectKind, renames: bool) -> PResult<AlterObjectAction> {
    if renames && kws(p, &["RENAME", "TO"]) {
        return name(p).map(AlterObjectAction::RenameTo);
    }
    if kind == ObjectKind::Catalog && kw(p, "COMMENT") {
        return text(p).map(AlterObjectAction::Comment);
    }
    let words: &[&str] = match kind {
        ObjectKind::Catalog => &["SET", "RESET", "COMMENT"],
        ObjectKind::Database => &["SET"],
        ObjectKind::Model | ObjectKind::Connection => &["SET", "RESET", "RENAME"],
    };
    match one_of(p, words)? {
        0 => options(p).map(AlterObjectAction::Set),
        1 => keys(p).map(AlterObjectAction::Reset),
        _ => {
            expect_kw(p, "TO")?;
            name(p).map(AlterObjectAction::RenameTo)
        }
    }
}
