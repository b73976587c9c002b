//! A function that runs: its module's instance, and the loop that calls it.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use flott_api::function::{FunctionKernel, UserFunction};
use flott_api::{Error, LogicalType, Result};
use wasmtime::{Global, Instance, Linker, Memory, Module, Store, Trap, TypedFunc, Val};

use crate::batch_loop::{self, Header, Shape};
use crate::host::sentence;
use crate::imports::{self, World};
use crate::lane::Lane;
use crate::limits::Settings;
use crate::values::{self, Results};

/// So many bytes of text cross at once, or one row.
const PIECE_BYTES_MAX: usize = 1 << 20;
/// Columns begin at multiples of this.
const ALIGNMENT: usize = 16;
const PAGE_BYTES: usize = 1 << 16;

/// See the module.
pub(crate) struct Kernel {
    name: String,
    shape: Shape,
    returns: LogicalType,
    settings: Settings,
    running: Mutex<Running>,
}

struct Running {
    store: Store<World>,
    run: TypedFunc<(), ()>,
    /// The loop's memory.
    memory: Memory,
    full: Global,
    lender: Option<Lender>,
}

/// The memory of the function, which it lends for arguments.
struct Lender {
    memory: Memory,
    alloc: Option<TypedFunc<u32, u32>>,
    free: Option<TypedFunc<(u32, u32), ()>>,
    /// Address and size of what it has lent, by argument.
    lent: Vec<(u32, u32)>,
}

impl Kernel {
    /// Brings a function to life.
    ///
    /// # Errors
    /// If its module does not start.
    pub(crate) fn new(
        name: &str,
        function: &UserFunction,
        (module, shape): (&Module, &Shape),
        settings: Settings,
    ) -> Result<Self> {
        let running = Running::new(function, module, shape, &settings).map_err(|e| {
            Error::invalid(format!("the module of function '{name}' does not start")).with_detail(sentence(&e))
        })?;
        Ok(Kernel {
            name: name.to_owned(),
            shape: shape.clone(),
            returns: function.returns.clone(),
            settings,
            running: Mutex::new(running),
        })
    }

    /// What became of a call that did not end.
    fn failed(&self, error: &wasmtime::Error, full: bool) -> Error {
        let name = &self.name;
        if full {
            return Error::data(format!("the results of function '{name}' for a batch do not fit"))
                .with_hint(format!("Its 'memory-max' is {} mb: give it more.", self.settings.memory_mb()));
        }
        if error.downcast_ref::<Trap>() == Some(&Trap::Interrupt) {
            return Error::data(format!("function '{name}' took too long"))
                .with_detail(format!("A batch may take {} ms ('timeout').", self.settings.time_ms()));
        }
        Error::data(format!("function '{name}' failed")).with_detail(sentence(error))
    }
}

impl FunctionKernel for Kernel {
    fn call(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.store.set_epoch_deadline(self.settings.ticks());
        let mut results = Results::new(&self.name, &self.returns, self.shape.result, rows);
        for piece in pieces(&self.shape, arguments, rows) {
            let part: Vec<ArrayRef> = arguments.iter().map(|a| a.slice(piece.start, piece.len())).collect();
            running.piece(self, &part, piece.len(), &mut results)?;
        }
        let nulls = NullBuffer::union_many(arguments.iter().map(|a| a.nulls()));
        results.finish(nulls.map_or(0, |nulls| if self.shape.nulls { 0 } else { nulls.null_count() }))
    }
}

impl Running {
    fn new(function: &UserFunction, module: &Module, shape: &Shape, settings: &Settings) -> wasmtime::Result<Self> {
        let engine = module.engine();
        let mut store = Store::new(engine, World::new(settings.limits()));
        store.limiter(|world| &mut world.limits);
        store.set_epoch_deadline(settings.ticks());
        let mut linker = Linker::new(engine);
        let null = Module::new(engine, batch_loop::null_module())?;
        let null = Instance::new(&mut store, &null, &[])?;
        linker.instance(&mut store, "flott", null)?;
        imports::link(&mut linker, module)?;
        let user = linker.instantiate(&mut store, module)?;
        if let Ok(initialize) = user.get_typed_func::<(), ()>(&mut store, "_initialize") {
            initialize.call(&mut store, ())?;
        }
        let missing = |what: &str| wasmtime::Error::msg(format!("it has no {what}"));
        let entry = user.get_func(&mut store, &function.entry).ok_or_else(|| missing(&function.entry))?;
        linker.define(&store, "user", "f", entry)?;
        let mut lender = None;
        if shape.uses_bytes() {
            let memory = user.get_memory(&mut store, "memory").ok_or_else(|| missing("memory"))?;
            linker.define(&store, "user", "memory", memory)?;
            lender = Some(Lender {
                memory,
                alloc: user.get_typed_func(&mut store, "flott_alloc").ok(),
                free: user.get_typed_func(&mut store, "flott_free").ok(),
                lent: vec![(0, 0); shape.parameters.len()],
            });
        }
        let looped = linker.instantiate(&mut store, &Module::new(engine, batch_loop::module(shape))?)?;
        Ok(Running {
            run: looped.get_typed_func(&mut store, "run")?,
            memory: looped.get_memory(&mut store, "memory").ok_or_else(|| missing("memory"))?,
            full: looped.get_global(&mut store, "full").ok_or_else(|| missing("full"))?,
            store,
            lender,
        })
    }

    /// Calls the function for some rows.
    fn piece(&mut self, kernel: &Kernel, arguments: &[ArrayRef], rows: usize, results: &mut Results<'_>) -> Result<()> {
        let layout = Layout::of(&kernel.shape, rows);
        self.write(&kernel.shape, arguments, rows, &layout).map_err(|e| kernel.failed(&e, false))?;
        if let Err(error) = self.run.call(&mut self.store, ()) {
            let full = matches!(self.full.get(&mut self.store), Val::I32(1));
            return Err(kernel.failed(&error, full));
        }
        results.add(self.memory.data(&self.store), &layout, rows)
    }

    /// Lays a batch out in the loop's memory.
    fn write(&mut self, shape: &Shape, arguments: &[ArrayRef], rows: usize, layout: &Layout) -> wasmtime::Result<()> {
        let have = self.memory.data_size(&self.store);
        if have < layout.bytes {
            self.memory.grow(&mut self.store, (layout.bytes - have).div_ceil(PAGE_BYTES) as u64)?;
        }
        for (index, argument) in arguments.iter().enumerate() {
            if shape.parameters[index] == Lane::Bytes {
                let lender = self.lender.as_mut().ok_or_else(|| wasmtime::Error::msg("it lends no memory"))?;
                let base = lender.lend(&mut self.store, index, argument)?;
                let memory = self.memory.data_mut(&mut self.store);
                values::write_places(memory, layout.arguments[index], argument, base);
            } else {
                let memory = self.memory.data_mut(&mut self.store);
                values::write_column(memory, layout.arguments[index], argument, shape.parameters[index]);
            }
        }
        let memory = self.memory.data_mut(&mut self.store);
        layout.write_header(memory, rows);
        if shape.nulls {
            memory[layout.called..layout.called + rows].fill(1);
            for (at, argument) in layout.nulls.iter().zip(arguments) {
                values::write_nulls(&mut memory[*at..*at + rows], argument);
            }
        } else {
            values::write_called(&mut memory[layout.called..layout.called + rows], arguments);
        }
        Ok(())
    }
}

impl Lender {
    /// Puts the bytes of a column into the function's memory. Gives the address of what its first offset means.
    fn lend(&mut self, store: &mut Store<World>, index: usize, argument: &ArrayRef) -> wasmtime::Result<u32> {
        let bytes = values::bytes(argument);
        let needed = u32::try_from(bytes.len())?;
        let (mut address, size) = self.lent[index];
        if size < needed {
            if let (Some(free), true) = (&self.free, size > 0) {
                free.call(&mut *store, (address, size))?;
            }
            let alloc = self.alloc.as_ref().ok_or_else(|| wasmtime::Error::msg("it exports no flott_alloc"))?;
            let more = needed.checked_next_power_of_two().unwrap_or(needed);
            address = alloc.call(&mut *store, more)?;
            if address == 0 {
                return Err(wasmtime::Error::msg(format!("its flott_alloc has no {more} bytes")));
            }
            self.lent[index] = (address, more);
        }
        self.memory.write(store, address as usize, bytes)?;
        Ok(address)
    }
}

/// Where everything of a batch lies in the loop's memory.
pub(crate) struct Layout {
    called: usize,
    arguments: Vec<usize>,
    nulls: Vec<usize>,
    pub(crate) results: usize,
    /// Where the bytes of results begin: behind all else, as they may grow.
    pub(crate) bytes: usize,
}

impl Layout {
    fn of(shape: &Shape, rows: usize) -> Self {
        let mut end = 4 * (Header::ARGUMENTS + shape.addresses()) as usize;
        let mut place = |bytes: usize| {
            let at = end.next_multiple_of(ALIGNMENT);
            end = at + bytes * rows;
            at
        };
        let called = place(1);
        let arguments = shape.parameters.iter().map(|lane| place(lane.argument_bytes() as usize)).collect();
        let nulls = shape.parameters.iter().filter(|_| shape.nulls).map(|_| place(1)).collect();
        let results = place(shape.result.result_bytes() as usize);
        Layout { called, arguments, nulls, results, bytes: end }
    }

    /// Where the byte of each row lies.
    pub(crate) fn called(&self, rows: usize) -> Range<usize> {
        self.called..self.called + rows
    }

    fn write_header(&self, memory: &mut [u8], rows: usize) {
        let mut put = |at: u32, value: usize| {
            let at = 4 * at as usize;
            memory[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
        };
        put(Header::ROWS, rows);
        put(Header::CALLED, self.called);
        put(Header::RESULTS, self.results);
        put(Header::BYTES, self.bytes);
        let mut at = Header::ARGUMENTS;
        for (index, argument) in self.arguments.iter().enumerate() {
            put(at, *argument);
            at += 1;
            if let Some(nulls) = self.nulls.get(index) {
                put(at, *nulls);
                at += 1;
            }
        }
    }
}

/// Rows whose text crosses at once.
fn pieces(shape: &Shape, arguments: &[ArrayRef], rows: usize) -> Vec<Range<usize>> {
    let texts = || arguments.iter().zip(&shape.parameters).filter(|(_, lane)| **lane == Lane::Bytes).map(|(a, _)| a);
    if texts().map(|text| values::bytes(text).len()).sum::<usize>() <= PIECE_BYTES_MAX {
        return std::iter::once(0..rows).collect();
    }
    let offsets: Vec<&[i32]> = texts().map(values::offsets).collect();
    let of_row = |row: usize| offsets.iter().map(|of| (of[row + 1] - of[row]) as usize).sum::<usize>();
    let (mut pieces, mut begin, mut bytes) = (Vec::new(), 0, 0);
    for row in 0..rows {
        let more = of_row(row);
        if bytes + more > PIECE_BYTES_MAX && row > begin {
            pieces.push(begin..row);
            (begin, bytes) = (row, 0);
        }
        bytes += more;
    }
    pieces.push(begin..rows);
    pieces
}
