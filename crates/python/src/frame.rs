//! What goes over the channel: a length (8 bytes, the lowest first), a kind (1 byte), and so many bytes.

use std::io;

use arrow_buffer::{Buffer, MutableBuffer};
use flott_api::program::Channel;

/// An answer is refused if it is longer: the length would be none.
const BYTES_MAX: u64 = 8 << 30;
const HEAD_BYTES: usize = 9;

/// What we send.
pub(crate) mod sent {
    /// Our side of Python: names and sources.
    pub(crate) const SOURCES: u8 = b'M';
    /// Where the files of the user are.
    pub(crate) const BEGIN: u8 = b'F';
    /// What is this function?
    pub(crate) const DESCRIBE: u8 = b'D';
    /// The calls to make.
    pub(crate) const OPEN: u8 = b'O';
    /// The schema of the batches to come.
    pub(crate) const SCHEMA: u8 = b'S';
    /// A batch of arguments.
    pub(crate) const BATCH: u8 = b'B';
    /// No more batches.
    pub(crate) const CLOSE: u8 = b'C';
}

/// What is answered.
pub(crate) mod answered {
    /// What a function is.
    pub(crate) const DESCRIBED: u8 = b'd';
    /// How large batches may be.
    pub(crate) const OPENED: u8 = b'o';
    /// The schema of the results to come.
    pub(crate) const SCHEMA: u8 = b's';
    /// A batch of results.
    pub(crate) const BATCH: u8 = b'b';
    /// All functions are closed.
    pub(crate) const CLOSED: u8 = b'c';
    /// It did not work.
    pub(crate) const FAILED: u8 = b'e';
}

/// Sends a frame.
pub(crate) fn send(channel: &mut dyn Channel, kind: u8, payload: &[u8]) -> io::Result<()> {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    head[8] = kind;
    channel.write_all(&head)?;
    channel.write_all(payload)?;
    channel.flush()
}

/// The next frame. Its bytes are aligned as Arrow wants them, so that columns may lie in them.
pub(crate) fn receive(channel: &mut dyn Channel) -> io::Result<(u8, Buffer)> {
    let mut head = [0; HEAD_BYTES];
    channel.read_exact(&mut head)?;
    let [length @ .., kind] = head;
    let length = u64::from_le_bytes(length);
    let fits = usize::try_from(length).ok().filter(|_| length <= BYTES_MAX);
    let length = fits.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a frame has no length"))?;
    let mut payload = MutableBuffer::from_len_zeroed(length);
    channel.read_exact(payload.as_slice_mut())?;
    Ok((kind, payload.into()))
}

#[cfg(test)]
mod tests {
    use flott_api::program::{Program, Programs, StartedProgram};
    use flott_api::testing::FakePrograms;

    use super::*;

    #[test]
    fn a_frame_comes_as_it_was_sent_and_a_wrong_length_is_refused() {
        let echo = FakePrograms::new(|_| Box::new(<[u8]>::to_vec));
        let StartedProgram { mut channel, program: _running } = echo.start(&Program::default()).unwrap();
        for payload in [&b""[..], b"abc"] {
            send(channel.as_mut(), b'X', payload).unwrap();
            let (kind, got) = receive(channel.as_mut()).unwrap();
            assert_eq!((kind, got.as_slice()), (b'X', payload));
        }
        channel.write_all(&[0xff; HEAD_BYTES]).unwrap();
        channel.flush().unwrap();
        assert_eq!(receive(channel.as_mut()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
