//! What functions are: read once, from the decorators of PyFlink.

use flott_api::function::CallForm;
use flott_api::{ErrorKind, Field, LogicalType, TypeKind};

use super::world::{World, told};

const DECLARED: &str = include_str!("modules/declared.py");

fn world(test: &str) -> Option<World> {
    World::with(test, &[("declared", DECLARED)])
}

#[tokio::test]
async fn functions_are_what_their_decorators_say() {
    let Some(world) = world("functions_are_what_their_decorators_say") else { return };
    let add = world.describe("declared.add").unwrap();
    let bigint = || LogicalType::new(TypeKind::BigInt);
    assert_eq!(add.parameters, Some(vec![Field::new("f0", bigint()), Field::new("f1", bigint())]));
    assert_eq!((add.returns, add.form, add.deterministic), (bigint(), CallForm::Row, true));
    assert_eq!(add.artifacts[0].uri, world.path("declared.py"));
    assert_eq!(add.artifacts[0].sha256.len(), 64);
    let shown = |name: &str| {
        let function = world.describe(&format!("declared.{name}")).unwrap_or_else(|e| panic!("{}", told(&e)));
        format!("{:?} {:?} {}", function.returns, function.form, function.deterministic)
    };
    assert_eq!(shown("text"), "ROW<`a` INT NOT NULL, `b` ARRAY<STRING>> Row true");
    assert_eq!(shown("upper"), "STRING Row false");
    assert_eq!(shown("hashed"), "ROW<`h` INT NOT NULL> Row false");
    assert_eq!(shown("columns"), "MAP<STRING, DECIMAL(10, 2)> Batch true");
    assert_eq!(shown("arrays"), "TIMESTAMP_LTZ(3) Batch true");
    assert_eq!(shown("later"), "STRING Async true");
    assert_eq!(shown("later_too"), "STRING Async true");
    assert_eq!(shown("mean"), "BIGINT Batch true");
    assert_eq!(world.describe("declared.mean").unwrap().accumulator, None);
    assert_eq!(shown("split"), "ARRAY<ROW<`f0` INT, `f1` STRING> NOT NULL> NOT NULL Row true");
}

#[tokio::test]
async fn what_is_no_function_is_refused_by_name() {
    let Some(mut world) = world("what_is_no_function_is_refused_by_name") else { return };
    let refused = |entry: &str| {
        let error = world.describe(entry).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{entry}");
        error.message().to_owned()
    };
    assert_eq!(refused("nowhere.f"), "function 'nowhere.f': there is no module 'nowhere'");
    assert_eq!(refused("declared.f"), "function 'declared.f': module 'declared' has no 'f'");
    assert_eq!(refused("f"), "function 'f': 'f' is no function of a module: write 'module.function'");
    let plain = "'declared.plain' is not declared as a function: decorate it with @udf(result_type=...)";
    assert_eq!(refused("declared.plain"), format!("function 'declared.plain': {plain}"));
    let unbuilt = |name: &str, kind: &str| {
        let expected = format!("function 'declared.{name}': a {kind} function in Python is not supported yet");
        assert_eq!(refused(&format!("declared.{name}")), expected);
    };
    unbuilt("top", "table aggregate");
    let mapped = told(&world.describe("declared.mapped").unwrap_err());
    assert!(mapped.contains("an aggregate function of pandas gives no MAP<STRING, INT>, as in PyFlink"), "{mapped}");
    let multiset = "type MULTISET<INT> in functions in Python is not supported yet";
    assert_eq!(refused("declared.counted"), format!("function 'declared.counted': {multiset}"));
    assert_eq!(refused("declared.unknown"), "function 'declared.unknown': 'NUMBER' is no type");
    let mut declared = world.declaration("declared.add");
    declared.returns = Some(LogicalType::string());
    assert!(told(&world.describe_declared(&declared).unwrap_err()).contains("@udf(result_type=...)"));
    let mut declared = world.declaration("declared.add");
    declared.artifacts.push("x.zip".to_owned());
    assert!(told(&world.describe_declared(&declared).unwrap_err()).contains("python.files"));
    world.set("table.exec.async-scalar.timeout", "soon");
    assert!(world.describe("declared.add").is_err());
}

#[tokio::test]
async fn a_module_that_does_not_load_says_where() {
    let modules = [
        ("fails", "x = 1\nx / 0\n"),
        ("ends", "import sys\nsys.exit(3)\n"),
        ("unread", "def f(:\n"),
        ("needs", "import not_installed_anywhere\n"),
        ("uses", "from pyflink.table import TableEnvironment\nTableEnvironment.create()\n"),
        ("dies", "import os\nos._exit(7)\n"),
        ("hangs", "while True:\n    pass\n"),
    ];
    let Some(mut world) = World::with("a_module_that_does_not_load_says_where", &modules) else { return };
    let error = |module: &str| told(&world.describe(&format!("{module}.f")).unwrap_err());
    let fails = error("fails");
    assert!(
        fails.starts_with("function 'fails.f': module 'fails' cannot be loaded: ZeroDivisionError: division"),
        "{fails}"
    );
    assert!(fails.contains("fails.py\", line 2"), "{fails}");
    assert!(error("ends").contains("cannot be loaded: SystemExit: 3"), "{}", error("ends"));
    assert!(error("unread").contains("SyntaxError"), "{}", error("unread"));
    assert!(error("needs").contains("No module named 'not_installed_anywhere'"), "{}", error("needs"));
    let uses = error("uses");
    assert!(uses.contains("PyFlink is not installed, and 'pyflink.table.TableEnvironment' was used"), "{uses}");
    assert!(error("dies").contains("is gone\n") && error("dies").contains("exit status: 7"), "{}", error("dies"));
    world.set("python.fn-execution.timeout", "1 s");
    let hangs = world.describe("hangs.f").unwrap_err();
    assert_eq!(hangs.kind(), ErrorKind::External { retry: true });
    assert!(hangs.message().ends_with("has not answered in 1000 ms"), "{hangs}");
}

#[tokio::test]
async fn modules_are_found_in_files_folders_and_archives() {
    let Some(mut world) = World::with("modules_are_found_in_files_folders_and_archives", &[]) else { return };
    let source = "from pyflink.table.udf import udf\nf = udf(lambda: 1, result_type='INT')\n";
    world.write("single/alone.py", source);
    world.write("single/neighbour.py", source);
    world.write("library/package/__init__.py", "");
    world.write("library/package/inner.py", source);
    world.write("make.py", "import zipfile\nzipfile.ZipFile('z.zip', 'w').write('single/alone.py', 'zipped.py')\n");
    let made = std::process::Command::new(&world.python).arg("make.py").current_dir(world.folder.path()).status();
    assert!(made.unwrap().success());
    let places = ["single/alone.py", "library", "z.zip"].map(|place| world.path(place)).join(",");
    world.options.remove("python.pythonpath");
    world.set("python.files", &places);
    for entry in ["alone.f", "package.inner.f", "zipped.f"] {
        world.describe(entry).unwrap_or_else(|e| panic!("{}", told(&e)));
        assert_eq!(world.rows(&[world.call(entry, &[])], &["INT"], "5").await.unwrap(), ["1"], "{entry}");
    }
    assert!(world.describe("neighbour.f").unwrap_err().message().ends_with("there is no module 'neighbour'"));
    assert!(world.describe("zipped.f").unwrap().artifacts.is_empty(), "it is not one file");
}

#[tokio::test]
async fn pyflink_itself_is_used_where_it_is_installed() {
    let udf = "class UserDefinedScalarFunctionWrapper:\n    def __init__(self, f, t):\n        \
        self._func, self._result_type, self._func_type = f, t, 'general'\n        \
        self._input_types, self._deterministic = None, True\n\n\
        def udf(f, result_type):\n    return UserDefinedScalarFunctionWrapper(f, result_type)\n\n\
        class FunctionContext:\n    def __init__(self, *args, **more):\n        pass\n";
    let types = "class VarCharType:\n    length, _nullable = 7, False\n";
    let row = "class Row:\n    theirs = True\n    def __init__(self, *values):\n        self.values = values\n    \
        def set_field_names(self, names):\n        pass\n";
    let module = "from pyflink.table.types import VarCharType\nfrom pyflink.table.udf import udf\n\
        f = udf(lambda row: str(row.theirs), VarCharType())\ng = udf(lambda: (1,), 'ROW<a INT>')\n";
    let modules = [("pyflink/__init__", ""), ("pyflink/table/__init__", ""), ("pyflink/table/udf", udf)];
    let more = [("pyflink/table/types", types), ("pyflink/common", row), ("m", module)];
    let Some(world) = World::with("pyflink_itself_is_used", &[&modules[..], &more].concat()) else { return };
    assert_eq!(world.describe("m.f").unwrap().returns.to_string(), "VARCHAR(7) NOT NULL");
    let call = world.call_of("m.f", vec![super::world::within(world.call("m.g", &[]))]);
    let error = world.error(&[call], &["INT"], "1").await;
    assert!(error.to_string().contains("AttributeError"), "their module of rows was not imported: {error}");
    world.write("m.py", &format!("import pyflink.common\n{module}"));
    let call = world.call_of("m.f", vec![super::world::within(world.call("m.g", &[]))]);
    assert_eq!(world.rows(&[call], &["INT"], "1").await.unwrap(), ["True"]);
}

#[tokio::test]
async fn a_python_that_is_missing_or_bare_says_what_to_do() {
    let Some(mut world) = world("a_python_that_is_missing_or_bare_says_what_to_do") else { return };
    world.set("python.executable", "/nowhere/python");
    let missing = told(&world.describe("declared.add").unwrap_err());
    assert!(missing.starts_with("there is no Python '/nowhere/python'\n"), "{missing}");
    let bare = world.path("bare");
    let made = std::process::Command::new(&world.python).args(["-m", "venv", "--without-pip", &bare]).status();
    assert!(made.unwrap().success());
    world.set("python.executable", &format!("{bare}/bin/python"));
    let error = world.describe("declared.add").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::External { retry: false });
    let bare = told(&error);
    assert!(bare.contains("has no package 'pyarrow', 'numpy'"), "{bare}");
    assert!(bare.contains("bin/python -m pip install pyarrow pandas"), "{bare}");
}
