//! What combinations of rows must meet.

use arrow_array::{ArrayRef, BooleanArray};
use arrow_schema::DataType;
use flott_api::expr::Expr;
use flott_api::{LogicalType, Result, TypeKind};
use flott_functions::{CompileContext, EvalContext};
use flott_graph::spec::{JoinKind, MultiJoinSpec};

use crate::condition::Condition;

/// How an input is joined with those before it.
pub(super) struct Level {
    kind: JoinKind,
    /// Which inputs before it must have a row.
    pub(super) needs: Vec<usize>,
    /// What must hold, over its row and those before it.
    pub(super) whole: Option<Check>,
    /// The same for a row of it that is there from the begin: what can be tested behind each of the inputs before it.
    pub(super) early: Vec<Option<Check>>,
}

impl Level {
    /// Of all inputs; nothing is asked of the first.
    pub(super) fn all(spec: &MultiJoinSpec, cx: &CompileContext) -> Result<Vec<Level>> {
        let places = Places::of(spec);
        let first = Level { kind: JoinKind::Inner, needs: Vec::new(), whole: None, early: Vec::new() };
        let mut levels = vec![first];
        for (before, step) in spec.steps.iter().enumerate() {
            let check = |conditions: Vec<Expr>| Check::of(conditions, &places, cx);
            let early = (0..=before).map(|at| {
                let of_it = |e: &&Expr| places.testable_behind(e, before + 1) == at;
                check(step.conditions.iter().filter(of_it).cloned().collect())
            });
            levels.push(Level {
                kind: step.kind,
                needs: step.needs.clone(),
                whole: check(step.conditions.clone())?,
                early: early.collect::<Result<_>>()?,
            });
        }
        Ok(levels)
    }

    /// Whether what comes before stays without a row of it.
    pub(super) fn is_left(&self) -> bool {
        self.kind == JoinKind::Left
    }

    /// Whether it takes a test to know if a combination stays without a row of it.
    pub(super) fn tests_for_nulls(&self) -> bool {
        self.is_left() && self.whole.is_some()
    }
}

/// Which input a column is of.
struct Places {
    /// For each column of the output the input, the place there, and the type.
    columns: Vec<(usize, usize, DataType)>,
}

/// Comparisons, which never fail: they may be made of rows that do not come out.
const COMPARISONS: [&str; 8] = ["=", "<>", "<", "<=", ">", ">=", "is not distinct from", "is distinct from"];

impl Places {
    fn of(spec: &MultiJoinSpec) -> Self {
        let mut columns = Vec::new();
        for (input, side) in spec.inputs.iter().enumerate() {
            let fields = side.input.fields.iter().enumerate();
            columns.extend(fields.map(|(at, field)| (input, at, field.ty.arrow())));
        }
        Places { columns }
    }

    fn input_of(&self, column: usize) -> usize {
        self.columns.get(column).map_or(usize::MAX, |(input, ..)| *input)
    }

    /// Behind which input before `own` a condition can be tested if the row of `own` is there.
    fn testable_behind(&self, condition: &Expr, own: usize) -> usize {
        let Expr::Call { function, args, .. } = condition else { return own - 1 };
        let is_plain = |e: &Expr| matches!(e, Expr::Column { .. } | Expr::Literal { .. });
        if !COMPARISONS.contains(&function.name.as_str()) || !args.iter().all(is_plain) {
            return own - 1;
        }
        let read = condition.columns().into_iter().map(|column| self.input_of(column));
        read.filter(|input| *input < own).max().unwrap_or(0)
    }
}

/// A condition over rows of several inputs.
pub(super) struct Check {
    /// For each column of the output the input and the place there.
    places: Vec<(usize, usize)>,
    condition: Condition,
}

impl Check {
    /// Nothing if nothing is asked.
    fn of(conditions: Vec<Expr>, places: &Places, cx: &CompileContext) -> Result<Option<Self>> {
        let mut conditions = conditions;
        let condition = match conditions.len() {
            0 => return Ok(None),
            1 => conditions.remove(0),
            _ => Expr::call("and", conditions, LogicalType::new(TypeKind::Boolean)),
        };
        let types: Vec<DataType> = places.columns.iter().map(|(_, _, ty)| ty.clone()).collect();
        let places = places.columns.iter().map(|(input, at, _)| (*input, *at)).collect();
        Ok(Some(Check { places, condition: Condition::new(&condition, &types, cx)? }))
    }

    /// Which of so many combinations pass; `column` gives a column of an input for each.
    pub(super) fn passing(
        &self,
        count: usize,
        column: impl Fn(usize, usize) -> Result<ArrayRef>,
        cx: &EvalContext,
    ) -> Result<BooleanArray> {
        let of_output = |at: usize| {
            let (input, place) = self.places[at];
            column(input, place)
        };
        self.condition.passing(count, of_output, cx)
    }
}
