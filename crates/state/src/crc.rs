//! The checksum of all files that state is written to: CRC-32 of IEEE 802.3, as in zip and PNG.
//!
//! Eight bytes a step, by eight tables: a manifest with inline state has tens of megabytes.

/// The reflected polynomial.
const POLYNOMIAL: u32 = 0xedb8_8320;
const STEP_BYTES: usize = 8;
const TABLES: [[u32; 256]; STEP_BYTES] = tables();

const fn tables() -> [[u32; 256]; STEP_BYTES] {
    let mut tables = [[0; 256]; STEP_BYTES];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][i] = crc;
        i += 1;
    }
    // Each of the others has what becomes of it behind one more byte of zero.
    let mut at = 256;
    while at < 256 * STEP_BYTES {
        let before = tables[at / 256 - 1][at % 256];
        tables[at / 256][at % 256] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
        at += 1;
    }
    tables
}

/// The checksum of these bytes.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let (steps, rest) = bytes.as_chunks::<STEP_BYTES>();
    let crc = steps.iter().fold(!0, |crc: u32, step| {
        let word = u64::from_le_bytes(*step) ^ u64::from(crc);
        (0..STEP_BYTES).fold(0, |all, i| all ^ TABLES[STEP_BYTES - 1 - i][(word >> (8 * i)) as usize & 0xff])
    });
    !rest.iter().fold(crc, |crc, b| TABLES[0][((crc ^ u32::from(*b)) & 0xff) as usize] ^ (crc >> 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bit_by_bit(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, b| {
            (0..8).fold(crc ^ u32::from(*b), |c, _| if c & 1 == 1 { (c >> 1) ^ POLYNOMIAL } else { c >> 1 })
        })
    }

    #[test]
    fn it_is_the_usual_one_at_every_length() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let bytes: Vec<u8> = (0..100u32).map(|i| (i * 37 + 11) as u8).collect();
        for length in 0..bytes.len() {
            assert_eq!(crc32(&bytes[..length]), bit_by_bit(&bytes[..length]), "{length} bytes");
        }
    }
}
