//! Joins: by hash or by order where columns are equal, all pairs elsewhere.

mod equal;

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use datafusion_common::{JoinType, NullEquality};
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::joins::NestedLoopJoinExec;
use datafusion_physical_plan::joins::utils::JoinFilter;
use flott_api::Result;
use flott_api::expr::Expr;
use flott_graph::spec::JoinKind;

use crate::columns;
use crate::error::released;
use crate::expression::Compiler;

/// How two inputs are joined.
pub(crate) struct JoinParts<'a> {
    pub(crate) kind: JoinKind,
    pub(crate) keys: &'a [Vec<usize>; 2],
    pub(crate) nulls_meet: bool,
    pub(crate) condition: Option<&'a Expr>,
}

/// The join of two inputs.
pub(crate) fn joined(
    parts: &JoinParts<'_>,
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    compiler: &Compiler,
) -> Result<Arc<dyn ExecutionPlan>> {
    let kind = join_type(parts.kind);
    let filter = parts.condition.map(|c| filter(c, &left.schema(), &right.schema(), compiler)).transpose()?;
    if parts.keys[0].is_empty() {
        let join = NestedLoopJoinExec::try_new(left, right, filter, &kind, None).map_err(released)?;
        return join.swap_inputs().map_err(released);
    }
    let (of_left, of_right) = (left.schema(), right.schema());
    let pairs = parts.keys[0].iter().zip(&parts.keys[1]);
    let on = pairs.map(|(l, r)| (columns::column(&of_left, *l), columns::column(&of_right, *r))).collect();
    let nulls = if parts.nulls_meet { NullEquality::NullEqualsNull } else { NullEquality::NullEqualsNothing };
    equal::EqualJoin::tree(equal::Equality { on, filter, kind, nulls }, left, right)
}

fn join_type(kind: JoinKind) -> JoinType {
    match kind {
        JoinKind::Inner => JoinType::Inner,
        JoinKind::Left => JoinType::Left,
        JoinKind::Right => JoinType::Right,
        JoinKind::Full => JoinType::Full,
        JoinKind::Semi => JoinType::LeftSemi,
        JoinKind::Anti => JoinType::LeftAnti,
    }
}

/// The rest of a condition, over the columns that it reads and no others; a constant one sees the first column.
fn filter(condition: &Expr, left: &SchemaRef, right: &SchemaRef, compiler: &Compiler) -> Result<JoinFilter> {
    let width = left.fields().len();
    let mut read = condition.columns();
    read.sort_unstable();
    read.dedup();
    if read.is_empty() && width + right.fields().len() > 0 {
        read.push(0);
    }
    let place = |column: usize| read.iter().position(|c| *c == column).unwrap_or(column);
    let own = condition.clone().transform(&mut |e| match e {
        Expr::Column { index, ty } => Expr::Column { index: place(index), ty },
        other => other,
    });
    let field = |column: usize| match column.checked_sub(width) {
        None => left.field(column).clone(),
        Some(column) => right.field(column).clone(),
    };
    let named = read.iter().enumerate().map(|(i, c)| field(*c).with_name(columns::name(i)));
    let schema: SchemaRef = Arc::new(Schema::new(named.collect::<Vec<_>>()));
    let of_left = read.iter().copied().filter(|c| *c < width).collect();
    let of_right = read.iter().filter_map(|c| c.checked_sub(width)).collect();
    let indices = JoinFilter::build_column_indices(of_left, of_right);
    Ok(JoinFilter::new(compiler.expression(&own, &schema)?, indices, schema))
}
