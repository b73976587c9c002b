//! `MD5(x)`, `SHA1(x)`, `SHA224(x)`, `SHA256(x)`, `SHA384(x)`, `SHA512(x)` and `SHA2(x, bits)`: the digest of a text
//! (of its UTF-8) or of bytes, in hexadecimal digits of lower case.
//!
//! `SHA2` takes 224, 256, 384 or 512 bits; any other number is an error when a row has it.

use arrow_array::ArrayRef;
use arrow_array::types::Int32Type;
use flott_api::{Error, LogicalType, Result, TypeKind};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::operand::{Args, TextWriter};
use crate::registry::{Body, Function, Infer, Inference, Signature};

/// The functions of this file.
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("md5", Infer::By(infer::<32>), Body::Plain(digest::<Md5>)),
    Function::new("sha1", Infer::By(infer::<40>), Body::Plain(digest::<Sha1>)),
    Function::new("sha224", Infer::By(infer::<56>), Body::Plain(digest::<Sha224>)),
    Function::new("sha256", Infer::By(infer::<64>), Body::Plain(digest::<Sha256>)),
    Function::new("sha384", Infer::By(infer::<96>), Body::Plain(digest::<Sha384>)),
    Function::new("sha512", Infer::By(infer::<128>), Body::Plain(digest::<Sha512>)),
    Function::new("sha2", Infer::By(infer_sha2), Body::Plain(sha2)).fallible(),
];

fn infer<const DIGITS: u32>(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    check_hashed(call)?;
    Ok(call.unchanged(LogicalType::new(TypeKind::Char(DIGITS)).with_nullable(call.nullable())))
}

fn infer_sha2(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    check_hashed(call)?;
    let bits = &call.args[1];
    if !bits.kind.is_integer() {
        return Err(call.mismatch());
    }
    Ok(Signature {
        args: vec![call.args[0].clone(), LogicalType { kind: TypeKind::Int, nullable: bits.nullable }],
        ty: LogicalType::new(TypeKind::Varchar(128)).with_nullable(call.nullable()),
    })
}

fn check_hashed(call: &Inference<'_>) -> Result<()> {
    let kind = &call.args[0].kind;
    if kind.is_character() || kind.is_binary() { Ok(()) } else { Err(call.mismatch()) }
}

fn digest<D: Digest>(args: &Args<'_>) -> Result<ArrayRef> {
    let inputs = args.bytes(0)?;
    args.each_text(|row, out| {
        put_hex(&D::digest(inputs.get(row)), out);
        Ok(true)
    })
}

fn sha2(args: &Args<'_>) -> Result<ArrayRef> {
    let (inputs, bits) = (args.bytes(0)?, args.numbers::<Int32Type>(1)?);
    args.each_text(|row, out| {
        let input = inputs.get(row);
        match bits.get(row) {
            224 => put_hex(&Sha224::digest(input), out),
            256 => put_hex(&Sha256::digest(input), out),
            384 => put_hex(&Sha384::digest(input), out),
            512 => put_hex(&Sha512::digest(input), out),
            other => {
                return Err(Error::data(format!("SHA2 has no digest of {other} bits"))
                    .with_hint("It has digests of 224, 256, 384 and 512 bits."));
            }
        }
        Ok(true)
    })
}

/// A digest has 64 bytes at most.
fn put_hex(bytes: &[u8], out: &mut TextWriter) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 128];
    for (byte, pair) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        (pair[0], pair[1]) = (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
    }
    // Only ASCII is put in.
    out.push(std::str::from_utf8(&text[..2 * bytes.len().min(64)]).unwrap_or_default());
}
