//! Windows: which ones a row belongs to, and when they are over.

pub(crate) mod aligned;
pub(crate) mod arrivals;
pub(crate) mod attached;
pub(crate) mod folding;
pub(crate) mod outgoing;
pub(crate) mod property;
pub(crate) mod sessions;
pub(crate) mod time;
pub(crate) mod walk;
pub(crate) mod windows;

pub(crate) use windows::Windows;
