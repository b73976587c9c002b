//! Compressed files, known by their extension as in Flink.

use std::io::{self, BufRead, BufReader, Read, Write};

use flott_api::env::ReadFile;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zlib,
    Bzip2,
    Xz,
    Zstd,
}

const BUFFER_BYTES: usize = 256 * 1024;

impl Compression {
    /// By the file's name.
    pub(super) fn of(path: &str) -> Self {
        match path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension) {
            Some("gz" | "gzip") => Compression::Gzip,
            Some("deflate") => Compression::Zlib,
            Some("bz2") => Compression::Bzip2,
            Some("xz") => Compression::Xz,
            Some("zst") => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// The decompressed bytes of a file.
    pub(super) fn decode(self, file: Box<dyn ReadFile>) -> io::Result<Box<dyn Read + Send>> {
        if self == Compression::None {
            return Ok(Box::new(ReadOnly(file)));
        }
        let input = BufReader::with_capacity(BUFFER_BYTES, file);
        Ok(match self {
            Compression::None | Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
            Compression::Zlib => Box::new(flate2::bufread::ZlibDecoder::new(input)),
            Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
            Compression::Xz => Box::new(xz2::bufread::XzDecoder::new_multi_decoder(input)),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(input)?),
        })
    }
}

struct ReadOnly(Box<dyn ReadFile>);

impl Read for ReadOnly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// Counts the lines of an input as far as somebody asks.
pub(super) struct Lines {
    input: Box<dyn Read + Send>,
    at: u64,
    line: u64,
}

impl Lines {
    /// At the begin of an input.
    pub(super) fn of(input: Box<dyn Read + Send>) -> Self {
        Lines { input: Box::new(BufReader::with_capacity(BUFFER_BYTES, input)), at: 0, line: 1 }
    }

    /// Which line, from 1, the byte at `offset` lies in. No offset is before the last one.
    pub(super) fn at(&mut self, offset: u64) -> io::Result<u64> {
        struct Feeds(u64);
        impl Write for Feeds {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 += bytes.iter().filter(|b| **b == b'\n').count() as u64;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut feeds = Feeds(0);
        self.at += io::copy(&mut self.input.by_ref().take(offset.saturating_sub(self.at)), &mut feeds)?;
        self.line += feeds.0;
        Ok(self.line)
    }
}

/// Skips `bytes` of the input, or all of it.
pub(super) fn skip(input: &mut impl Read, bytes: u64) -> io::Result<()> {
    let mut rest = BufReader::with_capacity(BUFFER_BYTES, input.take(bytes));
    loop {
        let length = rest.fill_buf()?.len();
        if length == 0 {
            return Ok(());
        }
        rest.consume(length);
    }
}
