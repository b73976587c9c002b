//! Expressions of `MEASURES` and `DEFINE`.
//!
//! What they read of a match (`A.price`, `FIRST(A.price, 1)`, `SUM(B.price)`) is put into a list of operands, and a name that no
//! user writes is put in its place. What is left is bound like any other expression, over the operands.

use std::ops::ControlFlow;

use flott_api::expr::{Expr, FunctionId};
use flott_api::{Error, LogicalType, Result, TypeKind};
use flott_graph::spec::{AggregateCall, MatchExpr, MatchOperand};
use sqlparser::ast::{
    Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Spanned, UnaryOperator,
    Value as AstValue, ValueWithSpan, VisitMut, VisitorMut,
};
use sqlparser::tokenizer::Span;

use super::super::aggregate_call::is_aggregate;
use super::super::call::function_name;
use super::super::expr::{coerce, illegal_null};
use super::super::{Binder, refuse};
use crate::parser::ast::ident_location;
use crate::plan::optimize::Squared;
use crate::plan::rel::{Column, PROCTIME, TimeAttribute};
use crate::plan::scope::{Scope, at_span};

/// Before the number of an operand: a character that no name has.
const OPERAND: char = '\u{1}';

/// Before the number of one that is computed of others.
const COMPUTED: char = '\u{2}';

/// The length of `CLASSIFIER()`, as Calcite has it.
const CLASSIFIER_LENGTH: u32 = 2000;

/// Where an expression stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The columns of the input.
    pub(super) scope: &'a Scope,
    /// The variables of the pattern.
    pub(super) variables: &'a [String],
    /// The time by which rows are ordered.
    pub(super) time: Option<TimeAttribute>,
    /// In `DEFINE`: the variable, if the pattern has it.
    pub(super) own: Option<Option<usize>>,
    /// `ALL ROWS PER MATCH`: measures are of the rows up to the current one.
    pub(super) all_rows: bool,
}

/// What a measure that is nothing but a time carries.
///
/// As in Flink, also the rowtime of a row of the match. Behind a pattern it is late, as the match is found with a later row.
pub(super) fn time_attribute(bound: &MatchExpr, input: &[Column]) -> Option<TimeAttribute> {
    let index = match &bound.expr {
        Expr::Call { function, .. } if function.name == PROCTIME => return Some(TimeAttribute::Proctime),
        Expr::Column { index, .. } => *index,
        _ => return None,
    };
    let column = match bound.operands.get(index)? {
        MatchOperand::Rowtime { .. } => return Some(TimeAttribute::Rowtime),
        MatchOperand::Row { column, .. } => *column,
        MatchOperand::Aggregate { function, args, .. } if matches!(function.name.as_str(), "min" | "max") => {
            match args.as_slice() {
                [Expr::Column { index, .. }] => *index,
                _ => return None,
            }
        }
        MatchOperand::Aggregate { .. } | MatchOperand::Classifier | MatchOperand::MatchNumber => return None,
        MatchOperand::Final(_) => return None,
    };
    input.get(column)?.time.filter(|time| *time == TimeAttribute::Rowtime)
}

impl Binder<'_> {
    /// An expression over a match.
    pub(super) fn match_expression(&self, ast: &Ast, place: &Place<'_>, clause: &'static str) -> Result<MatchExpr> {
        let mut ast = ast.clone();
        let (operands, units) = (Operands::default(), Vec::new());
        let mut reading = Reading { binder: self, place, clause, operands, walk: None, is_final: false, units };
        if let ControlFlow::Break(error) = ast.visit(&mut reading) {
            return Err(*error);
        }
        let Operands { read, computed } = reading.operands;
        let columns = read.iter().enumerate().map(|(i, (_, ty))| Column::new(format!("{OPERAND}{i}"), ty.clone()));
        let first = read.len();
        let columns = columns.chain(
            computed.iter().enumerate().map(|(i, of)| Column::new(format!("{OPERAND}{COMPUTED}{i}"), of.ty().clone())),
        );
        let scope = Scope::of_columns(columns.collect());
        let bound = self.exprs(&scope, clause).bind(&ast)?;
        let bound = bound.replace(&mut |e| match e {
            Expr::Column { index, .. } => index.checked_sub(first).and_then(|i| computed.get(i)).cloned(),
            _ => None,
        });
        let (operands, expr) = (read.into_iter().map(|(operand, _)| operand).collect(), self.folded(bound)?);
        if expr.ty().kind == TypeKind::Null {
            return Err(at_span(illegal_null(), ast.span()));
        }
        Ok(MatchExpr { operands, expr })
    }
}

/// `FIRST(.., offset)` and `LAST(.., offset)`, whose argument is being read.
#[derive(Clone, Copy)]
struct Walk {
    from_first: bool,
    offset: u32,
}

/// What an expression reads.
#[derive(Default)]
struct Operands {
    read: Vec<(MatchOperand, LogicalType)>,
    /// Expressions over those that are read, which stand for one.
    computed: Vec<Expr>,
}

impl Operands {
    /// The place of an operand; equal ones are one.
    fn place(&mut self, operand: MatchOperand, ty: LogicalType) -> usize {
        let found = self.read.iter().position(|(o, t)| *o == operand && *t == ty);
        found.unwrap_or_else(|| {
            self.read.push((operand, ty));
            self.read.len() - 1
        })
    }
}

/// Reads operands.
struct Reading<'a> {
    binder: &'a Binder<'a>,
    place: &'a Place<'a>,
    clause: &'static str,
    operands: Operands,
    walk: Option<Walk>,
    /// Whether what is read is of the whole match, in a measure of a part of it.
    is_final: bool,
    /// Words that are no columns: `DAY` in `TIMESTAMPADD(DAY, ..)`.
    units: Vec<Span>,
}

impl VisitorMut for Reading<'_> {
    type Break = Box<Error>;

    fn pre_visit_expr(&mut self, ast: &mut Ast) -> ControlFlow<Box<Error>> {
        let span = ast.span();
        match self.read(ast) {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) if e.location().is_none() => ControlFlow::Break(Box::new(at_span(e, span))),
            Err(e) => ControlFlow::Break(Box::new(e)),
        }
    }
}

impl Reading<'_> {
    fn read(&mut self, ast: &mut Ast) -> Result<()> {
        match ast {
            Ast::Identifier(name) if name.value.starts_with(OPERAND) || self.units.contains(&name.span) => Ok(()),
            Ast::Identifier(name) if is_unknown(name, self.place.scope) => Ok(()),
            Ast::Identifier(name) => {
                let parts = [name.clone()];
                *ast = self.reference(&parts)?;
                Ok(())
            }
            Ast::CompoundIdentifier(parts) if parts.first().is_some_and(|p| p.value.starts_with(OPERAND)) => Ok(()),
            Ast::CompoundIdentifier(parts) => {
                let parts = parts.clone();
                *ast = self.reference(&parts)?;
                Ok(())
            }
            Ast::Prefixed { prefix, value } if prefix.quote_style.is_none() => {
                let prefix = prefix.value.to_ascii_uppercase();
                if matches!(prefix.as_str(), "FINAL" | "RUNNING") {
                    *ast = self.prefixed(&prefix, value)?;
                }
                Ok(())
            }
            Ast::Subquery(_) | Ast::Exists { .. } | Ast::InSubquery { .. } => {
                Err(Error::unsupported(format!("a subquery in {} of MATCH_RECOGNIZE", self.clause)))
            }
            Ast::Function(function) => match self.call(&function.clone())? {
                Some(replacement) => {
                    *ast = replacement;
                    Ok(())
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// `FINAL x`, `RUNNING x`. With a row a match both are the same: all that there is to see is the end.
    fn prefixed(&mut self, prefix: &str, value: &Ast) -> Result<Ast> {
        if self.place.own.is_some() {
            return Err(Error::invalid(format!("{prefix} in {}", self.clause))
                .with_detail("A condition sees the rows up to the current one."));
        }
        if self.is_final {
            return Err(Error::invalid(format!("{prefix} cannot stand in FINAL")));
        }
        let mut value = value.clone();
        self.is_final = prefix == "FINAL" && self.place.all_rows;
        let flow = value.visit(self);
        self.is_final = false;
        match flow {
            ControlFlow::Break(error) => Err(*error),
            ControlFlow::Continue(()) => Ok(Ast::Nested(Box::new(value))),
        }
    }

    /// A column of a variable, or of any row; fields of it stay behind it.
    fn reference(&mut self, parts: &[Ident]) -> Result<Ast> {
        let (variable, parts) = self.qualified(parts)?;
        let Some((name, fields)) = parts.split_first() else { return Err(Error::internal("a name has no parts")) };
        let Expr::Column { index, ty } = self.place.scope.resolve(std::slice::from_ref(name))? else {
            return Err(Error::internal("a name is no column"));
        };
        let walk = self.walk.unwrap_or(Walk { from_first: false, offset: 0 });
        let Walk { from_first, offset } = walk;
        let operand = self.operand(MatchOperand::Row { variable, from_first, offset, column: index }, ty, name.span);
        if fields.is_empty() {
            return Ok(Ast::Identifier(operand));
        }
        Ok(Ast::CompoundIdentifier(std::iter::once(operand).chain(fields.iter().cloned()).collect()))
    }

    /// The variable before a column. Flink takes the name of the table for a variable that no row has.
    fn qualified<'p>(&self, parts: &'p [Ident]) -> Result<(Option<usize>, &'p [Ident])> {
        let [first, rest @ ..] = parts else { return Ok((None, parts)) };
        if rest.is_empty() {
            return Ok((None, parts));
        }
        if let Some(variable) = self.place.variables.iter().position(|v| *v == first.value) {
            return Ok((Some(variable), rest));
        }
        if self.place.scope.columns.iter().any(|c| c.name == first.value) {
            return Ok((None, parts));
        }
        Err(Error::invalid(format!("the pattern has no variable '{}'", first.value))
            .at(ident_location(first))
            .with_hint(format!("It has {}; a column alone is that of the last row.", self.place.variables.join(", "))))
    }

    /// The name of an operand.
    fn operand(&mut self, operand: MatchOperand, ty: LogicalType, span: Span) -> Ident {
        let number = self.operands.place(of(operand, self.is_final), ty);
        Ident { value: format!("{OPERAND}{number}"), quote_style: None, span }
    }

    /// What stands for a call; nothing if it is a call like any other.
    fn call(&mut self, function: &Function) -> Result<Option<Ast>> {
        // With a catalog it is a user's.
        let Ok(name) = function_name(&function.name) else { return Ok(None) };
        let args = plain_arguments(function);
        match (name.as_str(), args.as_deref()) {
            ("first" | "last", Some(args)) => self.walked(&name, args).map(Some),
            ("prev" | "next", Some(args)) => self.neighbour(&name, args).map(Some),
            ("match_rowtime", Some(args)) => self.rowtime(args, function).map(Some),
            ("match_proctime", Some([])) => Ok(Some(proctime(function))),
            ("classifier" | "match_number", Some(args)) => self.of_match(&name, args, function).map(Some),
            _ if is_aggregate(&name) => self.aggregate(&name, function).map(Some),
            _ => {
                self.units.extend(unit_of(&name, function));
                Ok(None)
            }
        }
    }

    /// `FIRST(x, 1)`: the columns in x are those of that row.
    fn walked(&mut self, name: &str, args: &[&Ast]) -> Result<Ast> {
        let upper = name.to_uppercase();
        let (inner, offset) = match args {
            [inner] => (*inner, 0),
            [inner, offset] => (*inner, offset_of(offset, &upper)?),
            _ => return Err(Error::invalid(format!("{upper} takes a value and an offset"))),
        };
        if self.walk.is_some() {
            return Err(Error::invalid("FIRST and LAST cannot stand in each other"));
        }
        let mut inner = inner.clone();
        self.walk = Some(Walk { from_first: name == "first", offset });
        let flow = inner.visit(self);
        self.walk = None;
        match flow {
            ControlFlow::Break(error) => Err(*error),
            ControlFlow::Continue(()) => Ok(Ast::Nested(Box::new(inner))),
        }
    }

    /// `PREV(x, 0)` is x. Others would need rows that the match does not have.
    fn neighbour(&mut self, name: &str, args: &[&Ast]) -> Result<Ast> {
        let upper = name.to_uppercase();
        if self.place.own.is_none() {
            return Err(Error::invalid(format!("{upper} in MEASURES"))
                .with_hint("FIRST and LAST take an offset among the rows of a variable."));
        }
        if self.walk.is_some() {
            return Err(Error::invalid(format!("{upper} cannot stand in FIRST and LAST")));
        }
        match args {
            [inner, offset] if offset_of(offset, &upper)? == 0 => Ok(Ast::Nested(Box::new((*inner).clone()))),
            [_] | [_, _] => Err(Error::unsupported(format!("{upper}, which looks at other rows than the match's"))
                .with_hint("LAST(A.x, 1) is the row before the last one of variable A.")),
            _ => Err(Error::invalid(format!("{upper} takes a value and an offset"))),
        }
    }

    /// `CLASSIFIER()` and `MATCH_NUMBER()`, with Calcite's types.
    fn of_match(&mut self, name: &str, args: &[&Ast], function: &Function) -> Result<Ast> {
        let upper = name.to_uppercase();
        if !args.is_empty() {
            return Err(Error::unsupported(format!("{upper} with an argument")));
        }
        if self.place.own.is_some() || self.walk.is_some() {
            let place = if self.walk.is_some() { "FIRST and LAST" } else { self.clause };
            return Err(Error::unsupported(format!("{upper}() in {place}")));
        }
        let (operand, ty) = match name {
            "classifier" => (MatchOperand::Classifier, LogicalType::not_null(TypeKind::Varchar(CLASSIFIER_LENGTH))),
            _ => (MatchOperand::MatchNumber, LogicalType::not_null(TypeKind::BigInt)),
        };
        Ok(Ast::Identifier(self.operand(operand, ty, function.name.span())))
    }

    /// `MATCH_ROWTIME()`, `MATCH_ROWTIME(ts)`: the argument gives its type.
    fn rowtime(&mut self, args: &[&Ast], function: &Function) -> Result<Ast> {
        if self.place.time != Some(TimeAttribute::Rowtime) {
            return Err(Error::invalid("MATCH_ROWTIME needs rows in the order of a rowtime column")
                .with_hint("MATCH_PROCTIME() is the processing time."));
        }
        let ty = match args {
            [] => LogicalType::not_null(TypeKind::Timestamp(3)),
            [Ast::Identifier(name)] => {
                let resolved = self.place.scope.resolve(std::slice::from_ref(name))?;
                let is_rowtime = |e: &Expr| match e {
                    Expr::Column { index, .. } => self.place.scope.columns[*index].time == Some(TimeAttribute::Rowtime),
                    _ => false,
                };
                if !is_rowtime(&resolved) {
                    return Err(
                        Error::invalid(format!("column '{}' is no rowtime", name.value)).at(ident_location(name))
                    );
                }
                resolved.ty().clone()
            }
            _ => return Err(Error::invalid("MATCH_ROWTIME takes a rowtime column, or nothing")),
        };
        Ok(Ast::Identifier(self.operand(MatchOperand::Rowtime { ty: ty.clone() }, ty, function.name.span())))
    }

    /// `SUM(A.x)`: over the rows of one variable, or over all.
    fn aggregate(&mut self, name: &str, function: &Function) -> Result<Ast> {
        let upper = name.to_uppercase();
        if self.walk.is_some() {
            return Err(Error::invalid(format!("{upper} cannot stand in FIRST and LAST")));
        }
        let Function { filter, null_treatment, over, within_group, args, .. } = function;
        refuse::clause(over.is_some(), "OVER")?;
        refuse::clause(filter.is_some(), "FILTER in MATCH_RECOGNIZE")?;
        refuse::clause(null_treatment.is_some(), "IGNORE NULLS and RESPECT NULLS")?;
        refuse::clause(!within_group.is_empty(), "WITHIN GROUP")?;
        let FunctionArguments::List(list) = args else {
            return Err(Error::invalid(format!("function '{upper}' takes 1 argument, not 0")));
        };
        refuse::clause(list.duplicate_treatment.is_some(), "DISTINCT in an aggregate of MATCH_RECOGNIZE")?;
        refuse::clause(!list.clauses.is_empty(), "a clause in an aggregate of MATCH_RECOGNIZE")?;
        let star = [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
        let args: Vec<&Ast> = match list.args.as_slice() {
            args if *args == star && name == "count" => Vec::new(),
            args => args.iter().map(|a| plain_argument(a, &upper)).collect::<Result<_>>()?,
        };
        let (variable, args) = self.aggregated(args)?;
        let types: Vec<LogicalType> = args.iter().map(|a| a.ty().clone()).collect();
        if types.iter().any(|t| t.kind == TypeKind::Null) {
            return Err(illegal_null());
        }
        if types.is_empty() && name != "count" {
            return Err(Error::invalid(format!("function '{upper}' takes 1 argument, not 0")));
        }
        let name = match name {
            "stddev" => "stddev_samp",
            "variance" => "var_samp",
            name => name,
        };
        let resolved = flott_functions::aggregate_type(name, &types, false)?;
        let args = args.into_iter().zip(&resolved.args).map(|(a, ty)| coerce(a, ty));
        // A variable may have taken no row.
        let never_null = matches!(name, "count" | "collect");
        let ty = resolved.ty.clone().with_nullable(resolved.ty.nullable || !never_null);
        if flott_functions::is_variance(name) {
            return self.variance(variable, resolved.id, args.collect(), ty).map(|number| {
                let value = format!("{OPERAND}{COMPUTED}{number}");
                Ast::Identifier(Ident { value, quote_style: None, span: function.name.span() })
            });
        }
        let operand = MatchOperand::Aggregate { variable, function: resolved.id, args: args.collect(), ty: ty.clone() };
        Ok(Ast::Identifier(self.operand(operand, ty, function.name.span())))
    }

    /// A variance of sums and counts, as Calcite writes it: the number of what is computed.
    fn variance(
        &mut self,
        variable: Option<usize>,
        function: FunctionId,
        args: Vec<Expr>,
        ty: LogicalType,
    ) -> Result<usize> {
        let [arg] = <[Expr; 1]>::try_from(args).map_err(|_| Error::internal("a variance of not one argument"))?;
        let terms = <[Expr; 2]>::from(Squared::terms(arg, &ty)?);
        let types = terms.each_ref().map(|t| t.ty().clone());
        let wanted = AggregateCall { function, args: Vec::new(), filter: None, distinct: false, ty };
        let (operands, is_final) = (&mut self.operands, self.is_final);
        let computed = Squared { value: 0, square: 1 }.variance(&wanted, &types, &mut |call| {
            let args = call.args.iter().map(|a| terms[*a].clone()).collect();
            // Of no rows a sum is null.
            let ty = call.ty.clone().with_nullable(call.ty.nullable || call.function.name != "count");
            let operand = MatchOperand::Aggregate { variable, function: call.function, args, ty: ty.clone() };
            Expr::column(operands.place(of(operand, is_final), ty.clone()), ty)
        })?;
        let found = self.operands.computed.iter().position(|c| *c == computed);
        Ok(found.unwrap_or_else(|| {
            self.operands.computed.push(computed);
            self.operands.computed.len() - 1
        }))
    }

    /// The arguments over the input, and the variable that they name.
    fn aggregated(&self, args: Vec<&Ast>) -> Result<(Option<usize>, Vec<Expr>)> {
        let mut columns = Columns { reading: self, found: Vec::new(), units: Vec::new() };
        let mut bound = Vec::with_capacity(args.len());
        for ast in args {
            let mut ast = ast.clone();
            if let ControlFlow::Break(error) = ast.visit(&mut columns) {
                return Err(*error);
            }
            bound.push(self.binder.expression(&ast, self.place.scope, "an aggregate of MATCH_RECOGNIZE")?);
        }
        let mut found = columns.found;
        found.dedup();
        match found.as_slice() {
            [] => Ok((None, bound)),
            [one] => Ok((*one, bound)),
            _ => Err(Error::invalid("an aggregate over several pattern variables")
                .with_hint("Its columns must be of one variable.")),
        }
    }
}

/// The operand, or the same of the whole match. When it is found and its number are that anyway.
fn of(operand: MatchOperand, is_final: bool) -> MatchOperand {
    match operand {
        MatchOperand::Rowtime { .. } | MatchOperand::MatchNumber => operand,
        other if is_final => MatchOperand::Final(Box::new(other)),
        other => other,
    }
}

/// Takes variables off the columns of an aggregate.
struct Columns<'a> {
    reading: &'a Reading<'a>,
    found: Vec<Option<usize>>,
    /// Words that are no columns.
    units: Vec<Span>,
}

impl VisitorMut for Columns<'_> {
    type Break = Box<Error>;

    fn pre_visit_expr(&mut self, ast: &mut Ast) -> ControlFlow<Box<Error>> {
        let parts: &[Ident] = match ast {
            Ast::Identifier(name)
                if !is_unknown(name, self.reading.place.scope) && !self.units.contains(&name.span) =>
            {
                std::slice::from_ref(name)
            }
            Ast::CompoundIdentifier(parts) => parts,
            Ast::Function(function) => return self.check_call(function),
            _ => return ControlFlow::Continue(()),
        };
        match self.reading.qualified(parts) {
            Ok((variable, rest)) => {
                self.found.push(variable);
                if variable.is_some() {
                    *ast = Ast::CompoundIdentifier(rest.to_vec());
                }
                ControlFlow::Continue(())
            }
            Err(e) => ControlFlow::Break(Box::new(e)),
        }
    }
}

impl Columns<'_> {
    fn check_call(&mut self, function: &Function) -> ControlFlow<Box<Error>> {
        const OF_MATCHES: [&str; 8] =
            ["first", "last", "prev", "next", "match_rowtime", "match_proctime", "classifier", "match_number"];
        match function_name(&function.name) {
            Ok(name) if OF_MATCHES.contains(&name.as_str()) || is_aggregate(&name) => {
                let upper = name.to_uppercase();
                let error = Error::invalid(format!("{upper} cannot stand in an aggregate"));
                ControlFlow::Break(Box::new(at_span(error, function.name.span())))
            }
            Ok(name) => {
                self.units.extend(unit_of(&name, function));
                ControlFlow::Continue(())
            }
            Err(e) => ControlFlow::Break(Box::new(e)),
        }
    }
}

/// Where the word for a unit of time stands among the arguments.
fn unit_of(name: &str, function: &Function) -> Option<Span> {
    if !matches!(name, "timestampadd" | "timestampdiff") {
        return None;
    }
    match plain_arguments(function)?.first()? {
        Ast::Identifier(unit) => Some(unit.span),
        _ => None,
    }
}

/// The untyped truth value, unless there is such a column.
fn is_unknown(name: &Ident, scope: &Scope) -> bool {
    let is_word = name.quote_style.is_none() && name.value.eq_ignore_ascii_case("UNKNOWN");
    is_word && !scope.columns.iter().any(|c| c.name == name.value)
}

/// The arguments of a call without names, clauses or `*`.
fn plain_arguments(function: &Function) -> Option<Vec<&Ast>> {
    match &function.args {
        FunctionArguments::None => Some(Vec::new()),
        FunctionArguments::Subquery(_) => None,
        FunctionArguments::List(list) => list
            .args
            .iter()
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(ast)) => Some(ast),
                _ => None,
            })
            .collect(),
    }
}

fn plain_argument<'a>(arg: &'a FunctionArg, function: &str) -> Result<&'a Ast> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(ast)) => Ok(ast),
        other => Err(Error::invalid(format!("'{other}' is no argument of '{function}' in MATCH_RECOGNIZE"))),
    }
}

/// A constant offset. Flink takes a negative one and fails when it meets a match.
fn offset_of(ast: &Ast, function: &str) -> Result<u32> {
    let wrong = || {
        let error = Error::invalid(format!("the offset of {function} is no whole number"))
            .with_hint("It must be a constant: 0, 1, and so on.");
        at_span(error, ast.span())
    };
    match ast {
        Ast::Value(ValueWithSpan { value: AstValue::Number(text, false), .. }) => text.parse().map_err(|_| wrong()),
        Ast::UnaryOp { op: UnaryOperator::Plus, expr } => offset_of(expr, function),
        _ => Err(wrong()),
    }
}

/// `PROCTIME()`
fn proctime(function: &Function) -> Ast {
    let name = Ident { value: PROCTIME.to_owned(), quote_style: None, span: function.name.span() };
    Ast::Function(Function { name: ObjectName::from(vec![name]), ..function.clone() })
}
