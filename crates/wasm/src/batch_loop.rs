//! The module between a batch and a function: it calls the function for each row.
//!
//! It is made anew for each signature, and compiled with the rest, so that a row costs a call within compiled code. Its own
//! memory holds a batch: a header of 32-bit numbers ([`Header`]), columns of arguments as they lie in Arrow, a byte a row that
//! says whether the row is to be called and afterwards whether it has a result, and the results. Those of text and bytes are
//! copied out of the function's memory at once, since the next call may overwrite them; behind each other, as Arrow has them.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalSection,
    GlobalType, ImportSection, InstructionSink, MemArg, MemorySection, MemoryType, Module, TypeSection, ValType,
};

use crate::lane::Lane;

/// Where in the header a number lies, in numbers.
pub(crate) struct Header;

impl Header {
    /// How many rows.
    pub(crate) const ROWS: u32 = 0;
    /// Where the byte of each row is.
    pub(crate) const CALLED: u32 = 1;
    /// Where the results begin; of bytes, where their ends do.
    pub(crate) const RESULTS: u32 = 2;
    /// Where the bytes of results begin.
    pub(crate) const BYTES: u32 = 3;
    /// Where each argument begins, then, if nulls are passed, where the byte of each row is that says whether it is one.
    pub(crate) const ARGUMENTS: u32 = 4;
}

/// Bits of a page's size.
const PAGE_BITS: i64 = 16;

/// What a function takes and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Its parameters.
    pub(crate) parameters: Vec<Lane>,
    /// Its result.
    pub(crate) result: Lane,
    /// Whether it is called with nulls, each parameter followed by a number that says whether it is one.
    pub(crate) nulls: bool,
}

impl Shape {
    /// The parameters of the function itself.
    pub(crate) fn parameter_types(&self) -> Vec<ValType> {
        let flag: &[ValType] = if self.nulls { &[ValType::I32] } else { &[] };
        self.parameters.iter().flat_map(|lane| lane.parameters().iter().chain(flag).copied()).collect()
    }

    /// Whether the function's memory is needed.
    pub(crate) fn uses_bytes(&self) -> bool {
        self.result == Lane::Bytes || self.parameters.contains(&Lane::Bytes)
    }

    /// So many addresses stand in the header behind the fixed numbers.
    pub(crate) fn addresses(&self) -> u32 {
        self.parameters.len() as u32 * if self.nulls { 2 } else { 1 }
    }
}

/// The module that remembers whether a call has given null: a number, and the function that sets it.
pub(crate) fn null_module() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut globals = GlobalSection::new();
    globals.global(FLAG, &ConstExpr::i32_const(0));
    let mut exports = ExportSection::new();
    exports.export("null", ExportKind::Global, 0).export("set_null", ExportKind::Func, 0);
    let mut code = CodeSection::new();
    let mut set_null = Function::new([]);
    set_null.instructions().i32_const(1).global_set(0).end();
    code.function(&set_null);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&globals).section(&exports).section(&code);
    module.finish()
}

const FLAG: GlobalType = GlobalType { val_type: ValType::I32, mutable: true, shared: false };

// Functions, globals and memories of the module, in the order of their sections.
const FUNCTION: u32 = 0;
const RUN: u32 = 1;
const NULL: u32 = 0;
const FULL: u32 = 1;

/// The module for a shape. It takes `user.f`, `user.memory` if bytes cross, and `flott.null`; it gives `run`, `memory`, and
/// `full`, which is 1 if it stopped because its memory may not grow.
pub(crate) fn module(shape: &Shape) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function(shape.parameter_types(), [shape.result.result()]);
    types.ty().function([], []);
    let mut imports = ImportSection::new();
    imports.import("user", "f", EntityType::Function(0));
    if shape.uses_bytes() {
        imports.import("user", "memory", EntityType::Memory(memory(0)));
    }
    imports.import("flott", "null", EntityType::Global(FLAG));
    let mut functions = FunctionSection::new();
    functions.function(1);
    let mut memories = MemorySection::new();
    memories.memory(memory(1));
    let mut globals = GlobalSection::new();
    globals.global(FLAG, &ConstExpr::i32_const(0));
    let own = u32::from(shape.uses_bytes());
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, RUN);
    exports.export("memory", ExportKind::Memory, own);
    exports.export("full", ExportKind::Global, FULL);
    let mut code = CodeSection::new();
    code.function(&Loop { shape, own }.function());
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&memories).section(&globals);
    module.section(&exports).section(&code);
    module.finish()
}

const fn memory(minimum: u64) -> MemoryType {
    MemoryType { minimum, maximum: None, memory64: false, shared: false, page_size_log2: None }
}

// Locals: 32-bit numbers, then the addresses of arguments, then two 64-bit numbers.
const ROWS: u32 = 0;
const CALLED: u32 = 1;
const RESULT: u32 = 2;
const BYTES: u32 = 3;
const END: u32 = 4;
const LENGTH: u32 = 5;
const ARGUMENTS: u32 = 6;

struct Loop<'a> {
    shape: &'a Shape,
    /// The index of the module's own memory.
    own: u32,
}

impl Loop<'_> {
    fn function(&self) -> Function {
        let narrow = ARGUMENTS + self.shape.addresses();
        let mut function = Function::new([(narrow, ValType::I32), (2, ValType::I64)]);
        let mut code = function.instructions();
        for (at, local) in [(Header::ROWS, ROWS), (Header::CALLED, CALLED), (Header::RESULTS, RESULT)] {
            self.header_to(&mut code, at, local);
        }
        self.header_to(&mut code, Header::BYTES, BYTES);
        for address in 0..self.shape.addresses() {
            self.header_to(&mut code, Header::ARGUMENTS + address, ARGUMENTS + address);
        }
        code.block(BlockType::Empty).loop_(BlockType::Empty);
        code.local_get(ROWS).i32_eqz().br_if(1);
        code.block(BlockType::Empty);
        code.local_get(CALLED).i32_load8_u(self.at(0)).i32_eqz().br_if(0);
        self.row(&mut code, narrow);
        code.end();
        self.next(&mut code);
        code.br(0).end().end().end();
        function
    }

    fn at(&self, align: u32) -> MemArg {
        MemArg { offset: 0, align, memory_index: self.own }
    }

    fn header_to(&self, code: &mut InstructionSink<'_>, at: u32, local: u32) {
        code.i32_const(4 * at as i32).i32_load(self.at(2)).local_set(local);
    }

    /// The local with the address of an argument, and that of its null byte.
    fn addresses(&self, argument: usize) -> (u32, Option<u32>) {
        match self.shape.nulls {
            true => (ARGUMENTS + 2 * argument as u32, Some(ARGUMENTS + 2 * argument as u32 + 1)),
            false => (ARGUMENTS + argument as u32, None),
        }
    }

    /// One call. Leaves the block around it if it gave null.
    fn row(&self, code: &mut InstructionSink<'_>, wide: u32) {
        let result = self.shape.result;
        if result != Lane::Bytes {
            code.local_get(RESULT);
        }
        for (index, lane) in self.shape.parameters.iter().enumerate() {
            let (value, null) = self.addresses(index);
            lane.load(code, self.own, value);
            if let Some(null) = null {
                code.local_get(null).i32_load8_u(self.at(0));
            }
        }
        code.call(FUNCTION);
        match result {
            Lane::Bytes => {
                code.local_set(wide);
            }
            other => other.store(code, self.own),
        }
        code.global_get(NULL).if_(BlockType::Empty);
        code.i32_const(0).global_set(NULL);
        code.local_get(CALLED).i32_const(0).i32_store8(self.at(0));
        code.br(1).end();
        if result == Lane::Bytes {
            self.copy(code, wide);
        }
    }

    /// Copies the bytes that pointer and length in a local name behind those that are there.
    fn copy(&self, code: &mut InstructionSink<'_>, packed: u32) {
        let missing = packed + 1;
        code.local_get(packed).i32_wrap_i64().local_set(LENGTH);
        // What would be missing: bytes + end + length - the memory's size.
        code.local_get(BYTES).i64_extend_i32_u().local_get(END).i64_extend_i32_u().i64_add();
        code.local_get(LENGTH).i64_extend_i32_u().i64_add();
        code.memory_size(self.own).i64_extend_i32_u().i64_const(PAGE_BITS).i64_shl().i64_sub().local_set(missing);
        code.local_get(missing).i64_const(0).i64_gt_s().if_(BlockType::Empty);
        // As much again at least, so that growing costs little in all.
        code.local_get(missing).i64_const((1 << PAGE_BITS) - 1).i64_add().i64_const(PAGE_BITS).i64_shr_u();
        code.i32_wrap_i64().memory_grow(self.own).i32_const(-1).i32_eq().if_(BlockType::Empty);
        code.i32_const(1).global_set(FULL).unreachable().end().end();
        code.local_get(BYTES).local_get(END).i32_add();
        code.local_get(packed).i64_const(32).i64_shr_u().i32_wrap_i64();
        code.local_get(LENGTH).memory_copy(self.own, 0);
        code.local_get(END).local_get(LENGTH).i32_add().local_set(END);
    }

    /// On to the next row.
    fn next(&self, code: &mut InstructionSink<'_>) {
        if self.shape.result == Lane::Bytes {
            code.local_get(RESULT).local_get(END).i32_store(self.at(2));
        }
        let advance = |code: &mut InstructionSink<'_>, local, by: u32| {
            code.local_get(local).i32_const(by as i32).i32_add().local_set(local);
        };
        advance(code, RESULT, self.shape.result.result_bytes());
        advance(code, CALLED, 1);
        for (index, lane) in self.shape.parameters.iter().enumerate() {
            let (value, null) = self.addresses(index);
            advance(code, value, lane.argument_bytes());
            null.into_iter().for_each(|null| advance(code, null, 1));
        }
        code.local_get(ROWS).i32_const(1).i32_sub().local_set(ROWS);
    }
}
