//! Each aggregate over more than a number: folded, row by row, in parts that are put together, through its bytes, and
//! with every row taken back. The values are those of `oracle/aggregate`.

use arrow_array::ArrayRef;
use flott_api::aggregate::MergeInput;
use flott_state::hot::Values;

use super::*;

mod bitmaps;

const NULL: &str = "NULL";

/// A call over columns of these types.
struct Case {
    input: Schema,
    call: AggregateCall,
    retract: bool,
}

impl Case {
    fn new(name: &str, args: &[TypeKind], ty: TypeKind) -> Self {
        let fields =
            args.iter().enumerate().map(|(i, kind)| Field::new(format!("c{i}"), LogicalType::new(kind.clone())));
        let args = (0..args.len()).collect();
        let call = AggregateCall {
            function: FunctionId::new(name),
            args,
            filter: None,
            distinct: false,
            ty: LogicalType::new(ty),
        };
        Case { input: Schema::new(fields.collect()), call, retract: false }
    }

    fn distinct(mut self) -> Self {
        self.call.distinct = true;
        self
    }

    fn retracting(mut self) -> Self {
        self.retract = true;
        self
    }

    fn plan(&self) -> Plan {
        let options = MapViewOptions { retract: self.retract, ttl_ms: 0 };
        Plan::new(&self.input, &[], std::slice::from_ref(&self.call), options).unwrap()
    }

    fn shown(&self, column: ArrayRef) -> Vec<String> {
        let schema = Schema::new(vec![Field::new("a", self.call.ty.clone())]);
        let rows = RecordBatch::try_new(schema.arrow(), vec![column]).unwrap();
        lines(&ChangeBatch::inserts(rows)).iter().map(|l| l[5..].to_owned()).collect()
    }

    fn value(&self, plan: &Plan, groups: &mut Groups, group: u32) -> String {
        self.shown(groups.values(plan, &[group]).unwrap().remove(0)).remove(0)
    }
}

/// Rows `7` or `-7`: added or taken back.
fn fed<T>(
    case: &Case,
    groups: &mut Groups,
    (rows, group): (&[&str], u32),
    feed: impl FnOnce(&mut Groups, &Rows<'_>) -> T,
) -> Option<T> {
    let kind = |row: &&str| if row.starts_with('-') { Change::Retract } else { Change::Add };
    let changes: Vec<Change> = rows.iter().map(kind).collect();
    let text: Vec<String> = rows.iter().map(|r| format!("+I | {}", &r[1..])).collect();
    if rows.is_empty() {
        return None;
    }
    let batch = batch(&case.input, &text.join("\n"));
    groups.grow(group as usize + 1);
    let groups_of = vec![group; rows.len()];
    let rows = Rows { columns: batch.rows(), groups: &groups_of, changes: Some(&changes), now_ms: 0 };
    Some(feed(groups, &rows))
}

/// The values after each row, checked in every other way too.
fn running(case: &Case, rows: &[&str]) -> Vec<String> {
    let plan = case.plan();
    let mut groups = plan.groups().unwrap();
    let running = fed(case, &mut groups, (rows, 0), |g, rows| g.running(&plan, rows).unwrap()).unwrap().remove(0);
    let (before, after) = (case.shown(running.before), case.shown(running.after));
    assert_eq!(before[1..], after[..after.len() - 1], "each row begins where the one before it ended");
    let last = after.last().unwrap();
    assert_eq!(&case.value(&plan, &mut groups, 0), last, "the value is that of the last row");
    assert_eq!(&through_bytes(case, &plan, rows), last, "folded, through the bytes in between");
    if !case.call.distinct && plan.check_merges(std::slice::from_ref(&case.call)).is_ok() {
        assert_eq!(&merged(case, &plan, rows), last, "in parts");
    }
    after
}

/// Folds half, writes the state down, reads it, and folds the rest.
fn through_bytes(case: &Case, plan: &Plan, rows: &[&str]) -> String {
    let (mut first, mut second) = (plan.groups().unwrap(), plan.groups().unwrap());
    let (early, late) = rows.split_at(rows.len() / 2);
    fed(case, &mut first, (early, 0), |g, rows| g.fold(plan, rows).unwrap());
    first.grow(1);
    let mut values = Values::default();
    first.save(&[0], &mut values).unwrap();
    second.grow(4);
    second.load(&[3], &[values.get(0)], 0).unwrap();
    fed(case, &mut second, (late, 3), |g, rows| g.fold(plan, rows).unwrap());
    case.value(plan, &mut second, 3)
}

/// Folds thirds apart and puts them together.
fn merged(case: &Case, plan: &Plan, rows: &[&str]) -> String {
    let (mut parts, mut whole) = (plan.groups().unwrap(), plan.groups().unwrap());
    whole.grow(6);
    for (part, rows) in (0..).zip(rows.chunks(rows.len().div_ceil(3))) {
        fed(case, &mut parts, (rows, part), |g, rows| g.fold(plan, rows).unwrap());
        let input = MergeInput { from: &[part], groups: &[5], retract: false };
        whole.merge(plan, &mut parts, &input, 0).unwrap();
    }
    case.value(plan, &mut whole, 5)
}

fn text() -> TypeKind {
    TypeKind::Varchar(99)
}

fn array(of: TypeKind) -> TypeKind {
    TypeKind::Array(Box::new(LogicalType::new(of)))
}

#[test]
fn lists_of_text_grow_and_shrink() {
    let rows = ["+b", "+NULL", "+a", "+b"];
    let expected = ["b", "b", "b,a", "b,a,b"];
    assert_eq!(running(&Case::new("listagg", &[text()], text()), &rows), expected);
    assert_eq!(running(&Case::new("listagg", &[text()], text()).retracting(), &rows), expected);
    let back = ["+b", "+a", "+b", "-b", "-NULL", "-a", "-b"];
    let expected = ["b", "b,a", "b,a,b", "a,b", "a,b", "b", NULL];
    assert_eq!(running(&Case::new("listagg", &[text()], text()).retracting(), &back), expected);
    let apart = ["+b | ; ", "+a | ; ", "+NULL | ; "];
    for case in
        [Case::new("listagg", &[text(), text()], text()), Case::new("listagg", &[text(), text()], text()).retracting()]
    {
        assert_eq!(running(&case, &apart), ["b", "b;a", "b;a"]);
    }
    assert_eq!(running(&Case::new("listagg", &[text()], text()), &["+NULL"]), [NULL]);
    let distinct = Case::new("listagg", &[text(), text()], text()).distinct().retracting();
    assert_eq!(
        running(&distinct, &["+b | -", "+a | -", "+b | -", "-b | -", "-b | -"]),
        ["b", "b-a", "b-a", "b-a", "a"]
    );
}

#[test]
fn arrays_keep_nulls_unless_told_otherwise() {
    let rows = ["+5", "+NULL", "+3", "+NULL", "-NULL", "-5", "-3", "-NULL"];
    let case = Case::new("array_agg", &[TypeKind::Int], array(TypeKind::Int)).retracting();
    let expected =
        ["[5]", "[5, NULL]", "[5, NULL, 3]", "[5, NULL, 3, NULL]", "[5, 3, NULL]", "[3, NULL]", "[NULL]", NULL];
    assert_eq!(running(&case, &rows), expected);
    let case = Case::new("array_agg_ignore_nulls", &[TypeKind::Int], array(TypeKind::Int)).retracting();
    assert_eq!(running(&case, &rows), ["[5]", "[5]", "[5, 3]", "[5, 3]", "[5, 3]", "[3]", NULL, NULL]);
    let case = Case::new("array_agg", &[text()], array(text())).distinct();
    assert_eq!(running(&case, &["+a", "+NULL", "+a", "+NULL", "+b"])[4], "[a, NULL, b]");
}

#[test]
fn first_and_last_values_make_room_for_the_next() {
    let rows = ["+NULL", "+5", "+3", "+5", "-5", "+7", "-3", "-7", "-5", "-NULL"];
    let first = Case::new("first_value", &[TypeKind::Int], TypeKind::Int).retracting();
    assert_eq!(running(&first, &rows), [NULL, "5", "5", "5", "3", "3", "5", "5", NULL, NULL]);
    let last = Case::new("last_value", &[TypeKind::Int], TypeKind::Int).retracting();
    assert_eq!(running(&last, &rows), [NULL, "5", "3", "5", "5", "7", "7", "5", NULL, NULL]);
    for kind in [TypeKind::TimestampLtz(9), TypeKind::Double, text(), TypeKind::Boolean, decimal(38, 2)] {
        let value = match kind {
            TypeKind::TimestampLtz(_) | TypeKind::Double => "+5.5",
            TypeKind::Boolean => "+true",
            _ => "+1.50",
        };
        let case = Case::new("last_value", std::slice::from_ref(&kind), kind.clone()).retracting();
        assert_eq!(running(&case, &["+NULL", value, "+NULL"])[2], value[1..]);
    }
}

#[test]
fn what_is_taken_back_first_is_not_there_when_it_comes() {
    let rows = ["-5", "+3", "+5"];
    let cases = [
        ("last_value", TypeKind::Int, "3"),
        ("array_agg", array(TypeKind::Int), "[3]"),
        ("max", TypeKind::Int, "3"),
        ("percentile", TypeKind::Double, "3"),
    ];
    for (name, ty, expected) in cases {
        let args = if name == "percentile" { vec![TypeKind::Int, TypeKind::Double] } else { vec![TypeKind::Int] };
        let place = if args.len() == 2 { " | 0.5" } else { "" };
        let rows: Vec<String> = rows.iter().map(|r| format!("{r}{place}")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        assert_eq!(running(&Case::new(name, &args, ty).retracting(), &rows)[2], expected, "{name}");
    }
}

#[test]
fn multisets_count_their_values() {
    let ty = TypeKind::Multiset(Box::new(LogicalType::new(TypeKind::Int)));
    let case = Case::new("collect", &[TypeKind::Int], ty.clone()).retracting();
    let rows = ["+NULL", "+5", "+3", "+5", "-5", "-3", "-5"];
    let expected = ["[]", "[(5, 1)]", "[(3, 1), (5, 1)]", "[(3, 1), (5, 2)]", "[(3, 1), (5, 1)]", "[(5, 1)]", "[]"];
    assert_eq!(running(&case, &rows), expected);
    let case = Case::new("collect", &[TypeKind::Int], ty).distinct().retracting();
    assert_eq!(running(&case, &["+5", "+5", "-5", "-5"]), ["[(5, 1)]", "[(5, 1)]", "[(5, 1)]", "[]"]);
}

#[test]
fn json_is_made_of_lists() {
    let case = Case::new("json_arrayagg_null_on_null", &[text()], text()).retracting();
    let rows = ["+1", "+NULL", "+\"a\"", "-1", "-NULL", "-\"a\""];
    assert_eq!(running(&case, &rows), ["[1]", "[1,null]", "[1,null,\"a\"]", "[null,\"a\"]", "[\"a\"]", "[]"]);
    let case = Case::new("json_arrayagg_absent_on_null", &[text()], text());
    assert_eq!(running(&case, &["+NULL", "+1"]), ["[]", "[1]"]);
    let case = Case::new("json_objectagg_null_on_null", &[text(), text()], text()).retracting();
    let rows = ["+a\"b | 1", "+c | NULL", "-c | NULL", "+c | 2", "-a\"b | 1"];
    let expected =
        ["{\"a\\\"b\":1}", "{\"a\\\"b\":1,\"c\":null}", "{\"a\\\"b\":1}", "{\"a\\\"b\":1,\"c\":2}", "{\"c\":2}"];
    assert_eq!(running(&case, &rows), expected);
    let case = Case::new("json_objectagg_absent_on_null", &[text(), text()], text());
    assert_eq!(running(&case, &["+a | NULL", "+b | 1"]), ["{}", "{\"b\":1}"]);
}

fn failure(case: &Case, rows: &[&str]) -> Error {
    let plan = case.plan();
    let mut groups = plan.groups().unwrap();
    fed(case, &mut groups, (rows, 0), |g, rows| g.running(&plan, rows).unwrap_err()).unwrap()
}

#[test]
fn what_an_object_or_a_subquery_cannot_have_is_an_error() {
    let object = Case::new("json_objectagg_null_on_null", &[text(), text()], text());
    assert_eq!(failure(&object, &["+a | 1", "+a | 2"]).message(), "key 'a' comes twice in a JSON_OBJECTAGG");
    assert_eq!(failure(&object, &["+NULL | 1"]).message(), "the key of a JSON_OBJECTAGG is null");
    let single = Case::new("single_value", &[TypeKind::Int], TypeKind::Int).retracting();
    assert_eq!(failure(&single, &["+1", "+NULL"]).message(), "SINGLE_VALUE received more than one value");
    assert_eq!(running(&single, &["+1", "-1", "+NULL", "-NULL", "+2"]), ["1", NULL, NULL, NULL, "2"]);
}

#[test]
fn percentiles_are_those_recorded_from_flink() {
    let args = [TypeKind::Int, TypeKind::Double];
    let case = Case::new("percentile", &args, TypeKind::Double).retracting();
    let rows = ["+1 | 0.9", "+10 | 0.9", "+NULL | 0.9", "+4 | 0.9", "-1 | 0.9", "-4 | 0.9", "-10 | 0.9"];
    let expected = ["1", "9.1", "9.1", "8.799999999999999", "9.4", "10", NULL];
    assert_eq!(running(&case, &rows), expected);
    for kind in [TypeKind::TinyInt, TypeKind::BigInt, TypeKind::Float, TypeKind::Double, decimal(10, 2)] {
        let case = Case::new("percentile", &[kind, TypeKind::Double], TypeKind::Double);
        assert_eq!(running(&case, &["+1 | 0.5", "+4 | 0.5"]), ["1", "2.5"]);
    }
    let args = [TypeKind::Int, TypeKind::Double, TypeKind::BigInt];
    let case = Case::new("percentile", &args, TypeKind::Double).retracting();
    let rows = ["+1 | 0.5 | 3", "+9 | 0.5 | 1", "+5 | 0.5 | NULL", "+7 | 0.5 | -2", "-1 | 0.5 | 3"];
    assert_eq!(running(&case, &rows), ["1", "1", "1", "1", "9"]);
}

#[test]
fn squares_of_distances_come_and_go() {
    for kind in [TypeKind::TinyInt, TypeKind::BigInt, TypeKind::Float, TypeKind::Double, decimal(10, 2)] {
        let case = Case::new("$welford_m2$1", &[kind], TypeKind::Double).retracting();
        let rows = ["+NULL", "+1", "+4", "+NULL", "+4", "-4", "-4", "-1", "-1"];
        assert_eq!(running(&case, &rows), [NULL, "0", "4.5", "4.5", "6", "4.5", "0", NULL, NULL]);
    }
}

#[test]
fn squares_of_a_part_are_taken_back_with_it() {
    let case = Case::new("$welford_m2$1", &[TypeKind::Double], TypeKind::Double).retracting();
    let plan = case.plan();
    let (mut parts, mut whole) = (plan.groups().unwrap(), plan.groups().unwrap());
    fed(&case, &mut parts, (&["+1", "+4"], 0), |g, rows| g.fold(&plan, rows).unwrap());
    fed(&case, &mut parts, (&["+4", "+11", "+2"], 1), |g, rows| g.fold(&plan, rows).unwrap());
    whole.grow(1);
    let mut merge = |part: u32, retract| {
        whole.merge(&plan, &mut parts, &MergeInput { from: &[part], groups: &[0], retract }, 0).unwrap();
        case.value(&plan, &mut whole, 0)
    };
    assert_eq!([merge(0, false), merge(1, false)], ["4.5".to_owned(), "61.2".to_owned()]);
    let rest: f64 = merge(0, true).parse().unwrap();
    assert!((rest - 44.666_666).abs() < 1e-5, "{rest}");
    assert_eq!(merge(1, true), NULL);
}
