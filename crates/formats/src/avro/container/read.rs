//! Container files to batches.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use flott_api::env::ReadFile;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result};

use super::codec::Codec;
use super::{BLOCK_BYTES_MAX, MAGIC, MARKER_BYTES};
use crate::FileReader;
use crate::avro::datum::{RowPlan, Table};
use crate::avro::input::{Input, Taken};
use crate::avro::schema::AvroSchema;
use crate::column::Columns;

const READ_BYTES: usize = 256 << 10;
/// A longer header is refused.
const HEADER_BYTES_MAX: usize = 16 << 20;

/// The bytes of a file from somewhere on.
struct Source {
    file: BufReader<Box<dyn ReadFile>>,
    at: u64,
    length: u64,
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::data(format!("the Avro file is damaged: {what}"))
}

fn unread(e: io::Error) -> Error {
    Error::external("the Avro file cannot be read").with_source(e)
}

impl Source {
    fn open(mut file: Box<dyn ReadFile>) -> Result<Self> {
        let length = file.seek(SeekFrom::End(0)).map_err(unread)?;
        file.rewind().map_err(unread)?;
        Ok(Source { file: BufReader::with_capacity(READ_BYTES, file), at: 0, length })
    }

    fn rest(&self) -> u64 {
        self.length.saturating_sub(self.at)
    }

    fn seek(&mut self, at: u64) -> Result<()> {
        self.at = self.file.seek(SeekFrom::Start(at)).map_err(unread)?;
        Ok(())
    }

    /// So many bytes, in place of what is in `out`.
    fn read(&mut self, count: usize, out: &mut Vec<u8>) -> Result<()> {
        if count as u64 > self.rest() {
            return Err(damaged("it ends within a block"));
        }
        out.resize(count, 0);
        self.file.read_exact(out).map_err(unread)?;
        self.at += count as u64;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        if self.rest() == 0 {
            return Err(damaged("it ends within a number"));
        }
        self.file.read_exact(&mut byte).map_err(unread)?;
        self.at += 1;
        Ok(byte[0])
    }

    fn long(&mut self) -> Result<i64> {
        let (mut bytes, mut count) = ([0; 10], 0);
        while count < bytes.len() {
            bytes[count] = self.byte()?;
            count += 1;
            if bytes[count - 1] & 0x80 == 0 {
                break;
            }
        }
        Input::new(&bytes[..count]).long().map_err(damaged)
    }

    /// A number of bytes or records.
    fn size(&mut self, most: u64, what: &str) -> Result<usize> {
        let size = self.long()?;
        let found = u64::try_from(size).ok().filter(|size| *size <= most);
        let found = found.and_then(|size| usize::try_from(size).ok());
        found.ok_or_else(|| damaged(format!("{size} {what} cannot be")))
    }
}

/// What a file says of itself.
struct Header {
    schema: AvroSchema,
    codec: Codec,
    marker: [u8; MARKER_BYTES],
}

impl Header {
    fn read(source: &mut Source) -> Result<Self> {
        let mut bytes = Vec::new();
        if source.rest() < MAGIC.len() as u64 {
            return Err(damaged("it has no header"));
        }
        source.read(MAGIC.len(), &mut bytes)?;
        if bytes != MAGIC {
            return Err(Error::data("the file is no Avro object container")
                .with_hint("Check the format, and that no other files lie in the folder."));
        }
        let (mut schema, mut codec) = (None, Codec::Null);
        let most = HEADER_BYTES_MAX as u64;
        loop {
            let mut count = source.long()?;
            if count < 0 {
                source.long()?;
                count = count.saturating_neg();
            }
            if count == 0 {
                break;
            }
            for _ in 0..count {
                let length = source.size(most, "bytes of a name")?;
                source.read(length, &mut bytes)?;
                let key = std::mem::take(&mut bytes);
                let length = source.size(most, "bytes in the header")?;
                source.read(length, &mut bytes)?;
                match key.as_slice() {
                    b"avro.schema" => schema = Some(AvroSchema::parse(&String::from_utf8_lossy(&bytes))?),
                    b"avro.codec" => codec = Codec::of(&bytes).ok_or_else(|| unknown_codec(&bytes))?,
                    _ => {}
                }
            }
        }
        source.read(MARKER_BYTES, &mut bytes)?;
        let mut marker = [0; MARKER_BYTES];
        marker.copy_from_slice(&bytes);
        Ok(Header { schema: schema.ok_or_else(|| damaged("it has no schema"))?, codec, marker })
    }
}

fn unknown_codec(name: &[u8]) -> Error {
    Error::unsupported(format!("codec '{}' of the Avro file", crate::text::excerpt(name)))
}

/// Reads the blocks of a range.
pub(in crate::avro) struct ContainerReader {
    source: Source,
    header: Header,
    plan: RowPlan,
    columns: Columns,
    /// No block is read whose marker before it begins here or behind.
    end: u64,
    /// Rows that were emitted before a restart.
    skip: u64,
    packed: Vec<u8>,
    /// The data of the block, how far they are read, and how many rows follow.
    block: Vec<u8>,
    at: usize,
    rows: usize,
}

impl ContainerReader {
    /// Opens the file.
    ///
    /// # Errors
    /// If it is no container, or its schema is none.
    pub(in crate::avro) fn new(
        file: Box<dyn ReadFile>,
        table: &Table,
        columns: Columns,
        range: Range<u64>,
        skip: u64,
    ) -> Result<Self> {
        let mut source = Source::open(file)?;
        let header = Header::read(&mut source)?;
        let plan = RowPlan::new(&header.schema, header.schema.root, table, None);
        let mut reader = ContainerReader {
            source,
            header,
            plan,
            columns,
            end: range.end,
            skip,
            packed: Vec::new(),
            block: Vec::new(),
            at: 0,
            rows: 0,
        };
        reader.find_block(range.start)?;
        Ok(reader)
    }

    /// Goes behind the first marker that begins at `start` or behind it.
    fn find_block(&mut self, start: u64) -> Result<()> {
        if start.saturating_add(MARKER_BYTES as u64) <= self.source.at {
            return Ok(());
        }
        if start >= self.source.length {
            return self.source.seek(self.source.length);
        }
        self.source.seek(start)?;
        let mut window = Vec::new();
        let mut piece = Vec::new();
        loop {
            let count = (READ_BYTES as u64).min(self.source.rest()) as usize;
            self.source.read(count, &mut piece)?;
            let base = self.source.at - count as u64 - window.len() as u64;
            window.extend_from_slice(&piece);
            if let Some(found) = memchr::memmem::find(&window, &self.header.marker) {
                return self.source.seek(base + (found + MARKER_BYTES) as u64);
            }
            if self.source.rest() == 0 {
                return Ok(());
            }
            window.drain(..window.len().saturating_sub(MARKER_BYTES - 1));
        }
    }

    /// Reads the next block of the range that has rows; `false` if there is none.
    fn next_block(&mut self) -> Result<bool> {
        while self.rows == 0 {
            let begins = self.source.at.saturating_sub(MARKER_BYTES as u64);
            if self.source.rest() == 0 || begins >= self.end {
                return Ok(false);
            }
            let rows = self.source.size(i64::MAX as u64, "records in a block")?;
            let bytes = self.source.size((BLOCK_BYTES_MAX as u64).min(self.source.rest()), "bytes in a block")?;
            if rows as u64 <= self.skip {
                // Not decompressed: its rows are all out.
                self.skip -= rows as u64;
                self.source.seek(self.source.at + bytes as u64)?;
            } else {
                self.source.read(bytes, &mut self.packed)?;
                self.header.codec.decompress(&self.packed, &mut self.block)?;
                let bytes_min = self.header.schema.bytes_min(self.header.schema.root);
                Input::new(&self.block).check_count(rows as u64, bytes_min).map_err(damaged)?;
                self.at = 0;
                self.rows = rows;
            }
            self.check_marker()?;
        }
        Ok(true)
    }

    fn check_marker(&mut self) -> Result<()> {
        let mut marker = Vec::new();
        self.source.read(MARKER_BYTES, &mut marker)?;
        if marker != self.header.marker {
            return Err(damaged(format!(
                "no marker stands behind the block that ends at byte {}",
                self.source.at - 16
            )));
        }
        Ok(())
    }

    /// Reads rows of the block until the batch is full.
    fn decode(&mut self) -> Taken<()> {
        let mut input = Input::new(&self.block);
        input.go_to(self.at);
        while self.rows > 0 && self.skip > 0 {
            input.skip(&self.header.schema, self.header.schema.root)?;
            self.rows -= 1;
            self.skip -= 1;
        }
        while self.rows > 0 && self.columns.rows() < BATCH_ROWS_MAX {
            if !self.plan.row(&self.header.schema, &mut input, &mut self.columns.columns)? {
                return Err("a record is null".to_owned());
            }
            self.columns.added(1);
            self.rows -= 1;
        }
        self.at = input.at();
        if self.rows == 0 && self.at < self.block.len() {
            return Err(format!("{} bytes are left in a block behind its last record", self.block.len() - self.at));
        }
        Ok(())
    }
}

impl FileReader for ContainerReader {
    fn next_batch(&mut self) -> Result<Option<ChangeBatch>> {
        while self.columns.rows() < BATCH_ROWS_MAX && self.next_block()? {
            if let Err(what) = self.decode() {
                let block = self.source.at;
                return Err(
                    Error::data(what).with_detail(format!("It is in the Avro block that ends at byte {block}."))
                );
            }
        }
        if self.columns.rows() == 0 {
            return Ok(None);
        }
        Ok(Some(ChangeBatch::inserts(self.columns.take()?)))
    }
}
