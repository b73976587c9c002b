//! `MATCH_RECOGNIZE`. What Flink has no answer for is refused here, with its place; also what it takes and ignores: `SUBSET`,
//! anchors, and names of tables before columns.

mod expression;
mod pattern;

use flott_api::error::nearest;
use flott_api::expr::{Expr, Value};
use flott_api::{Error, Result, TypeKind};
use flott_graph::spec::{MatchExpr, MatchRows, MatchSkip, PatternVariable, SortField};
use sqlparser::ast::{
    AfterMatchSkip, Expr as Ast, Ident, Measure, OrderByExpr, RowsPerMatch, Spanned, SymbolDefinition, TableFactor,
};

use super::{Binder, refuse};
use crate::parser::ast::ident_location;
use crate::parser::ast::view::PatternClauses;
use crate::plan::rel::{Column, Match, Op, Rel};
use crate::plan::scope::{Scope, at_span};
use expression::Place;

impl Binder<'_> {
    /// The matches in a table: its partition columns, then the measures.
    pub(super) fn bind_match(&self, factor: &TableFactor) -> Result<Rel> {
        let TableFactor::MatchRecognize {
            table,
            partition_by,
            order_by,
            measures,
            rows_per_match,
            after_match_skip,
            pattern,
            symbols,
            alias: _,
        } = factor
        else {
            return Err(Error::internal("a table is no MATCH_RECOGNIZE"));
        };
        let all_rows = all_rows(rows_per_match.as_ref())?;
        let clauses = PatternClauses::of(symbols);
        if let Some((subset, _)) = clauses.subsets.first() {
            return Err(Error::unsupported("SUBSET in MATCH_RECOGNIZE").at(ident_location(subset)));
        }
        let (rel, scope) = self.table_factor(table).map_err(|e| at_span(e, table.span()))?;
        let partition =
            partition_by.iter().map(|key| column(&scope, key, "PARTITION BY")).collect::<Result<Vec<_>>>()?;
        let (time, order) = order(&rel, &scope, order_by)?;
        let (pattern, names) = pattern::bind(pattern)?;
        let variables: Vec<String> = names.iter().map(|n| n.value.clone()).collect();
        let place = Place { scope: &scope, variables: &variables, time: rel.columns[time].time, own: None, all_rows };
        let (measures, measured) = self.measures(measures, &place, &rel.columns)?;
        let bound = Match {
            skip: skip(after_match_skip.as_ref(), &variables)?,
            within_ms: clauses.within.map(|within| self.within(within)).transpose()?,
            variables: self.definitions(&clauses.define, &place)?,
            rows: if all_rows {
                MatchRows::All(passed(&partition, time, &order, rel.columns.len()))
            } else {
                MatchRows::One
            },
            partition,
            time,
            order,
            pattern,
            measures,
        };
        // When a match is found its rows are late: their time orders nothing behind it.
        let time_of = |column: &Column| column.time.filter(|_| !all_rows);
        let passed = bound.passed().iter().map(|c| &rel.columns[*c]);
        let passed = passed.map(|c| Column { window: None, time: time_of(c), ..c.clone() });
        let columns: Vec<Column> = passed.chain(measured).collect();
        refuse_doubles(&columns)?;
        Ok(Rel { op: Op::Match(Box::new(bound)), inputs: vec![rel], columns })
    }

    /// `MEASURES`: expressions and their columns.
    fn measures(
        &self,
        measures: &[Measure],
        place: &Place<'_>,
        input: &[Column],
    ) -> Result<(Vec<MatchExpr>, Vec<Column>)> {
        if measures.is_empty() && !place.all_rows {
            return Err(Error::invalid("MATCH_RECOGNIZE has no MEASURES")
                .with_hint("They are what comes out of a match: write MEASURES LAST(A.x) AS x."));
        }
        let bound = measures.iter().map(|Measure { expr, alias }| {
            let bound = self.match_expression(expr, place, "MEASURES")?;
            let time = expression::time_attribute(&bound, if place.all_rows { &[] } else { input });
            let column = Column { time, ..Column::new(&alias.value, bound.expr.ty().clone()) };
            Ok((bound, column))
        });
        Ok(bound.collect::<Result<Vec<_>>>()?.into_iter().unzip())
    }

    /// `DEFINE`: the variables of the pattern with their conditions.
    fn definitions(&self, define: &[&SymbolDefinition], place: &Place<'_>) -> Result<Vec<PatternVariable>> {
        let variable = |name: &String| PatternVariable { name: name.clone(), condition: None };
        let mut variables: Vec<PatternVariable> = place.variables.iter().map(variable).collect();
        let mut seen: Vec<&str> = Vec::new();
        for SymbolDefinition { symbol, definition } in define {
            if seen.contains(&symbol.value.as_str()) {
                let error = Error::invalid(format!("pattern variable '{}' is defined twice", symbol.value));
                return Err(error.at(ident_location(symbol)));
            }
            seen.push(&symbol.value);
            let own = place.variables.iter().position(|v| *v == symbol.value);
            let condition = self.match_expression(definition, &Place { own: Some(own), ..*place }, "DEFINE")?;
            if condition.expr.ty().kind != TypeKind::Boolean {
                let kind = &condition.expr.ty().kind;
                let error = Error::invalid(format!("DEFINE has a condition of type {kind}"))
                    .with_hint("A condition must be a BOOLEAN: compare the value with something.");
                return Err(at_span(error, definition.span()));
            }
            // As in Flink, the condition of a variable that the pattern does not have decides nothing.
            if let Some(own) = own {
                variables[own].condition = Some(condition);
            }
        }
        Ok(variables)
    }

    fn within(&self, within: &Ast) -> Result<i64> {
        match self.expression(within, &Scope::default(), "WITHIN")? {
            Expr::Literal { value: Value::Int(ms), ty } if ty.kind == TypeKind::IntervalDayTime => Ok(ms),
            _ => {
                let error = Error::invalid("WITHIN takes a constant interval of days to seconds")
                    .with_hint("Write WITHIN INTERVAL '1' HOUR.");
                Err(at_span(error, within.span()))
            }
        }
    }
}

/// Whether all rows of a match come out. A pattern that is empty is refused, so there are no empty matches to show.
fn all_rows(rows: Option<&RowsPerMatch>) -> Result<bool> {
    match rows {
        None | Some(RowsPerMatch::OneRow) => Ok(false),
        Some(RowsPerMatch::AllRows(None)) => Ok(true),
        Some(RowsPerMatch::AllRows(Some(mode))) => {
            Err(Error::unsupported(format!("{mode} in MATCH_RECOGNIZE")).with_hint("Write ALL ROWS PER MATCH."))
        }
    }
}

/// The columns of all rows of a match, as Calcite has them: by which they are parted, by which they are ordered, the others.
fn passed(partition: &[usize], time: usize, order: &[SortField], columns: usize) -> Vec<usize> {
    let order = order.iter().map(|f| f.column);
    let mut all: Vec<usize> = Vec::with_capacity(columns);
    for column in partition.iter().copied().chain([time]).chain(order).chain(0..columns) {
        if !all.contains(&column) {
            all.push(column);
        }
    }
    all
}

/// The column of the input that a key is.
fn column(scope: &Scope, key: &Ast, clause: &str) -> Result<usize> {
    let parts = match key {
        Ast::Identifier(name) => std::slice::from_ref(name),
        Ast::CompoundIdentifier(parts) => parts,
        _ => &[],
    };
    if !parts.is_empty()
        && let Expr::Column { index, .. } = scope.resolve(parts)?
    {
        return Ok(index);
    }
    let error = Error::invalid(format!("{clause} of MATCH_RECOGNIZE takes columns"))
        .with_hint("Compute the value in a query below it.");
    Err(at_span(error, key.span()))
}

/// The time by which rows are ordered, and the order of those of one time.
fn order(rel: &Rel, scope: &Scope, order_by: &[OrderByExpr]) -> Result<(usize, Vec<SortField>)> {
    const HINT: &str = "ORDER BY a column with a WATERMARK, or one that is PROCTIME(), before all others.";
    let mut fields = Vec::with_capacity(order_by.len());
    for OrderByExpr { expr, options, with_fill } in order_by {
        refuse::clause(with_fill.is_some(), "WITH FILL")?;
        let descending = options.asc == Some(false);
        // Flink has nulls below all values.
        let nulls_last = options.nulls_first.map_or(descending, |first| !first);
        fields.push((SortField { column: column(scope, expr, "ORDER BY")?, descending, nulls_last }, expr));
    }
    let Some((time, place)) = fields.first() else {
        return Err(Error::invalid("MATCH_RECOGNIZE has no ORDER BY").with_hint(HINT));
    };
    if rel.columns[time.column].time.is_none() {
        let name = &rel.columns[time.column].name;
        let error = Error::invalid(format!("column '{name}' of ORDER BY is no time attribute")).with_hint(HINT);
        return Err(at_span(error, place.span()));
    }
    if time.descending {
        let error = Error::unsupported("MATCH_RECOGNIZE in descending order of time").with_hint("Leave DESC out.");
        return Err(at_span(error, place.span()));
    }
    Ok((time.column, fields[1..].iter().map(|(field, _)| *field).collect()))
}

/// `AFTER MATCH SKIP`; without it the next match may begin with the next row, as in Flink.
fn skip(after: Option<&AfterMatchSkip>, variables: &[String]) -> Result<MatchSkip> {
    Ok(match after {
        None | Some(AfterMatchSkip::ToNextRow) => MatchSkip::ToNextRow,
        Some(AfterMatchSkip::PastLastRow) => MatchSkip::PastLastRow,
        Some(AfterMatchSkip::ToFirst(name)) => MatchSkip::ToFirst(variable(name, variables)?),
        Some(AfterMatchSkip::ToLast(name)) => MatchSkip::ToLast(variable(name, variables)?),
    })
}

fn variable(name: &Ident, variables: &[String]) -> Result<usize> {
    variables.iter().position(|v| *v == name.value).ok_or_else(|| {
        let error = Error::invalid(format!("the pattern has no variable '{}'", name.value)).at(ident_location(name));
        match nearest(&name.value, variables.iter().map(String::as_str)) {
            Some(meant) => error.with_hint(format!("Did you mean '{meant}'?")),
            None => error.with_hint(format!("It has {}.", variables.join(", "))),
        }
    })
}

fn refuse_doubles(columns: &[Column]) -> Result<()> {
    let doubled = columns.iter().enumerate().find(|(i, c)| columns[..*i].iter().any(|before| before.name == c.name));
    match doubled {
        None => Ok(()),
        Some((_, column)) => Err(Error::invalid(format!("MATCH_RECOGNIZE gives column '{}' twice", column.name))
            .with_hint("Partition columns come out by themselves; call the measure something else.")),
    }
}
