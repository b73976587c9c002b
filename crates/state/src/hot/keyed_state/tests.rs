//! keyed_state
