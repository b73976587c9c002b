//! `flott-bench functions`, its second half: rows a second that functions in WebAssembly take, as an expression calls them.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::ArrayRef;
use flott_api::env::Environment;
use flott_api::function::{Declaration, FunctionHost, Language};
use flott_api::{BATCH_ROWS_MAX, Error, Field, LogicalType, Result, TypeKind};
use flott_wasm::WasmHost;

use crate::functions;

const MODULE: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "flott_alloc") (param i32) (result i32)
        (if (i32.gt_u (local.get 0) (i32.const 1048576)) (then (return (i32.const 0))))
        (if (i32.lt_u (memory.size) (i32.const 32)) (then (drop (memory.grow (i32.const 32)))))
        (i32.const 65536))
    (func (export "numbers") (param i64) (result i64)
        (i64.add (i64.mul (local.get 0) (i64.const 2)) (i64.const 1)))
    (func (export "length") (param i64 i32 i32) (result i64)
        (i64.add (local.get 0) (i64.extend_i32_u (local.get 2))))
    (func (export "itself") (param i32 i32) (result i64)
        (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1)))))"#;

/// What is called, of which columns: a number, a text.
const CALLS: [(&str, &[usize]); 3] = [("numbers", &[0]), ("length", &[0, 1]), ("itself", &[1])];

/// The table of the report.
pub(crate) fn measure(environment: &Environment, rows: u64, folder: &Path) -> Result<String> {
    let file = folder.join("measured.wasm");
    let module = wat::parse_str(MODULE).map_err(|e| Error::internal("no module").with_source(e))?;
    std::fs::write(&file, module).map_err(|e| Error::external("the module cannot be written").with_source(e))?;
    let types = [LogicalType::new(TypeKind::BigInt), LogicalType::string()];
    let columns = functions::batch()?;
    let mut report = format!("{rows} rows through functions in WebAssembly\n\nfunction          rows/s\n");
    for (entry, places) in CALLS {
        let parameters = places.iter().map(|at| Field::new(format!("p{at}"), types[*at].clone())).collect();
        let declaration = Declaration {
            language: Language::WebAssembly,
            entry: entry.to_owned(),
            artifacts: vec![file.to_string_lossy().into_owned()],
            parameters: Some(parameters),
            returns: Some(types[usize::from(entry == "itself")].clone()),
            options: BTreeMap::new(),
        };
        let host = WasmHost::default();
        let function = host.describe(&declaration, environment)?;
        let kernel = host.kernel(entry, &function, environment)?;
        let arguments: Vec<ArrayRef> = places.iter().map(|at| columns.column(*at).clone()).collect();
        kernel.call(&arguments, BATCH_ROWS_MAX)?;
        let begin = environment.clock.monotonic_ns();
        for _ in 0..rows.div_ceil(BATCH_ROWS_MAX as u64) {
            let result = kernel.call(&arguments, BATCH_ROWS_MAX)?;
            if result.len() != BATCH_ROWS_MAX || result.null_count() > 0 {
                return Err(Error::internal(format!("function '{entry}' gives another result")));
            }
        }
        let seconds = (environment.clock.monotonic_ns() - begin) as f64 / 1e9;
        report.push_str(&format!("{entry:<14} {:>8.2}M\n", rows as f64 / seconds / 1e6));
    }
    Ok(report)
}
