//! Object container files: a header with the schema of who wrote it, then blocks of records, each followed by the marker
//! of the file. A reader of a range finds its first block behind the first marker that begins in the range.

mod codec;
mod read;
mod write;

pub(super) use codec::Codec;
pub(super) use read::ContainerReader;
pub(super) use write::ContainerWriter;

const MAGIC: &[u8; 4] = b"Obj\x01";
const MARKER_BYTES: usize = 16;
/// A larger block is refused, because it would have to lie in memory as a whole.
const BLOCK_BYTES_MAX: usize = 256 << 20;
