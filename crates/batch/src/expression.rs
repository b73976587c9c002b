//! A compiled expression behind DataFusion's `PhysicalExpr`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::{RecordBatch, new_empty_array};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::Column;
use flott_api::env::Environment;
use flott_api::expr::Expr;
use flott_functions::{CompileContext, CompiledExpr, EvalContext, compile};

use crate::columns;
use crate::error::carried;

/// What expressions of a query are compiled for: its zone, its world, and the moment at which it began.
#[derive(Clone)]
pub(crate) struct Compiler {
    pub(crate) session_zone: String,
    pub(crate) environment: Environment,
    pub(crate) now_ms: i64,
}

impl Compiler {
    /// The moment of the query, which is that of all its rows.
    pub(crate) fn moment(&self) -> EvalContext {
        EvalContext { processing_time_ms: self.now_ms, ..EvalContext::default() }
    }

    /// An expression over the rows of an operator.
    pub(crate) fn expression(&self, expr: &Expr, input: &Schema) -> flott_api::Result<Arc<dyn PhysicalExpr>> {
        if let Expr::Column { index, .. } = expr {
            return Ok(columns::column(input, *index));
        }
        let cx =
            CompileContext { session_zone: self.session_zone.clone(), environment: Some(self.environment.clone()) };
        let compiled = Arc::new(compile(expr, &cx)?);
        let mut read: Vec<usize> = expr.columns().into_iter().collect();
        read.sort_unstable();
        read.dedup();
        let children = read.into_iter().map(|c| columns::column(input, c)).collect();
        Ok(Arc::new(Computed { expr: expr.clone(), compiled, children, compiler: self.clone() }))
    }
}

/// See the module. Equal ones compute the same of the same row, but for functions like `RAND`.
#[derive(Clone)]
pub(crate) struct Computed {
    expr: Expr,
    compiled: Arc<CompiledExpr>,
    /// The columns that it reads, each once, in order.
    children: Vec<Arc<dyn PhysicalExpr>>,
    compiler: Compiler,
}

impl PhysicalExpr for Computed {
    fn return_field(&self, _: &Schema) -> Result<FieldRef> {
        Ok(Arc::new(Field::new("computed", self.expr.ty().arrow(), true)))
    }

    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(self.expr.ty().arrow())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    /// Of no rows nothing is evaluated: a constant part of it might fail.
    fn evaluate(&self, rows: &RecordBatch) -> Result<ColumnarValue> {
        if rows.num_rows() == 0 {
            return Ok(ColumnarValue::Array(new_empty_array(&self.expr.ty().arrow())));
        }
        let values = self.compiled.evaluate(rows, &self.compiler.moment()).map_err(carried)?;
        Ok(ColumnarValue::Array(values))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.children.iter().collect()
    }

    /// The same expression over the same columns at other places.
    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let place = |child: &Arc<dyn PhysicalExpr>| {
            let column = child.downcast_ref::<Column>().map(Column::index);
            column.ok_or_else(|| DataFusionError::Internal("a compiled expression reads columns only".to_owned()))
        };
        let old = self.children.iter().map(place).collect::<Result<Vec<_>>>()?;
        let new = children.iter().map(place).collect::<Result<Vec<_>>>()?;
        if old == new {
            return Ok(self);
        }
        let moved = |index: usize| old.iter().position(|o| *o == index).and_then(|at| new.get(at)).copied();
        let expr = self.expr.clone().transform(&mut |e| match e {
            Expr::Column { index, ty } => Expr::Column { index: moved(index).unwrap_or(index), ty },
            other => other,
        });
        let width = new.iter().max().map_or(0, |most| most + 1);
        let named = (0..width).map(|i| Field::new(columns::name(i), DataType::Null, true)).collect::<Vec<_>>();
        self.compiler.expression(&expr, &Schema::new(named)).map_err(carried)
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Computed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.expr)
    }
}

impl fmt::Debug for Computed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Computed({:?})", self.expr)
    }
}

impl PartialEq for Computed {
    fn eq(&self, other: &Self) -> bool {
        self.expr == other.expr
    }
}

impl Eq for Computed {}

impl Hash for Computed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expr.hash(state);
    }
}
