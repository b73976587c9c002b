//! Row patterns as Flink's plans show them.

use flott_api::expr::Expr;
use flott_graph::spec::{MatchExpr, MatchOperand, MatchRows, MatchSkip, RowPattern, SortField};

use super::{Style, expr, names, picked};
use crate::plan::rel::{Column, Match};

/// `Match(partitionBy=[k], orderBy=[ts ASC], measures=[..], ..)`
pub(in crate::plan) fn physical_match(matched: &Match, input: &[String], own: &[String], style: Style) -> String {
    let of_columns = Named { matched, columns: input, own: None };
    let measures = matched.measures.iter().zip(&own[matched.passed().len()..]);
    let (rows, extent) = match matched.rows {
        MatchRows::One => ("ONE ROW", "FINAL"),
        MatchRows::All(_) => ("ALL ROWS", "RUNNING"),
    };
    let measures = measures.map(|(m, name)| format!("{extent}({}) AS {name}", of_columns.expression(m, style)));
    let by = |f: &SortField| format!("{} {}", input[f.column], direction(f));
    let time = SortField { column: matched.time, descending: false, nulls_last: false };
    let order: Vec<String> = std::iter::once(&time).chain(&matched.order).map(by).collect();
    let partition = match matched.partition.as_slice() {
        [] => String::new(),
        keys => format!("partitionBy=[{}], ", picked(keys, input).join(", ")),
    };
    let define: Vec<String> = definitions(matched).into_iter().map(|(name, text)| format!("{name}={text}")).collect();
    let after = match matched.skip {
        MatchSkip::ToNextRow => "SKIP TO NEXT ROW".to_owned(),
        MatchSkip::PastLastRow => "SKIP PAST LAST ROW".to_owned(),
        MatchSkip::ToFirst(v) => format!("SKIP TO FIRST {}", quoted(matched, v)),
        MatchSkip::ToLast(v) => format!("SKIP TO LAST {}", quoted(matched, v)),
    };
    format!(
        "Match({partition}orderBy=[{}], measures=[{}], rowsPerMatch=[{rows} PER MATCH], after=[{after}], \
         pattern=[{}], define=[{{{}}}])",
        order.join(", "),
        measures.collect::<Vec<_>>().join(", "),
        pattern(matched, &matched.pattern),
        define.join(", ")
    )
}

/// `LogicalMatch(partition=[[0]], order=[[1 ASC-nulls-first]], outputFields=[[k, x]], ..)`
pub(in crate::plan) fn logical_match(matched: &Match, columns: &[Column], input: &[Column]) -> String {
    let by = |f: &SortField| {
        let nulls = if f.nulls_last { "last" } else { "first" };
        format!("{} {}-nulls-{nulls}", f.column, direction(f))
    };
    let time = SortField { column: matched.time, descending: false, nulls_last: false };
    let order: Vec<String> = std::iter::once(&time).chain(&matched.order).map(by).collect();
    let partition: Vec<String> = matched.partition.iter().map(ToString::to_string).collect();
    let define: Vec<String> = definitions(matched).into_iter().map(|(_, text)| text).collect();
    let interval = matched.within_ms.map(|ms| format!("interval=[{ms}:INTERVAL SECOND], ")).unwrap_or_default();
    let after = match matched.skip {
        MatchSkip::ToNextRow => "FLAG(SKIP TO NEXT ROW)".to_owned(),
        MatchSkip::PastLastRow => "FLAG(SKIP PAST LAST ROW)".to_owned(),
        MatchSkip::ToFirst(v) => format!("SKIP TO FIRST({})", quoted(matched, v)),
        MatchSkip::ToLast(v) => format!("SKIP TO LAST({})", quoted(matched, v)),
    };
    format!(
        "LogicalMatch(partition=[[{}]], order=[[{}]], outputFields=[[{}]], allRows=[{}], after=[{after}], \
         pattern=[{}], isStrictStarts=[false], isStrictEnds=[false], {interval}subsets=[[]], \
         patternDefinitions=[[{}]], inputFields=[[{}]])",
        partition.join(", "),
        order.join(", "),
        names(columns).join(", "),
        matched.rows != MatchRows::One,
        pattern(matched, &matched.pattern),
        define.join(", "),
        names(input).join(", ")
    )
}

fn direction(field: &SortField) -> &'static str {
    if field.descending { "DESC" } else { "ASC" }
}

/// A variable as a literal.
fn quoted(matched: &Match, variable: usize) -> String {
    format!("_UTF-16LE'{}'", matched.variables[variable].name)
}

/// `(('A', PATTERN_QUANTIFIER('B', 1, -1, false)), 'C')`
fn pattern(matched: &Match, part: &RowPattern) -> String {
    let joined = |parts: &[RowPattern], operator: &str| {
        let parts = parts.iter().map(|p| pattern(matched, p));
        parts.reduce(|left, right| format!("{operator}({left}, {right})")).unwrap_or_default()
    };
    match part {
        RowPattern::Variable(v) => quoted(matched, *v),
        RowPattern::Sequence(parts) => joined(parts, ""),
        RowPattern::Alternatives(parts) => joined(parts, "|"),
        RowPattern::Permute(variables) => {
            let parts: Vec<String> = variables.iter().map(|v| quoted(matched, *v)).collect();
            format!("PATTERN_PERMUTE({})", parts.join(", "))
        }
        RowPattern::Repeat { pattern: inner, min, max, greedy } => {
            let max = max.map_or(-1, i64::from);
            format!("PATTERN_QUANTIFIER({}, {min}, {max}, {})", pattern(matched, inner), !greedy)
        }
    }
}

/// The variables that are defined, each with its condition.
fn definitions(matched: &Match) -> Vec<(&str, String)> {
    let mut all = Vec::new();
    for (own, variable) in matched.variables.iter().enumerate() {
        if let Some(condition) = &variable.condition {
            let named = Named { matched, columns: &[], own: Some(own) };
            all.push((variable.name.as_str(), named.expression(condition, Style::Logical)));
        }
    }
    all
}

/// How operands are called.
struct Named<'a> {
    matched: &'a Match,
    /// Names of the input columns; none for `$2`.
    columns: &'a [String],
    /// In a condition its variable.
    own: Option<usize>,
}

impl Named<'_> {
    fn expression(&self, of_match: &MatchExpr, style: Style) -> String {
        let operands: Vec<String> = of_match.operands.iter().map(|o| self.operand(o, style)).collect();
        match &of_match.expr {
            Expr::Call { function, .. } if function.name == crate::plan::rel::PROCTIME => "MATCH_PROCTIME()".to_owned(),
            other => expr(other, &operands, style),
        }
    }

    fn variable(&self, variable: Option<usize>) -> &str {
        variable.map_or("*", |v| self.matched.variables[v].name.as_str())
    }

    fn column(&self, variable: Option<usize>, column: usize) -> String {
        let name = self.columns.get(column).cloned().unwrap_or_else(|| format!("${column}"));
        format!("{}.{name}", self.variable(variable))
    }

    fn operand(&self, operand: &MatchOperand, style: Style) -> String {
        match operand {
            MatchOperand::Row { variable, from_first, offset, column } => {
                let of = self.column(*variable, *column);
                match (from_first, offset, self.own) {
                    (true, offset, _) => format!("FIRST({of}, {offset})"),
                    (false, 0, None) => of,
                    (false, 0, Some(own)) if *variable == Some(own) => format!("PREV({of}, 0)"),
                    (false, offset, _) => format!("LAST({of}, {offset})"),
                }
            }
            MatchOperand::Aggregate { variable, function, args, .. } => {
                let width = args.iter().flat_map(Expr::columns).max().map_or(0, |c| c + 1);
                let columns: Vec<String> = (0..width).map(|c| self.column(*variable, c)).collect();
                let args: Vec<String> = args.iter().map(|a| expr(a, &columns, style)).collect();
                format!("{}({})", function.name.to_uppercase(), args.join(", "))
            }
            MatchOperand::Rowtime { .. } => "MATCH_ROWTIME()".to_owned(),
            MatchOperand::Classifier => "CLASSIFIER()".to_owned(),
            MatchOperand::MatchNumber => "MATCH_NUMBER()".to_owned(),
            MatchOperand::Final(of) => format!("FINAL({})", self.operand(of, style)),
        }
    }
}
