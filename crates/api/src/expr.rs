//! The typed expression tree that plans carry: made by `sql`, compiled by `functions` for the
//! operators, read by connectors for push-down.
//!
//! Every node knows its type; casts and coercions are explicit nodes. It is versioned like a file
//! format: a function is named by id *and* version, so that its meaning in an old plan stays.

use serde::{Deserialize, Serialize};

use crate::LogicalType;
use crate::function::UserFunction;

/// A typed expression over the columns of one row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Expr {
    /// A column of the input.
    Column {
        /// Its position.
        index: usize,
        /// Its type.
        ty: LogicalType,
    },
    /// A constant.
    Literal {
        /// Its value.
        value: Value,
        /// Its type.
        ty: LogicalType,
    },
    /// A function or operator (`+`, `AND` and `LIKE` are functions too).
    Call {
        /// Which function.
        function: FunctionId,
        /// Its arguments, coerced to what the function takes.
        args: Vec<Expr>,
        /// Its result.
        ty: LogicalType,
    },
    /// `CASE WHEN .. THEN .. ELSE .. END`; branches are evaluated only for the rows that take them.
    Case {
        /// Condition and result, in order.
        branches: Vec<(Expr, Expr)>,
        /// The result where no condition is true.
        otherwise: Box<Expr>,
        /// The result's type.
        ty: LogicalType,
    },
    /// `CAST`, `TRY_CAST`, or an implicit cast.
    Cast {
        /// What is cast.
        input: Box<Expr>,
        /// The target.
        ty: LogicalType,
        /// Whether a failure gives null (`TRY_CAST`) or fails.
        try_cast: bool,
    },
    /// A field of a row.
    Field {
        /// The row.
        input: Box<Expr>,
        /// The field's position.
        index: usize,
        /// The field's type.
        ty: LogicalType,
    },
}

/// A function's lasting name, or what it is if a user brought it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FunctionId {
    /// Lower-case name.
    pub name: String,
    /// Rises when the meaning changes.
    pub version: u16,
    /// A function of a user: the name is only how it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Box<UserFunction>>,
}

impl FunctionId {
    /// Version 1 of a function.
    pub fn new(name: impl Into<String>) -> Self {
        FunctionId { name: name.into(), version: 1, user: None }
    }

    /// A function of a user, under the name by which it is called. No built-in one has such a name.
    pub fn of_user(called: &str, function: UserFunction) -> Self {
        FunctionId { user: Some(Box::new(function)), ..FunctionId::new(format!("{OF_USER}{called}")) }
    }

    /// What people call it.
    pub fn called(&self) -> &str {
        self.name.strip_prefix(OF_USER).unwrap_or(&self.name)
    }
}

/// Before the names of users' functions, so that nobody takes one for a built-in function.
const OF_USER: &str = "user ";

/// The value of a constant. Which variant belongs to which type is fixed by the type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Value {
    /// Null of any type.
    Null,
    /// `BOOLEAN`
    Boolean(bool),
    /// Integers; `DATE` in days, `TIME` in milliseconds, intervals in months or milliseconds.
    Int(i64),
    /// `DECIMAL`, unscaled.
    Decimal(i128),
    /// `FLOAT` and `DOUBLE` by their bits, so that plans compare.
    DoubleBits(u64),
    /// `CHAR` and `VARCHAR`.
    String(String),
    /// `BINARY` and `VARBINARY`.
    Bytes(Vec<u8>),
    /// Timestamps.
    Timestamp {
        /// Milliseconds since the epoch, floored.
        millis: i64,
        /// Nanoseconds within the millisecond.
        nanos: u32,
    },
}

impl Value {
    /// A `DOUBLE` or `FLOAT` value.
    pub fn double(value: f64) -> Self {
        Value::DoubleBits(value.to_bits())
    }
}

impl Expr {
    /// A column.
    pub fn column(index: usize, ty: LogicalType) -> Self {
        Expr::Column { index, ty }
    }

    /// A constant.
    pub fn literal(value: Value, ty: LogicalType) -> Self {
        Expr::Literal { value, ty }
    }

    /// A call of version 1 of a function.
    pub fn call(name: &str, args: Vec<Expr>, ty: LogicalType) -> Self {
        Expr::Call { function: FunctionId::new(name), args, ty }
    }

    /// The type of its result.
    pub fn ty(&self) -> &LogicalType {
        match self {
            Expr::Column { ty, .. }
            | Expr::Literal { ty, .. }
            | Expr::Call { ty, .. }
            | Expr::Case { ty, .. }
            | Expr::Cast { ty, .. }
            | Expr::Field { ty, .. } => ty,
        }
    }

    /// The expressions directly below.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Column { .. } | Expr::Literal { .. } => Vec::new(),
            Expr::Call { args, .. } => args.iter().collect(),
            Expr::Case { branches, otherwise, .. } => {
                branches.iter().flat_map(|(c, r)| [c, r]).chain([otherwise.as_ref()]).collect()
            }
            Expr::Cast { input, .. } | Expr::Field { input, .. } => vec![input],
        }
    }

    fn children_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Expr::Column { .. } | Expr::Literal { .. } => Vec::new(),
            Expr::Call { args, .. } => args.iter_mut().collect(),
            Expr::Case { branches, otherwise, .. } => {
                branches.iter_mut().flat_map(|(c, r)| [c, r]).chain([otherwise.as_mut()]).collect()
            }
            Expr::Cast { input, .. } | Expr::Field { input, .. } => vec![input],
        }
    }

    /// Calls `visit` on this expression and all below it, parents first.
    pub fn visit<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        visit(self);
        for child in self.children() {
            child.visit(visit);
        }
    }

    /// Rewrites every node, children first.
    #[must_use]
    pub fn transform(mut self, rewrite: &mut impl FnMut(Expr) -> Expr) -> Expr {
        for child in self.children_mut() {
            let taken = std::mem::replace(child, Expr::literal(Value::Null, LogicalType::new(crate::TypeKind::Null)));
            *child = taken.transform(rewrite);
        }
        rewrite(self)
    }

    /// Replaces expressions, parents first; what was put in place is not looked into.
    #[must_use]
    pub fn replace(mut self, replacement: &mut impl FnMut(&Expr) -> Option<Expr>) -> Expr {
        if let Some(other) = replacement(&self) {
            return other;
        }
        for child in self.children_mut() {
            let taken = std::mem::replace(child, Expr::literal(Value::Null, LogicalType::new(crate::TypeKind::Null)));
            *child = taken.replace(replacement);
        }
        self
    }

    /// The columns it reads, ascending, each once.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns = Vec::new();
        self.visit(&mut |e| {
            if let Expr::Column { index, .. } = e {
                columns.push(*index);
            }
        });
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TypeKind;

    fn sample() -> Expr {
        let int = LogicalType::new(TypeKind::Int);
        let sum = Expr::call("+", vec![Expr::column(2, int.clone()), Expr::column(0, int.clone())], int.clone());
        Expr::Case {
            branches: vec![(Expr::column(5, LogicalType::new(TypeKind::Boolean)), sum)],
            otherwise: Box::new(Expr::literal(Value::double(0.5), LogicalType::new(TypeKind::Double))),
            ty: int,
        }
    }

    #[test]
    fn it_names_its_columns_and_survives_its_bytes() {
        assert_eq!(sample().columns(), [0, 2, 5]);
        let bytes = serde_json::to_vec(&sample()).unwrap();
        assert_eq!(serde_json::from_slice::<Expr>(&bytes).unwrap(), sample());
    }

    #[test]
    fn transform_reaches_every_node() {
        let shifted = sample().transform(&mut |e| match e {
            Expr::Column { index, ty } => Expr::Column { index: index + 1, ty },
            other => other,
        });
        assert_eq!(shifted.columns(), [1, 3, 6]);
    }
}
