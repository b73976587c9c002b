//! Every kind of join over the same rows, against pairs that are made one by one.

use flott_api::expr::Expr;
use flott_api::testing::{JoinCase, check_join};
use flott_api::{Field, LogicalType, Schema, TypeKind};

use super::*;

/// Columns `window_end, key STRING, x INT`.
fn schema() -> Schema {
    let field = |name: &str, kind: TypeKind| Field::new(name, LogicalType::new(kind));
    Schema::new(vec![
        field("window_end", TypeKind::Timestamp(3)),
        field("key", TypeKind::Varchar(9)),
        field("x", TypeKind::Int),
    ])
}

fn spec(kind: JoinKind, condition: bool, filter_nulls: bool) -> WindowJoinSpec {
    let input = WindowJoinInput { schema: schema(), window_end: 0, keys: vec![1] };
    let int = LogicalType::new(TypeKind::Int);
    let less =
        Expr::call("<", vec![Expr::column(2, int.clone()), Expr::column(5, int)], LogicalType::new(TypeKind::Boolean));
    let mut output = schema();
    if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
        output.fields.extend(schema().fields);
    }
    WindowJoinSpec {
        left: input.clone(),
        right: input,
        filter_nulls: vec![filter_nulls],
        condition: condition.then_some(less),
        kind,
        zone: "UTC".to_owned(),
        session_zone: "UTC".to_owned(),
        output,
    }
}

const SCRIPT: &str = "
    L +I | 10000 | a | 1
    R +I | 10000 | a | 2
    L +I | 10000 | a | 3
    L +I | 20000 | a | 4
    R +I | 10000 | b | 5
    L +I | 10000 | c | 6
    R +I | 10000 | a | 3
    L +I | 10000 | NULL | 7
    R +I | 10000 | NULL | 8
    R +I | 20000 | d | NULL
    wm 9999
    L +I | 10000 | a | 9
    R +I | 10000 | b | 9
    R +I | 20000 | a | 9
    L +I | 20000 | d | 9
    L +I | 30000 | e | 9";

type Row = (i64, Option<&'static str>, Option<i64>);

/// The rows of the script that are in time.
fn sides() -> ([Row; 8], [Row; 6]) {
    let left = [
        (10_000, Some("a"), Some(1)),
        (10_000, Some("a"), Some(3)),
        (20_000, Some("a"), Some(4)),
        (10_000, Some("c"), Some(6)),
        (10_000, None, Some(7)),
        (20_000, Some("d"), Some(9)),
        (30_000, Some("e"), Some(9)),
        (0, None, None),
    ];
    let right = [
        (10_000, Some("a"), Some(2)),
        (10_000, Some("b"), Some(5)),
        (10_000, Some("a"), Some(3)),
        (10_000, None, Some(8)),
        (20_000, Some("d"), None),
        (20_000, Some("a"), Some(9)),
    ];
    (left, right)
}

fn text(row: Option<&Row>) -> String {
    let Some((end, key, x)) = row else { return "NULL | NULL | NULL".to_owned() };
    format!("{end} | {} | {}", key.unwrap_or("NULL"), x.map_or("NULL".to_owned(), |x| x.to_string()))
}

fn model(kind: JoinKind, condition: bool, filter_nulls: bool) -> Vec<String> {
    let (left, right) = sides();
    let left = &left[..7];
    let pairs = |l: &Row, r: &Row| {
        let keys = l.1 == r.1 && (l.1.is_some() || !filter_nulls);
        l.0 == r.0 && keys && (!condition || matches!((l.2, r.2), (Some(l), Some(r)) if l < r))
    };
    let mut out = Vec::new();
    for l in left {
        let matches: Vec<&Row> = right.iter().filter(|r| pairs(l, r)).collect();
        match kind {
            JoinKind::Semi if !matches.is_empty() => out.push(text(Some(l))),
            JoinKind::Anti if matches.is_empty() => out.push(text(Some(l))),
            JoinKind::Semi | JoinKind::Anti => {}
            _ => out.extend(matches.iter().map(|r| format!("{} | {}", text(Some(l)), text(Some(r))))),
        }
        if matches.is_empty() && matches!(kind, JoinKind::Left | JoinKind::Full) {
            out.push(format!("{} | {}", text(Some(l)), text(None)));
        }
    }
    if matches!(kind, JoinKind::Right | JoinKind::Full) {
        let alone = right.iter().filter(|r| !left.iter().any(|l| pairs(l, r)));
        out.extend(alone.map(|r| format!("{} | {}", text(None), text(Some(r)))));
    }
    out.iter_mut().for_each(|line| line.insert_str(0, "+I | "));
    out.sort();
    out
}

#[test]
fn every_kind_of_join_gives_its_pairs() {
    use JoinKind::{Anti, Full, Inner, Left, Right, Semi};
    for kind in [Inner, Left, Right, Full, Semi, Anti] {
        for (condition, filter_nulls) in [(true, true), (false, false)] {
            let spec = spec(kind, condition, filter_nulls);
            let case = JoinCase {
                inputs: [&spec.left.schema, &spec.right.schema],
                event_time: EventTime::WholeWithMarks,
                script: SCRIPT,
            };
            // Padded rows have their key on one side: rows are compared whole.
            let columns: Vec<usize> = (0..spec.output.len()).collect();
            let keys: ([&[usize]; 2], &[usize]) = ([&[1], &[1]], &columns);
            let answer = check_join(&case, Some(keys), || WindowJoin::from_spec(spec.clone()).unwrap());
            let mut got: Vec<String> = answer.lines().filter(|l| !l.starts_with("wm")).map(str::to_owned).collect();
            got.sort();
            assert_eq!(
                got,
                model(kind, condition, filter_nulls),
                "{kind:?}, condition {condition}, filter {filter_nulls}"
            );
            let before = answer.lines().position(|l| l == "wm 9999").unwrap();
            assert!(answer.lines().take(before).all(|l| l.contains("10000")), "{answer}");
            assert!(answer.lines().skip(before + 1).all(|l| !l.contains("10000")), "{answer}");
        }
    }
}

/// How many rows a join gives for so many left and right rows of one key, with 0 and up as `x`.
fn rows_of(spec: &WindowJoinSpec, sides: [i64; 2]) -> usize {
    use flott_api::testing::world::Emitted;
    use flott_api::testing::{FakeTimers, FakeWorld, RecordedOutput, batch, open_context, ready};
    let mut operator = WindowJoin::from_spec(spec.clone()).unwrap();
    let subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };
    Operator::open(&mut operator, &open_context(&FakeWorld::at(0), subtask, 128)).unwrap();
    let (mut output, mut timers) = (RecordedOutput::default(), FakeTimers::default());
    let mut cx = OperatorContext {
        output: &mut output,
        timers: &mut timers,
        processing_time_ms: 0,
        watermark: Watermark::MIN,
        metrics: &Default::default(),
    };
    for (input, rows) in sides.into_iter().enumerate() {
        let rows: String = (0..rows).map(|x| format!("+I | 10000 | a | {x}\n")).collect();
        ready(operator.process_batch(input, batch(&spec.left.schema, &rows), &mut cx)).unwrap();
    }
    ready(operator.process_watermark(Watermark(9999), &mut cx)).unwrap();
    let rows = |e: &Emitted| if let Emitted::Batch(batch) = e { batch.len() } else { 0 };
    output.emitted.iter().map(rows).sum()
}

#[test]
fn more_pairs_than_a_batch_are_tried_one_after_the_other() {
    for (kind, rows) in [(JoinKind::Full, 120 * 100), (JoinKind::Semi, 120), (JoinKind::Anti, 0)] {
        assert_eq!(rows_of(&spec(kind, false, true), [120, 100]), rows, "{kind:?}");
    }
    // Below 99 each left row has those above it; the last 21 have none.
    assert_eq!(rows_of(&spec(JoinKind::Left, true, true), [120, 100]), 99 * 100 / 2 + 21);
    assert_eq!(rows_of(&spec(JoinKind::Full, true, true), [120, 100]), 99 * 100 / 2 + 21 + 1);
    assert_eq!(rows_of(&spec(JoinKind::Semi, true, true), [120, 100]), 99);
    // Many rows without a key on the other side.
    assert_eq!(rows_of(&spec(JoinKind::Right, false, true), [0, 20_000]), 20_000);
    assert_eq!(rows_of(&spec(JoinKind::Left, false, true), [20_000, 0]), 20_000);
}

#[test]
fn inputs_that_do_not_fit_each_other_are_refused() {
    let mut wrong = spec(JoinKind::Inner, false, true);
    wrong.right.keys = vec![2];
    assert!(WindowJoin::from_spec(wrong.clone()).is_err());
    wrong.right.keys = Vec::new();
    assert!(WindowJoin::from_spec(wrong.clone()).is_err());
    wrong = spec(JoinKind::Semi, false, true);
    wrong.output = spec(JoinKind::Inner, false, true).output;
    assert!(WindowJoin::from_spec(wrong).is_err());
}
