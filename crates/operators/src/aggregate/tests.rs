//! Every aggregate over every type, against rows recorded from Flink (`agg/types.sql`,
//! `agg/overflow.sql`, `agg/others.sql`), and with every row taken back again.

use arrow_array::RecordBatch;
use flott_api::aggregate::Change;
use flott_api::expr::FunctionId;
use flott_api::testing::{batch, lines};
use flott_api::{ChangeBatch, Field, Schema, TypeKind};
use flott_state::hot::{GroupEntries, MapViewOptions};

use super::groups::{Groups, Plan, Rows};
use super::*;

mod values;

fn decimal(precision: u8, scale: u8) -> TypeKind {
    TypeKind::Decimal { precision, scale }
}

struct Fold {
    input: Schema,
    output: Schema,
    plan: Plan,
    groups: Groups,
}

impl Fold {
    fn new(arg: TypeKind, calls: &[(&str, TypeKind)], retract: bool) -> Self {
        let input = Schema::new(vec![Field::new("x", LogicalType::new(arg))]);
        let call = |(name, ty): &(&str, TypeKind)| AggregateCall {
            function: FunctionId::new(*name),
            args: vec![0],
            filter: None,
            distinct: false,
            ty: LogicalType::new(ty.clone()),
        };
        let calls: Vec<AggregateCall> = calls.iter().map(call).collect();
        let plan = Plan::new(&input, &[], &calls, MapViewOptions { retract, ttl_ms: 0 }).unwrap();
        let output = Schema::new(calls.iter().map(|c| Field::new("a", c.ty.clone())).collect());
        Fold { groups: plan.groups().unwrap(), input, output, plan }
    }

    fn shown(&self, columns: Vec<arrow_array::ArrayRef>) -> Vec<String> {
        let rows = RecordBatch::try_new(self.output.arrow(), columns).unwrap();
        lines(&ChangeBatch::inserts(rows)).iter().map(|l| l[5..].to_owned()).collect()
    }

    /// The values after each row; `-x` takes x back.
    fn running(&mut self, values: &str) -> Vec<String> {
        let kind = |v: &str| if v.starts_with("back:") { Change::Retract } else { Change::Add };
        let changes: Vec<Change> = values.split(' ').map(kind).collect();
        let text: Vec<String> = values.split(' ').map(|v| format!("+I | {}", v.trim_start_matches("back:"))).collect();
        let rows = batch(&self.input, &text.join("\n"));
        let groups = vec![0; rows.len()];
        self.groups.grow(1);
        let rows = Rows { columns: rows.rows(), groups: &groups, changes: Some(&changes), now_ms: 0 };
        let running = self.groups.running(&self.plan, &rows).unwrap();
        let after = self.shown(running.iter().map(|r| r.after.clone()).collect());
        let before = self.shown(running.iter().map(|r| r.before.clone()).collect());
        assert_eq!(before[1..], after[..after.len() - 1], "each row begins where the one before it ended");
        let values = self.groups.values(&self.plan, &[0]).unwrap();
        assert_eq!(self.shown(values)[0], after[after.len() - 1], "the value of the group is that of its last row");
        after
    }
}

fn running(arg: TypeKind, calls: &[(&str, TypeKind)], values: &str) -> Vec<String> {
    Fold::new(arg, calls, values.contains("back:")).running(values)
}

#[test]
fn numbers_are_those_recorded_from_flink() {
    for kind in [TypeKind::TinyInt, TypeKind::SmallInt, TypeKind::Int, TypeKind::BigInt] {
        let calls = ["sum", "avg", "min", "max"].map(|name| (name, kind.clone()));
        let expected = ["1 | 1 | 1 | 1", "3 | 1 | 1 | 2", "7 | 2 | 1 | 4", "-1 | 0 | -8 | 4"];
        assert_eq!(running(kind, &calls, "1 2 4 -8"), expected);
    }
    let float = ["sum", "avg", "min", "max"].map(|name| (name, TypeKind::Float));
    let expected =
        ["0.5 | 0.5 | 0.5 | 0.5", "1.5 | 0.75 | 0.5 | 1", "3.5 | 1.1666666 | 0.5 | 2", "-0.5 | -0.125 | -4 | 2"];
    assert_eq!(running(TypeKind::Float, &float, "0.5 1 2 -4"), expected);
    let double = ["sum", "avg", "min", "max"].map(|name| (name, TypeKind::Double));
    let expected = [
        "0.5 | 0.5 | 0.5 | 0.5",
        "1.5 | 0.75 | 0.5 | 1",
        "3.5 | 1.1666666666666667 | 0.5 | 2",
        "-0.5 | -0.125 | -4 | 2",
    ];
    assert_eq!(running(TypeKind::Double, &double, "0.5 1 2 -4"), expected);
    let calls = [("sum", decimal(38, 2)), ("avg", decimal(38, 6)), ("min", decimal(10, 2)), ("max", decimal(10, 2))];
    let expected = [
        "0.50 | 0.500000 | 0.50 | 0.50",
        "1.50 | 0.750000 | 0.50 | 1.00",
        "3.50 | 1.166667 | 0.50 | 2.00",
        "-0.50 | -0.125000 | -4.00 | 2.00",
    ];
    assert_eq!(running(decimal(10, 2), &calls, "0.5 1 2 -4"), expected);
    let wide = [("avg", decimal(38, 18))];
    assert_eq!(running(decimal(38, 18), &wide, "0.5 1 2")[2], "1.166666666666666667");
}

#[test]
fn overflows_are_those_recorded_from_flink() {
    let tiny = [("sum", TypeKind::TinyInt), ("avg", TypeKind::TinyInt)];
    assert_eq!(running(TypeKind::TinyInt, &tiny, "100 100"), ["100 | 100", "-56 | 100"]);
    let big = [("sum", TypeKind::BigInt), ("avg", TypeKind::BigInt)];
    let expected = ["9223372036854775807 | 9223372036854775807", "-9223372036854775808 | -4611686018427387904"];
    assert_eq!(running(TypeKind::BigInt, &big, "9223372036854775807 1"), expected);
    let nines = "9".repeat(38);
    let calls = [("sum", decimal(38, 0)), ("avg", decimal(38, 6))];
    let expected = [format!("{nines} | NULL"), "NULL | NULL".to_owned(), "5 | NULL".to_owned()];
    assert_eq!(running(decimal(38, 0), &calls, &format!("{nines} 1 5")), expected);
    let double = [("sum", TypeKind::Double)];
    assert_eq!(running(TypeKind::Double, &double, "1e308 1e308"), [format!("1{}", "0".repeat(308)), "inf".to_owned()]);
}

#[test]
fn a_nan_never_wins() {
    let calls = ["min", "max", "sum"].map(|name| (name, TypeKind::Double));
    assert_eq!(running(TypeKind::Double, &calls, "1 NaN 2"), ["1 | 1 | 1", "1 | 1 | NaN", "1 | 2 | NaN"]);
    let single = ["min", "max"].map(|name| (name, TypeKind::Float));
    assert_eq!(running(TypeKind::Float, &single, "NULL NaN 2"), ["NULL | NULL", "NaN | NaN", "NaN | NaN"]);
}

#[test]
fn everything_that_has_an_order_has_a_least_and_a_largest() {
    let cases = [
        (TypeKind::Varchar(9), "b NULL a äb ''", "'' | äb"),
        (TypeKind::Char(1), "b a c", "a | c"),
        (TypeKind::Boolean, "true NULL false", "false | true"),
        (TypeKind::Date, "18293 17928 18659", "17928 | 18659"),
        (TypeKind::Time(0), "36000000 32400000 NULL", "32400000 | 36000000"),
        (TypeKind::Timestamp(3), "5 -5 NULL", "-5 | 5"),
        (TypeKind::TimestampLtz(6), "5 -5 NULL", "-5 | 5"),
        (TypeKind::TimestampLtz(9), "5.3 5.2 -1.9 -1.8", "-1.8 | 5.3"),
        (decimal(38, 0), "3 -3 0", "-3 | 3"),
        (TypeKind::Binary(2), "ab zz aa", "aa | zz"),
    ];
    for (kind, values, expected) in cases {
        let calls = ["min", "max"].map(|name| (name, kind.clone()));
        assert_eq!(running(kind.clone(), &calls, values).last().unwrap(), expected, "{kind}");
        // The same over a changelog, with all but the extremes taken back.
        let mut all: Vec<&str> = values.split(' ').collect();
        let back: Vec<String> = all.iter().map(|v| format!("back:{v}")).collect();
        all.extend(back.iter().map(String::as_str));
        let answer = running(kind.clone(), &calls, &all.join(" "));
        assert_eq!(answer[values.split(' ').count() - 1], expected, "{kind}");
        assert_eq!(answer.last().unwrap(), "NULL | NULL", "{kind}");
    }
}

#[test]
fn what_is_taken_back_never_was() {
    let cases = [
        (TypeKind::TinyInt, TypeKind::TinyInt, TypeKind::TinyInt),
        (TypeKind::BigInt, TypeKind::BigInt, TypeKind::BigInt),
        (decimal(5, 1), decimal(38, 1), decimal(38, 6)),
        (TypeKind::Float, TypeKind::Float, TypeKind::Float),
        (TypeKind::Double, TypeKind::Double, TypeKind::Double),
    ];
    for (arg, sum, average) in cases {
        let calls = [("count", TypeKind::BigInt), ("sum", sum.clone()), ("avg", average), ("$sum0", sum)];
        let there = running(arg.clone(), &calls, "4 100 back:100");
        assert_eq!(there[2], there[0], "{arg}");
        let gone = running(arg.clone(), &calls, "back:7 7 NULL back:NULL").pop().unwrap();
        assert!(gone.starts_with("0 | NULL | NULL | 0"), "{arg}: {gone}");
    }
}

#[test]
fn the_sum_of_nothing_is_null_and_a_later_value_counts() {
    let calls = [("sum", TypeKind::Int), ("count", TypeKind::BigInt), ("$sum0", TypeKind::Int)];
    assert_eq!(running(TypeKind::Int, &calls, "NULL 3"), ["NULL | 0 | 0", "3 | 1 | 3"]);
}

#[test]
fn folding_gives_what_running_gives() {
    for (kind, sum, average) in [
        (TypeKind::Int, TypeKind::Int, TypeKind::Int),
        (decimal(5, 1), decimal(38, 1), decimal(38, 6)),
        (TypeKind::Double, TypeKind::Double, TypeKind::Double),
    ] {
        let calls =
            [("count", TypeKind::BigInt), ("sum", sum), ("avg", average), ("min", kind.clone()), ("max", kind.clone())];
        let expected = running(kind.clone(), &calls, "4 NULL -3 9").pop().unwrap();
        let mut fold = Fold::new(kind, &calls, false);
        let rows = batch(&fold.input, "+I | 4\n+I | NULL\n+I | -3\n+I | 9");
        let groups = vec![0; rows.len()];
        fold.groups.grow(1);
        let rows = Rows { columns: rows.rows(), groups: &groups, changes: None, now_ms: 0 };
        fold.groups.fold(&fold.plan, &rows).unwrap();
        let values = fold.groups.values(&fold.plan, &[0]).unwrap();
        assert_eq!(fold.shown(values), [expected]);
    }
}

#[test]
fn first_and_last_values_skip_nulls() {
    for (kind, values, expected) in [
        (TypeKind::Int, "NULL 3 1 NULL", "3 | 1"),
        (TypeKind::Varchar(9), "NULL b a NULL", "b | a"),
        (TypeKind::Double, "NULL 2.5 NaN", "2.5 | NaN"),
        (decimal(5, 1), "1.5 0.5", "1.5 | 0.5"),
    ] {
        let calls = ["first_value", "last_value"].map(|name| (name, kind.clone()));
        assert_eq!(running(kind, &calls, values).last().unwrap(), expected);
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let call = |name: &str, args: usize| AggregateCall {
        function: FunctionId::new(name),
        args: (0..args).collect(),
        filter: None,
        distinct: false,
        ty: LogicalType::new(TypeKind::BigInt),
    };
    let refused = |name: &str, args: &[LogicalType]| function(&call(name, args.len()), args, false).err().unwrap();
    let int = LogicalType::new(TypeKind::Int);
    assert_eq!(
        refused("median", std::slice::from_ref(&int)).message(),
        "aggregate function 'MEDIAN' of 1 arguments is not supported yet"
    );
    assert!(refused("count", &[int.clone(), int]).message().contains("'COUNT' of 2 arguments"));
    assert_eq!(refused("sum", &[LogicalType::string()]).kind(), flott_api::ErrorKind::Internal);
}
