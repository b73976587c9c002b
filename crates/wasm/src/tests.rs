//! Modules from text, called as a job calls them.

use std::io;
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int8Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray};
use expect_test::expect;
use flott_api::env::{Environment, FileStatus, FileSystem, FileSystems, ReadFile, WriteFile};
use flott_api::function::{Declaration, FunctionHost, Language, UserFunction};
use flott_api::testing::FakeWorld;
use flott_api::{Error, Field, LogicalType, Result, TypeKind};

use crate::WasmHost;

/// A world with one file.
#[derive(Clone)]
struct World(Arc<Mutex<Vec<u8>>>);

impl FileSystems for World {
    fn resolve(&self, path: &str) -> Result<(Arc<dyn FileSystem>, String)> {
        Ok((Arc::new(self.clone()), path.to_owned()))
    }
}

fn not_here<T>() -> io::Result<T> {
    Err(io::ErrorKind::NotFound.into())
}

impl FileSystem for World {
    fn list(&self, _: &str) -> io::Result<Vec<FileStatus>> {
        not_here()
    }

    fn list_hidden(&self, _: &str) -> io::Result<Vec<FileStatus>> {
        not_here()
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn ReadFile>> {
        if path != "/f.wasm" {
            return not_here();
        }
        Ok(Box::new(io::Cursor::new(self.0.lock().unwrap().clone())))
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn WriteFile>> {
        not_here()
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        not_here()
    }

    fn delete(&self, _: &str) -> io::Result<()> {
        not_here()
    }

    fn exists(&self, _: &str) -> io::Result<bool> {
        Ok(false)
    }
}

/// A module, and the host that runs it.
struct Bench {
    host: WasmHost,
    file: World,
    environment: Environment,
}

impl Bench {
    fn new(text: &str) -> Self {
        let file = World(Arc::new(Mutex::new(wat::parse_str(text).unwrap())));
        let environment = Environment { files: Arc::new(file.clone()), ..FakeWorld::at(0).environment() };
        Bench { host: WasmHost::default(), file, environment }
    }

    fn declare(
        &self,
        entry: &str,
        parameters: &[LogicalType],
        returns: LogicalType,
        options: &[(&str, &str)],
    ) -> Result<UserFunction> {
        let parameters = parameters.iter().enumerate().map(|(i, ty)| Field::new(format!("p{i}"), ty.clone()));
        let declaration = Declaration {
            language: Language::WebAssembly,
            entry: entry.to_owned(),
            artifacts: vec!["/f.wasm".to_owned()],
            parameters: Some(parameters.collect()),
            returns: Some(returns),
            options: options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        };
        self.host.describe(&declaration, &self.environment)
    }

    fn call(&self, function: &UserFunction, arguments: &[ArrayRef]) -> Result<ArrayRef> {
        let rows = arguments.first().map_or(3, |a| a.len());
        self.host.kernel("f", function, &self.environment)?.call(arguments, rows)
    }
}

fn told(error: &Error) -> String {
    let more = error.detail().into_iter().chain(error.hint()).collect::<Vec<_>>().join(" ");
    format!("{}: {more}", error.message())
}

fn ty(kind: TypeKind) -> LogicalType {
    LogicalType::new(kind)
}

fn bigint() -> LogicalType {
    ty(TypeKind::BigInt)
}

const NUMBERS: &str = r#"(module
    (import "flott" "set_null" (func $null))
    (func (export "add") (param i64 i64) (result i64) local.get 0 local.get 1 i64.add)
    (func (export "half") (param f64) (result f64) local.get 0 f64.const 2 f64.div)
    (func (export "not") (param i32) (result i32) local.get 0 i32.eqz)
    (func (export "narrow") (param i64) (result i32) local.get 0 i32.wrap_i64)
    (func (export "odd") (param i64) (result i64)
        local.get 0 i64.const 1 i64.and i64.eqz if call $null end local.get 0)
    (func (export "divide") (param i64) (result i64) i64.const 100 local.get 0 i64.div_s)
    (func (export "or_zero") (param i64 i32) (result i64)
        local.get 1 if (result i64) i64.const -1 else local.get 0 end)
    (func (export "three") (result i64) i64.const 3)
    (func (export "forever") (param i64) (result i64) (loop br 0) unreachable)
    (func $deep (export "deep") (param i64) (result i64) local.get 0 call $deep)
    (global $calls (mut i64) (i64.const 0))
    (func (export "calls") (param i64) (result i64)
        global.get $calls i64.const 1 i64.add global.set $calls global.get $calls))"#;

#[test]
fn numbers_cross_as_they_are() {
    let bench = Bench::new(NUMBERS);
    let add = bench.declare("add", &[bigint(), bigint()], bigint(), &[]).unwrap();
    let a: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MAX), Some(5)]));
    let b: ArrayRef = Arc::new(Int64Array::from(vec![Some(10), Some(20), Some(1), None]));
    let sums = bench.call(&add, &[a.clone(), b.clone()]).unwrap();
    let expected = Int64Array::from(vec![Some(11), None, Some(i64::MIN), None]);
    assert_eq!(sums.as_primitive::<Int64Type>(), &expected);
    // Of a part of an array, too.
    let sums = bench.call(&add, &[a.slice(2, 2), b.slice(2, 2)]).unwrap();
    assert_eq!(sums.as_primitive::<Int64Type>(), &expected.slice(2, 2));

    let half = bench.declare("half", &[ty(TypeKind::Double)], ty(TypeKind::Double), &[]).unwrap();
    let halves = bench.call(&half, &[Arc::new(Float64Array::from(vec![3.0, -1.0]))]).unwrap();
    assert_eq!(halves.as_primitive::<Float64Type>().values(), &[1.5, -0.5]);

    let not = bench.declare("not", &[ty(TypeKind::Boolean)], ty(TypeKind::Boolean), &[]).unwrap();
    let truths: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]));
    assert_eq!(
        bench.call(&not, &[truths]).unwrap().as_boolean(),
        &BooleanArray::from(vec![Some(false), Some(true), None])
    );

    let three = bench.declare("three", &[], bigint(), &[]).unwrap();
    assert_eq!(bench.call(&three, &[]).unwrap().as_primitive::<Int64Type>().values(), &[3, 3, 3]);
}

#[test]
fn decimals_and_dates_cross_as_numbers() {
    let bench = Bench::new(NUMBERS);
    let price = || ty(TypeKind::Decimal { precision: 10, scale: 2 });
    let add = bench.declare("add", &[price(), bigint()], price(), &[]).unwrap();
    let prices = Decimal128Array::from(vec![1250, 9_999_999_999]).with_precision_and_scale(10, 2).unwrap();
    let more = |n: [i64; 2]| Arc::new(Int64Array::from(n.to_vec())) as ArrayRef;
    let sums = bench.call(&add, &[Arc::new(prices.clone()), more([5, 0])]).unwrap();
    assert_eq!(sums.as_primitive::<Decimal128Type>().values(), &[1255, 9_999_999_999]);
    let error = bench.call(&add, &[Arc::new(prices), more([5, 1])]).unwrap_err();
    assert_eq!(error.message(), "function 'f' gave a number that is no DECIMAL(10, 2)");

    let day = bench.declare("narrow", &[bigint()], ty(TypeKind::Date), &[]).unwrap();
    let days = bench.call(&day, &[more([0, 20_000])]).unwrap();
    assert_eq!(days.as_primitive::<Date32Type>(), &Date32Array::from(vec![0, 20_000]));
    assert_eq!(
        bench.call(&day, &[more([0, 1 << 30])]).unwrap_err().message(),
        "function 'f' gave a number that is no DATE"
    );

    let tiny = bench.declare("narrow", &[bigint()], ty(TypeKind::TinyInt), &[]).unwrap();
    assert_eq!(bench.call(&tiny, &[more([-128, 127])]).unwrap().as_primitive::<Int8Type>().values(), &[-128, 127]);
    assert!(bench.call(&tiny, &[more([0, 128])]).unwrap_err().message().contains("no TINYINT"));
}

#[test]
fn a_function_may_give_null_and_take_it() {
    let bench = Bench::new(NUMBERS);
    let odd = bench.declare("odd", &[bigint()], bigint(), &[]).unwrap();
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(3)]));
    let odds = bench.call(&odd, std::slice::from_ref(&numbers)).unwrap();
    assert_eq!(odds.as_primitive::<Int64Type>(), &Int64Array::from(vec![Some(1), None, None, Some(3)]));

    let never = bench.declare("odd", &[bigint()], LogicalType::not_null(TypeKind::BigInt), &[]).unwrap();
    assert_eq!(
        bench.call(&never, std::slice::from_ref(&numbers)).unwrap_err().message(),
        "function 'f' gave null, and RETURNS BIGINT NOT NULL"
    );

    let or_zero = bench.declare("or_zero", &[bigint()], bigint(), &[("null-call", "true")]).unwrap();
    let zeros = bench.call(&or_zero, &[numbers]).unwrap();
    assert_eq!(zeros.as_primitive::<Int64Type>(), &Int64Array::from(vec![1, 2, -1, 3]));
}

#[test]
fn what_goes_wrong_in_a_function_is_said() {
    let bench = Bench::new(NUMBERS);
    let failing = |entry: &str, options: &[(&str, &str)]| {
        let function = bench.declare(entry, &[bigint()], bigint(), options).unwrap();
        told(&bench.call(&function, &[Arc::new(Int64Array::from(vec![5, 0]))]).unwrap_err())
    };
    expect!["function 'f' failed: Wasm trap: integer divide by zero."].assert_eq(&failing("divide", &[]));
    expect!["function 'f' took too long: A batch may take 50 ms ('timeout')."]
        .assert_eq(&failing("forever", &[("timeout", "50 ms")]));
    expect!["function 'f' failed: Wasm trap: call stack exhausted."].assert_eq(&failing("deep", &[]));
}

#[test]
fn what_does_not_fit_its_declaration_is_refused() {
    let bench = Bench::new(NUMBERS);
    let refused = |entry: &str, parameters: &[LogicalType], options: &[(&str, &str)]| {
        told(&bench.declare(entry, parameters, bigint(), options).unwrap_err())
    };
    expect![[r#"
        function 'add' of module '/f.wasm' has other types than it was declared with: It is (i64, i64) -> i64, and the declaration wants (i32) -> i64.
        module '/f.wasm' exports no function 'ad': Did you mean 'add'?
        function 'add' has no option 'memory': Did you mean 'memory-max'?
        parameter 'p0': ROW<> for a function in WebAssembly is not supported yet: Numbers, truth values, dates, times, text and bytes cross; the rest as text, such as JSON.
        module '/f.wasm' exports no 'memory': Text and bytes cross through the module's memory. Export 'memory': its memory."#]]
    .assert_eq(
        &[
            refused("add", &[ty(TypeKind::Int)], &[]),
            refused("ad", &[], &[]),
            refused("add", &[bigint(), bigint()], &[("memory", "1 mb")]),
            refused("add", &[ty(TypeKind::Row(Vec::new()))], &[]),
            {
                let pointer = Bench::new(r#"(module (func (export "f") (param i32 i32) (result i64) i64.const 0))"#);
                told(&pointer.declare("f", &[LogicalType::string()], bigint(), &[]).unwrap_err())
            },
        ]
        .join("\n"),
    );
    let alien = Bench::new(r#"(module (import "env" "open" (func)) (func (export "f") (result i64) i64.const 0))"#);
    assert!(told(&alien.declare("f", &[], bigint(), &[]).unwrap_err()).contains("wants what is not here: env.open"));
}

#[test]
fn a_file_that_has_changed_is_refused() {
    let bench = Bench::new(NUMBERS);
    let add = bench.declare("add", &[bigint(), bigint()], bigint(), &[]).unwrap();
    *bench.file.0.lock().unwrap() = wat::parse_str("(module)").unwrap();
    let error = bench.host.kernel("f", &add, &bench.environment).err().unwrap();
    assert_eq!(error.message(), "artifact '/f.wasm' of function 'f' has changed");
    *bench.file.0.lock().unwrap() = b"no module".to_vec();
    let error = bench.declare("add", &[], bigint(), &[]).unwrap_err();
    assert_eq!(error.message(), "artifact '/f.wasm' is no module of WebAssembly");
}

/// Text in, text out: `echo` gives its argument, `twice` gives it twice from a buffer of its own that the next call
/// overwrites, `length` counts bytes, `bad` points out of its memory, `half` gives half a character.
const TEXTS: &str = r#"(module
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func (export "flott_alloc") (param $bytes i32) (result i32)
        (local $at i32)
        (local.set $at (global.get $next))
        (global.set $next (i32.add (local.get $at) (local.get $bytes)))
        (block $fits
            (br_if $fits (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
            (br_if $fits (i32.ne (i32.const -1)
                (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $bytes) (i32.const 65536))))))
            (return (i32.const 0)))
        (local.get $at))
    (func $packed (param i32 i32) (result i64)
        (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1))))
    (func (export "echo") (param i32 i32) (result i64) (call $packed (local.get 0) (local.get 1)))
    (func (export "twice") (param i32 i32) (result i64)
        (memory.copy (i32.const 0) (local.get 0) (local.get 1))
        (memory.copy (local.get 1) (local.get 0) (local.get 1))
        (call $packed (i32.const 0) (i32.mul (i32.const 2) (local.get 1))))
    (func (export "length") (param i32 i32) (result i64) (i64.extend_i32_u (local.get 1)))
    (func (export "bad") (param i32 i32) (result i64) (call $packed (i32.const -8) (i32.const 100)))
    (func (export "half") (param i32 i32) (result i64) (call $packed (local.get 0) (i32.const 1))))"#;

fn texts(texts: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

#[test]
fn text_crosses_through_the_modules_memory() {
    let bench = Bench::new(TEXTS);
    let twice = bench.declare("twice", &[LogicalType::string()], LogicalType::string(), &[]).unwrap();
    let words = texts(&[Some("a"), None, Some(""), Some("bär"), Some("long enough")]);
    let doubled = bench.call(&twice, std::slice::from_ref(&words)).unwrap();
    assert_eq!(&doubled, &texts(&[Some("aa"), None, Some(""), Some("bärbär"), Some("long enoughlong enough")]));
    let doubled = bench.call(&twice, &[words.slice(3, 1)]).unwrap();
    assert_eq!(&doubled, &texts(&[Some("bärbär")]));

    let length = bench.declare("length", &[LogicalType::string()], bigint(), &[]).unwrap();
    let lengths = bench.call(&length, std::slice::from_ref(&words)).unwrap();
    assert_eq!(lengths.as_primitive::<Int64Type>(), &Int64Array::from(vec![Some(1), None, Some(0), Some(4), Some(11)]));

    let bad = bench.declare("bad", &[LogicalType::string()], LogicalType::string(), &[]).unwrap();
    assert!(told(&bench.call(&bad, std::slice::from_ref(&words)).unwrap_err()).contains("out of bounds memory access"));
    let half = bench.declare("half", &[LogicalType::string()], LogicalType::string(), &[]).unwrap();
    assert_eq!(
        bench.call(&half, &[texts(&[Some("é")])]).unwrap_err().message(),
        "function 'f' gave text that is no UTF-8"
    );
    let varchar = bench.declare("echo", &[LogicalType::string()], ty(TypeKind::Varchar(5)), &[]).unwrap_err();
    assert_eq!(varchar.hint(), Some("Write RETURNS STRING."));
}

#[test]
fn more_text_than_fits_at_once_crosses_in_pieces() {
    let bench = Bench::new(TEXTS);
    let echo =
        bench.declare("echo", &[LogicalType::string()], LogicalType::string(), &[("memory-max", "8 mb")]).unwrap();
    let long: Vec<String> = (0..40).map(|i| i.to_string().repeat(150_000)).collect();
    let column: ArrayRef = Arc::new(StringArray::from(long));
    let kernel = bench.host.kernel("f", &echo, &bench.environment).unwrap();
    for _ in 0..3 {
        assert_eq!(&kernel.call(std::slice::from_ref(&column), 40).unwrap(), &column);
    }
    let huge: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(9 << 20)]));
    let error = kernel.call(&[huge], 1).unwrap_err();
    assert!(
        told(&error).contains("its flott_alloc has no") || told(&error).contains("Its flott_alloc has no"),
        "{error}"
    );
}

#[test]
fn one_instance_goes_on_over_batches_and_another_begins_anew() {
    let bench = Bench::new(NUMBERS);
    let calls = bench.declare("calls", &[bigint()], bigint(), &[("deterministic", "false")]).unwrap();
    assert!(!calls.deterministic);
    let column: ArrayRef = Arc::new(Int64Array::from(vec![0, 0]));
    let kernel = bench.host.kernel("f", &calls, &bench.environment).unwrap();
    let last = |array: ArrayRef| array.as_primitive::<Int64Type>().value(1);
    assert_eq!(last(kernel.call(std::slice::from_ref(&column), 2).unwrap()), 2);
    assert_eq!(last(kernel.call(std::slice::from_ref(&column), 2).unwrap()), 4);
    assert_eq!(last(bench.call(&calls, &[column]).unwrap()), 2);
}
