//! Finds patterns in the rows of each partition.

use flott_api::expr::Expr;
use flott_api::table::ChangelogMode;
use flott_api::{Error, Result};
use flott_graph::spec::{MatchExpr, MatchOperand, MatchRecognizeSpec, MatchRows, PatternVariable, SortTime, Spec};

use super::Distribution;
use crate::plan::TimeAttribute;
use crate::plan::lower::meaning;
use crate::plan::print;
use crate::plan::rel::Match;
use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring, united};

impl StreamOp for Match {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        let input = united(inputs);
        if input.is_insert_only() {
            return Ok(input);
        }
        Err(Error::unsupported("MATCH_RECOGNIZE over a table with updates")
            .with_hint("It works on what is only appended to: a log, or an aggregation in windows."))
    }

    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn distribution(&self) -> Vec<Distribution> {
        vec![Distribution::by(&self.partition)]
    }

    fn describe(&self, text: &Text<'_>) -> String {
        print::physical_match(self, text.input(), &text.own, text.style)
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let time = wiring.node.inputs.first().and_then(|i| i.columns.get(self.time)).and_then(|c| c.time);
        let spec = MatchRecognizeSpec {
            input: wiring.input(0),
            partition: self.partition.clone(),
            time: if time == Some(TimeAttribute::Proctime) { SortTime::Proctime } else { SortTime::Rowtime(self.time) },
            order: self.order.clone(),
            variables: self.variables.clone(),
            pattern: self.pattern.clone(),
            skip: self.skip,
            within_ms: self.within_ms,
            rows: self.rows.clone(),
            measures: self.measures.clone(),
            session_zone: wiring.session_zone(),
            output: wiring.output(),
        };
        let read = wiring.meanings(0);
        let order: Vec<String> = self.order.iter().map(|f| format!("{} {f:?}", read[f.column])).collect();
        let define = self.variables.iter().map(|v| defined(v, read)).collect::<Vec<_>>().join(", ");
        let pattern = format!("{:?} ({define}) by {} {}", self.pattern, read[self.time], order.join(", "));
        let keys = wiring.keys_meaning(0, &self.partition);
        let (each, of) = match self.rows {
            MatchRows::One => (None, "of"),
            MatchRows::All(_) => (Some("of each row of"), "up to each row of"),
        };
        let passed = self.passed().iter().map(|c| match each {
            None => read[*c].clone(),
            Some(each) => format!("{} {each} {pattern} {keys}", read[*c]),
        });
        let measures = self.measures.iter().map(|m| format!("{} {of} {pattern} {keys}", of_match(m, read)));
        Ok(Wired {
            columns: passed.chain(measures).collect(),
            role: spec.role()?,
            stateful: true,
            meaning: format!("{keys}: {pattern}"),
        })
    }

    fn expressions(&self) -> Vec<&Expr> {
        Match::expressions(self).map(|e| &e.expr).collect()
    }
}

/// What a variable means: which rows it takes.
fn defined(variable: &PatternVariable, read: &[String]) -> String {
    variable.condition.as_ref().map_or_else(|| "any".to_owned(), |c| of_match(c, read))
}

/// What an expression over a match means.
fn of_match(of_match: &MatchExpr, read: &[String]) -> String {
    let operands: Vec<String> = of_match.operands.iter().map(|o| operand(o, read)).collect();
    meaning::expression(&of_match.expr, &operands)
}

fn operand(of: &MatchOperand, read: &[String]) -> String {
    match of {
        MatchOperand::Row { variable, from_first, offset, column } => {
            format!("{variable:?}.{from_first}.{offset}.{}", read[*column])
        }
        MatchOperand::Aggregate { variable, function, args, ty: _ } => {
            let args: Vec<String> = args.iter().map(|a| meaning::expression(a, read)).collect();
            format!("{variable:?}.{}-{}({})", function.name, function.version, args.join(", "))
        }
        MatchOperand::Rowtime { ty: _ } => "match_rowtime".to_owned(),
        MatchOperand::Classifier => "classifier".to_owned(),
        MatchOperand::MatchNumber => "match_number".to_owned(),
        MatchOperand::Final(whole) => format!("final {}", operand(whole, read)),
    }
}
