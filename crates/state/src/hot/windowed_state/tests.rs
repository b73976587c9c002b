//! windowed_state
