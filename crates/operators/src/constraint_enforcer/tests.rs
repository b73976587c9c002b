//! Nulls and lengths, let through, changed, dropped or refused.

use flott_api::testing::{Case, FakeTimers, RecordedOutput, batch, check, ready};
use flott_api::{LogicalType, Schema, Watermark};

use super::*;

fn spec(not_null: NotNullEnforcer, type_length: TypeLengthEnforcer) -> ConstraintEnforcerSpec {
    let field = |name: &str, ty: LogicalType| Field::new(name, ty);
    let input = Schema::new(vec![
        field("id", LogicalType::not_null(TypeKind::Int)),
        field("c", LogicalType::new(TypeKind::Char(3))),
        field("v", LogicalType::new(TypeKind::Varchar(2))),
        field("b", LogicalType::new(TypeKind::Binary(2))),
        field("s", LogicalType::string()),
    ]);
    ConstraintEnforcerSpec { input, table: "t".to_owned(), not_null, type_length }
}

const SCRIPT: &str = "
    +I | 1 | äöüß | abc | xyz | long
    wm 1
    -U | NULL | NULL | NULL | NULL | NULL
    +U | 3 | a | é | xy | ''
    wm 2";

fn run(spec: &ConstraintEnforcerSpec) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script: SCRIPT };
    check(&case, || Box::new(ConstraintEnforcer::from_spec(spec.clone()).unwrap()))
}

fn error(spec: &ConstraintEnforcerSpec, row: &str) -> String {
    let mut operator = ConstraintEnforcer::from_spec(spec.clone()).unwrap();
    let mut cx = OperatorContext {
        output: &mut RecordedOutput::default(),
        timers: &mut FakeTimers::default(),
        processing_time_ms: 0,
        watermark: Watermark::MIN,
        metrics: &Default::default(),
    };
    let error = ready(operator.process_batch(0, batch(&spec.input, row), &mut cx)).unwrap_err();
    error.message().to_owned()
}

#[test]
fn nulls_are_dropped_and_lengths_ignored() {
    let spec = spec(NotNullEnforcer::Drop, TypeLengthEnforcer::Ignore);
    assert_eq!(run(&spec), "+I | 1 | äöüß | abc | xyz | long\nwm 1\n+U | 3 | a | é | xy | ''\nwm 2");
}

#[test]
fn values_are_cut_and_padded() {
    let spec = spec(NotNullEnforcer::Drop, TypeLengthEnforcer::TrimPad);
    assert_eq!(run(&spec), "+I | 1 | äöü | ab | xy | long\nwm 1\n+U | 3 | a   | é | xy | ''\nwm 2");
}

#[test]
fn errors_name_column_and_table() {
    let strict = spec(NotNullEnforcer::Error, TypeLengthEnforcer::Error);
    let null = "column 'id' of table 't' is NOT NULL, however, a null value is being written into it";
    assert_eq!(error(&strict, "+I | NULL | a | b | c | d"), null);
    let long = "column 'v' of table 't' is VARCHAR(2), however, a longer value is being written into it";
    assert_eq!(error(&strict, "+I | 1 | abc | xyz | NULL | d"), long);
    let long = "column 'b' of table 't' is BINARY(2), however, a longer value is being written into it";
    assert_eq!(error(&strict, "+I | 1 | abc | xy | xyz | d"), long);
}
