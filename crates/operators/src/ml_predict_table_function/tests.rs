//! Models of the tests: asked whole and by rows, in order and not, slow and failing, in batches of every size.

use arrow_array::StringArray;
use flott_api::expr::Expr;
use flott_api::ids::Subtask;
use flott_api::model::{ModelProviders, ModelSpec};
use flott_api::options::Options;
use flott_api::testing::{
    Case, Emitted, FakeTimers, FakeWorld, ModelTest, RecordedOutput, SimExecutor, check, check_restorable, lines,
    open_context, ready,
};
use flott_api::{Field, LogicalType, Schema, TypeKind, Watermark};

use super::*;

/// `ML_PREDICT(TABLE t(k, a), MODEL m(a) -> (label, size), DESCRIPTOR(a))`.
fn spec(options: &[(&str, &str)], asynchronous: Option<AsyncPredict>) -> MlPredictTableFunctionSpec {
    let int = || LogicalType::new(TypeKind::Int);
    let input = Schema::new(vec![Field::new("k", int()), Field::new("a", LogicalType::string())]);
    let answer = Schema::new(vec![Field::new("label", LogicalType::string()), Field::new("size", int())]);
    MlPredictTableFunctionSpec {
        output: Schema::new([input.fields.clone(), answer.fields.clone()].concat()),
        model: ModelSpec {
            model: "c.d.m".to_owned(),
            provider: "model-test".to_owned(),
            input: Schema::new(vec![input.fields[1].clone()]),
            metadata: vec![None; answer.len()],
            output: answer,
            options: Options(options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()),
        },
        arguments: vec![Expr::column(1, LogicalType::string())],
        input,
        asynchronous,
        session_zone: "UTC".to_owned(),
    }
}

fn at_once(ordered: bool) -> Option<AsyncPredict> {
    Some(AsyncPredict { ordered, timeout_ms: 1000, in_flight_max: 3 })
}

fn operator(spec: &MlPredictTableFunctionSpec) -> MlPredictTableFunction {
    MlPredictTableFunction::from_spec(spec.clone()).unwrap()
}

const SCRIPT: &str = "
    +I | 1 | a
    wm 5
    +I | 2 | NULL
    +I | 3 | ccc
    +I | 1 | b
    wm 6
    wm 7
    +I | 2 | d";

const ANSWER: &str = "+I | 1 | a | label:a | 6\nwm 5\n+I | 2 | NULL | label:NULL | 9\n+I | 3 | ccc | label:ccc | 8\n\
    +I | 1 | b | label:b | 6\nwm 7\n+I | 2 | d | label:d | 6";

#[test]
fn answers_stand_behind_their_rows_in_batches_of_every_size() {
    for asynchronous in [None, at_once(true), at_once(false)] {
        let spec = spec(&[("async", "both")], asynchronous);
        let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script: SCRIPT };
        assert_eq!(check(&case, || Box::new(operator(&spec))), ANSWER, "{asynchronous:?}");
    }
}

#[test]
fn nothing_is_lost_or_doubled_by_checkpoints_restores_and_rescales() {
    for asynchronous in [None, at_once(true), at_once(false)] {
        let spec = spec(&[("async", "both")], asynchronous);
        let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script: SCRIPT };
        check_restorable(&case, Some((&[0], &[0])), || operator(&spec));
    }
}

#[test]
fn an_input_may_have_several_answers_or_none() {
    let script = "+I | 1 | a\nwm 5\n+I | 2 | b\nwm 6";
    for asynchronous in [None, at_once(true)] {
        let answered = |answers: &str| {
            let spec = spec(&[("async", "both"), ("answers", answers)], asynchronous);
            let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script };
            check(&case, || Box::new(operator(&spec)))
        };
        let twice = "+I | 1 | a | label:a | 6\n+I | 1 | a | label:a | 6\nwm 5\n+I | 2 | b | label:b | 6\n\
            +I | 2 | b | label:b | 6\nwm 6";
        assert_eq!(answered("2"), twice);
        assert_eq!(answered("0"), "wm 6");
    }
}

/// An operator with its model, driven by hand.
struct Driven {
    operator: MlPredictTableFunction,
    model: ModelTest,
    output: RecordedOutput,
}

impl Driven {
    fn of(spec: &MlPredictTableFunctionSpec, environment: Environment) -> Self {
        let (world, model) = (FakeWorld::at(0), ModelTest::default());
        let mut cx = open_context(&world, Subtask { index: 0, parallelism: 1 }, 16);
        let models = ModelProviders::default().with(Arc::new(model.clone()));
        cx.environment = Environment { models, ..environment };
        let mut operator = operator(spec);
        operator.open(&cx).unwrap();
        Driven { operator, model, output: RecordedOutput::default() }
    }

    async fn take(&mut self, texts: &[&str]) -> Result<Vec<String>> {
        let columns: [(&str, ArrayRef); 2] = [
            ("k", Arc::new(arrow_array::Int32Array::from_iter_values(0..texts.len() as i32))),
            ("a", Arc::new(StringArray::from_iter_values(texts))),
        ];
        let rows = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, c)| (name, c, true))).unwrap();
        let (mut timers, metrics) = (FakeTimers::default(), flott_api::metrics::OperatorMetrics::default());
        let mut cx = OperatorContext {
            output: &mut self.output,
            timers: &mut timers,
            processing_time_ms: 0,
            watermark: Watermark::MIN,
            metrics: &metrics,
        };
        self.operator.process_batch(0, ChangeBatch::inserts(rows), &mut cx).await?;
        let emitted = std::mem::take(&mut self.output.emitted);
        Ok(emitted
            .iter()
            .flat_map(|e| match e {
                Emitted::Batch(batch) => lines(batch),
                Emitted::Watermark(_) => Vec::new(),
            })
            .collect())
    }
}

const TEXTS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

/// The rows of a batch in a world whose time passes when everybody sleeps, and the requests.
fn slowly(delay: &str, asynchronous: Option<AsyncPredict>) -> (Result<Vec<String>>, (u64, u64, u64)) {
    let executor = SimExecutor::new(7);
    let environment = executor.environment(&FakeWorld::at(0));
    let mut driven = Driven::of(&spec(&[("async", "both"), ("delay", delay)], asynchronous), environment);
    let rows = executor.run(driven.take(&TEXTS));
    (rows, driven.model.asked())
}

fn labels(rows: &[String]) -> Vec<&str> {
    rows.iter().map(|row| row.split(" | ").nth(2).unwrap()).collect()
}

#[test]
fn rows_under_way_are_bounded_and_go_on_in_order_or_as_they_are_answered() {
    let (rows, asked) = slowly("90 ms", at_once(true));
    let rows = rows.unwrap();
    assert_eq!(labels(&rows), TEXTS);
    assert_eq!(asked, (7, 7, 3));
    let (rows, asked) = slowly("90 ms", at_once(false));
    let rows = rows.unwrap();
    let mut sorted = labels(&rows);
    assert_ne!(sorted, TEXTS, "the slow ones are overtaken");
    sorted.sort_unstable();
    assert_eq!((sorted.as_slice(), asked), (&TEXTS[..], (7, 7, 3)));
    let (rows, asked) = slowly("90 ms", None);
    assert_eq!((labels(&rows.unwrap()).as_slice(), asked), (&TEXTS[..], (1, 7, 1)));
}

#[test]
fn an_answer_that_takes_too_long_fails_the_job() {
    let (rows, _) = slowly("2 s", at_once(true));
    let error = rows.unwrap_err();
    assert_eq!(error.message(), "model 'c.d.m' took longer than 1000 ms for a row");
    assert_eq!(error.kind(), ErrorKind::External { retry: true });
    assert!(slowly("2 s", None).0.is_ok(), "only who is asked for rows at once is waited for so long");
}

#[test]
fn a_failure_is_told_and_a_missing_value_refused() {
    let environment = FakeWorld::at(0).environment();
    let failing = spec(&[("async", "true"), ("fails-for", "c")], at_once(true));
    let mut driven = Driven::of(&failing, environment.clone());
    let error = ready(driven.take(&TEXTS)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::External { retry: true });
    let mut strict = spec(&[], None);
    let number = LogicalType::not_null(TypeKind::Double);
    strict.model.output.fields[1].ty = number.clone();
    strict.output.fields[3].ty = number;
    let error = ready(Driven::of(&strict, environment).take(&TEXTS)).unwrap_err();
    assert_eq!(error.message(), "model 'c.d.m' gave no value for its column 'size'");
}
