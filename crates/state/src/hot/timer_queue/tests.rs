//! timer_queue
