//! The host without a Python: a fake program speaks its side of the channel, dies at every frame, and answers nonsense.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema};
use flott_api::function::{CallArgument, FunctionCall, FunctionCalls};
use flott_api::ids::Subtask;
use flott_api::testing::functions::user_function;
use flott_api::testing::programs::Behaviour;
use flott_api::testing::{FakePrograms, FakeWorld, ready};
use flott_api::{ErrorKind, LogicalType, TypeKind};

use super::*;
use crate::settings::Defaults;

fn framed(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u64).to_le_bytes()[..], &[kind], payload].concat()
}

/// Python whose functions give their first argument; `opened` is what it says of them.
fn python(opened: &'static str) -> Behaviour {
    let mut reader = StreamDecoder::new();
    let mut writer =
        StreamWriter::try_new(Vec::new(), &Schema::new(vec![Field::new("", DataType::Int64, true)])).unwrap();
    Box::new(move |frame| {
        let (head, payload) = frame.split_at(9);
        match head[8] {
            b'D' => framed(b'd', br#"{"kind": "scalar", "file": null, "deterministic": true, "inputs": null, "result": "BIGINT", "form": "general"}"#),
            b'O' => [framed(b'o', opened.as_bytes()), framed(b's', &std::mem::take(writer.get_mut()))].concat(),
            b'S' => {
                reader.decode(&mut Buffer::from(payload)).unwrap();
                Vec::new()
            }
            b'B' => {
                let batch = reader.decode(&mut Buffer::from(payload)).unwrap().unwrap();
                writer.write(&batch.project(&[0]).unwrap()).unwrap();
                framed(b'b', &std::mem::take(writer.get_mut()))
            }
            b'C' => framed(b'c', b""),
            _ => Vec::new(),
        }
    })
}

fn world(programs: &Arc<FakePrograms>) -> Environment {
    Environment { programs: Arc::clone(programs) as _, ..FakeWorld::at(0).environment() }
}

fn bigint() -> LogicalType {
    LogicalType::new(TypeKind::BigInt)
}

fn calls(options: &[(&str, &str)]) -> FunctionCalls {
    let options: BTreeMap<String, String> = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let function = UserFunction { options, ..user_function("m.f", bigint()) };
    let args = vec![CallArgument::Column(0)];
    FunctionCalls {
        calls: vec![FunctionCall { name: "f".to_owned(), function, args }],
        arguments: vec![bigint()],
        subtask: Subtask { index: 0, parallelism: 1 },
        max_parallelism: 128,
        session_zone: "UTC".to_owned(),
    }
}

fn batch(rows: i64) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    RecordBatch::try_from_iter([("a", column)]).unwrap()
}

/// Starts, makes two calls, and closes.
fn run(programs: &Arc<FakePrograms>, calls: &FunctionCalls) -> Result<()> {
    let (host, environment) = (PythonHost::new(Defaults::default()), world(programs));
    let mut process = ready(host.start(calls, &environment))?;
    for rows in [3, 8192] {
        let results = ready(process.call(batch(rows)))?;
        assert_eq!(results[0].as_ref(), batch(rows).column(0).as_ref());
    }
    ready(process.close())
}

#[test]
fn wherever_a_process_dies_it_may_be_tried_again() {
    let programs = FakePrograms::new(|_| python(r#"{"pandas": false}"#));
    let frames = 7;
    for frame in 1..=frames {
        let programs = FakePrograms::new(|_| python(r#"{"pandas": false}"#));
        programs.die_at(frame);
        let error = run(&programs, &calls(&[])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::External { retry: true }, "{frame}");
        assert_eq!(error.message(), "the Python process of function 'f' is gone");
        assert_eq!((programs.started().len(), programs.running()), (1, 0), "{frame}");
    }
    programs.die_at(frames + 1);
    run(&programs, &calls(&[])).unwrap();
    assert_eq!(programs.running(), 0);
}

#[test]
fn batches_are_as_large_as_pandas_may_have_them() {
    let options = [("python.fn-execution.arrow.batch.size", "100")];
    let frames = |opened: &'static str| {
        let programs = FakePrograms::new(move |_| python(opened));
        // Sources, begin, open, schema; then 1 batch of 3 rows, and 82 for 8192.
        programs.die_at(4 + 1 + 82 + 1);
        run(&programs, &calls(&options))
    };
    assert!(frames(r#"{"pandas": true}"#).is_err(), "the close is the last frame");
    frames(r#"{"pandas": false}"#).unwrap();
}

#[test]
fn answers_that_are_none_are_told() {
    let answering = |answer: Vec<u8>| {
        let programs = FakePrograms::new(move |_| {
            let answer = answer.clone();
            Box::new(move |frame| if frame[8] == b'O' { answer.clone() } else { Vec::new() })
        });
        run(&programs, &calls(&[])).unwrap_err()
    };
    assert_eq!(answering(framed(b'x', b"")).message(), "function 'f': Python answers with a frame of kind 120");
    assert_eq!(answering(framed(b'o', b"{")).message(), "function 'f': Python has opened something else");
    assert_eq!(answering(framed(b'e', b"{")).message(), "function 'f': Python's report cannot be read");
    let silent = answering(Vec::new());
    assert_eq!(silent.kind(), ErrorKind::External { retry: true });
    assert_eq!(silent.message(), "the Python process of function 'f' has not answered in 600000 ms");
}

#[test]
fn a_description_is_asked_of_one_process_that_ends() {
    let programs = FakePrograms::new(|_| python("{}"));
    let (host, environment) = (PythonHost::new(Defaults::default()), world(&programs));
    let declaration = Declaration {
        language: flott_api::function::Language::Python,
        entry: "m.f".to_owned(),
        artifacts: Vec::new(),
        parameters: None,
        returns: None,
        options: BTreeMap::from([("python.executable".to_owned(), "/py".to_owned())]),
    };
    assert_eq!(host.describe(&declaration, &environment).unwrap().returns, bigint());
    assert_eq!(programs.running(), 0);
    let started = programs.started().remove(0);
    assert_eq!((started.path.as_str(), started.name.as_str()), ("/py", "Python of function 'm.f'"));
}
