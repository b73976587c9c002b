//! Windows: which one a row belongs to, and when it is over.

pub(crate) mod time;
pub(crate) mod tumble;

pub(crate) use tumble::Windows;
