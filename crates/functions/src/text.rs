//! Functions on strings. Positions and lengths count characters (code points), from 1.

mod case;
mod change;
mod charset;
mod class;
mod column;
mod digest;
mod elt;
mod encoding;
mod find;
mod inet;
mod join;
mod like;
mod part;
mod printf;
mod regular;
mod similar;
mod trim;
mod url;

use crate::registry::{Body, Function, Give, Infer, Take};

const TEXT: &[Take] = &[Take::Text];
const TWO_TEXTS: &[Take] = &[Take::Text, Take::Text];
const TEXT_INT: &[Take] = &[Take::Text, Take::Int];
const PAD: &[Take] = &[Take::Text, Take::Int, Take::Text];
const TEXTS_INT: &[Take] = &[Take::Text, Take::Text, Take::Int];
const THREE_TEXTS: &[Take] = &[Take::Text, Take::Text, Take::Text];

/// The functions of this family, by file.
pub(crate) const FAMILIES: [&[Function]; 7] = [
    FUNCTIONS,
    charset::FUNCTIONS,
    digest::FUNCTIONS,
    encoding::FUNCTIONS,
    printf::FUNCTIONS,
    regular::FUNCTIONS,
    url::FUNCTIONS,
];

const FUNCTIONS: &[Function] = &[
    Function::new("upper", Infer::Table(TEXT, 0, Give::First), Body::Plain(case::upper)),
    Function::new("lower", Infer::Table(TEXT, 0, Give::First), Body::Plain(case::lower)),
    Function::new("initcap", Infer::Table(TEXT, 0, Give::First), Body::Plain(case::initcap)),
    Function::new("char_length", Infer::Table(TEXT, 0, Give::Int), Body::Plain(find::char_length)),
    Function::new("position", Infer::Table(TWO_TEXTS, 0, Give::Int), Body::Plain(find::position)),
    Function::new("locate", Infer::Table(TEXTS_INT, 1, Give::Int), Body::Plain(find::locate)),
    Function::new("instr", Infer::Table(TWO_TEXTS, 0, Give::Int), Body::Plain(find::instr)),
    Function::new("startswith", Infer::Table(TWO_TEXTS, 0, Give::Boolean), Body::Plain(find::starts_with)),
    Function::new("endswith", Infer::Table(TWO_TEXTS, 0, Give::Boolean), Body::Plain(find::ends_with)),
    Function::new("ascii", Infer::Table(TEXT, 0, Give::Int), Body::Plain(find::ascii)),
    Function::new("elt", Infer::By(elt::infer), Body::Plain(elt::elt)),
    Function::new("inet_aton", Infer::By(inet::infer_aton), Body::Plain(inet::aton)),
    Function::new("inet_ntoa", Infer::By(inet::infer_ntoa), Body::Plain(inet::ntoa)),
    Function::new("is_alpha", Infer::By(class::infer), Body::Bound(class::bind)),
    Function::new("is_decimal", Infer::By(class::infer), Body::Bound(class::bind)),
    Function::new("is_digit", Infer::By(class::infer), Body::Bound(class::bind)),
    Function::new("trim", Infer::By(trim::infer), Body::Bound(trim::bind)),
    Function::new("ltrim", Infer::Table(TWO_TEXTS, 1, Give::FirstVarchar), Body::Plain(trim::leading)),
    Function::new("rtrim", Infer::Table(TWO_TEXTS, 1, Give::FirstVarchar), Body::Plain(trim::trailing)),
    Function::new("btrim", Infer::Table(TWO_TEXTS, 1, Give::String), Body::Plain(trim::both)),
    Function::new("substring", Infer::By(part::infer_substring), Body::Plain(part::substring)),
    Function::new("left", Infer::Table(TEXT_INT, 0, Give::NullableFirstVarchar), Body::Plain(part::left)),
    Function::new("right", Infer::Table(TEXT_INT, 0, Give::NullableFirstVarchar), Body::Plain(part::right)),
    Function::new("split_index", Infer::By(part::infer_split_index), Body::Plain(part::split_index)),
    Function::new("replace", Infer::Table(THREE_TEXTS, 0, Give::String), Body::Plain(change::replace)),
    Function::new("translate", Infer::Table(THREE_TEXTS, 0, Give::String), Body::Plain(change::translate)),
    Function::new("overlay", Infer::By(change::infer_overlay), Body::Plain(change::overlay)),
    Function::new("repeat", Infer::Table(TEXT_INT, 0, Give::String), Body::Plain(change::repeat)),
    Function::new("reverse", Infer::Table(TEXT, 0, Give::NullableString), Body::Plain(change::reverse)),
    Function::new("lpad", Infer::Table(PAD, 0, Give::String), Body::Plain(change::lpad)),
    Function::new("rpad", Infer::Table(PAD, 0, Give::String), Body::Plain(change::rpad)),
    Function::new("chr", Infer::Table(&[Take::BigInt], 0, Give::NullableString), Body::Plain(change::chr)),
    Function::new("||", Infer::By(join::infer_operator), Body::Plain(join::concat)),
    Function::new("concat", Infer::Many(TEXT, Give::String), Body::Plain(join::concat)),
    Function::new("concat_ws", Infer::By(join::infer_concat_ws), Body::Plain(join::concat_ws)),
    Function::new("similar", Infer::Table(THREE_TEXTS, 1, Give::Boolean), Body::Bound(similar::bind)).fallible(),
    Function::new("like", Infer::Table(THREE_TEXTS, 1, Give::Boolean), Body::Bound(like::bind)).fallible(),
];
