//! What comes out between the phases. That both together give what one gives is told in `window_aggregate`.

use flott_api::Mark;
use flott_api::expr::FunctionId;
use flott_api::metrics::OperatorMetrics;
use flott_api::table::ChangelogMode;
use flott_api::testing::{Emitted, FakeTimers, RecordedOutput, batch, lines, ready};
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_graph::spec::{AggregateCall, WindowKind, WindowTime};

use super::*;

fn spec(function: &str) -> LocalWindowAggregateSpec {
    let field = |name: &str, kind| Field::new(name, LogicalType::new(kind));
    let input = [field("k", TypeKind::Varchar(9)), field("x", TypeKind::Int), field("ts", TypeKind::Timestamp(3))];
    let bytes = Field::new("bytes", LogicalType::bytes());
    let (function, ty) = (FunctionId::new(function), LogicalType::new(TypeKind::Int));
    LocalWindowAggregateSpec {
        output: Schema::new(vec![input[0].clone(), input[2].clone(), bytes]),
        input: Schema::new(input.to_vec()),
        time: WindowTime::Rowtime(2),
        window: WindowKind::Tumble { size_ms: 10, offset_ms: 0 },
        zone: "UTC".to_owned(),
        keys: vec![0],
        aggregates: vec![AggregateCall { function, args: vec![1], filter: None, distinct: false, ty }],
        input_changelog: ChangelogMode::INSERT_ONLY,
    }
}

fn operator() -> LocalWindowAggregate {
    LocalWindowAggregate::from_spec(spec("sum")).unwrap()
}

/// Key and time of each row that comes out, and the watermarks.
fn between(operator: &mut LocalWindowAggregate, rows: &ChangeBatch) -> Vec<String> {
    let (mut output, mut timers, metrics) =
        (RecordedOutput::default(), FakeTimers::default(), OperatorMetrics::default());
    let mut cx = OperatorContext {
        output: &mut output,
        timers: &mut timers,
        processing_time_ms: 0,
        watermark: Watermark(0),
        metrics: &metrics,
    };
    ready(operator.process_batch(0, rows.clone(), &mut cx)).unwrap();
    let mut all = Vec::new();
    for emitted in output.emitted {
        let Emitted::Batch(batch) = emitted else { continue };
        let mut marks = batch.marks().iter().peekable();
        for (row, line) in lines(&batch).iter().enumerate() {
            while let Some(mark) = marks.next_if(|mark| mark.row as usize <= row) {
                all.push(format!("wm {}", mark.watermark.0));
            }
            all.push(line.rsplit_once(" | ").unwrap().0.to_owned());
        }
        all.extend(marks.map(|mark| format!("wm {}", mark.watermark.0)));
    }
    all
}

fn rows(text: &str, marks: &[(u32, i64)]) -> ChangeBatch {
    let marks = marks.iter().map(|(row, at)| Mark { row: *row, watermark: Watermark(*at) }).collect();
    batch(&spec("sum").input, text).with_marks(marks).unwrap()
}

#[test]
fn a_key_comes_once_a_slice_with_the_time_of_one_of_its_rows() {
    let batch = rows("+I | a | 1 | 3\n+I | b | 1 | 4\n+I | a | 2 | 5\n+I | a | 1 | 12\n+I | a | 1 | 11", &[]);
    assert_eq!(between(&mut operator(), &batch), ["+I | a | 3", "+I | b | 3", "+I | a | 12"]);
}

#[test]
fn rows_that_a_watermark_may_make_late_stay_behind_it() {
    // The slice that ends at 10 is over in the middle, the next one is not over at the end.
    let text = "+I | a | 1 | 3\n+I | a | 1 | 15\n+I | a | 1 | 4\n+I | a | 1 | 5\n+I | a | 1 | 16";
    let batch = rows(text, &[(2, 9), (5, 12)]);
    assert_eq!(between(&mut operator(), &batch), ["+I | a | 3", "+I | a | 15", "wm 9", "+I | a | 4", "wm 12"]);
}

#[test]
fn of_keys_that_come_once_each_row_becomes_a_state_until_it_is_looked_again() {
    let text = |keys: i32| (0..512).map(|i| format!("+I | k{} | 1 | 3\n", i % keys)).collect::<String>();
    let (many, few) = (rows(&text(512), &[]), rows(&text(2), &[]));
    let mut operator = operator();
    assert_eq!(between(&mut operator, &few).len(), 2);
    assert_eq!(between(&mut operator, &many).len(), 512);
    for _ in 0..BATCHES_PER_SAMPLE {
        assert_eq!(between(&mut operator, &few).len(), 512);
    }
    assert_eq!(between(&mut operator, &few).len(), 2);
}

#[test]
fn what_has_no_second_phase_is_refused() {
    let error = LocalWindowAggregate::from_spec(spec("last_value")).err().unwrap();
    assert!(error.message().contains("'LAST_VALUE'"), "{error}");
    let clock = LocalWindowAggregateSpec { time: WindowTime::Proctime, ..spec("sum") };
    assert!(LocalWindowAggregate::from_spec(clock).is_err());
    let error = operator().parts(&rows("+I | a | 1 | NULL", &[]), Watermark(0)).err().unwrap();
    assert!(error.to_string().contains("ts"), "{error}");
}
