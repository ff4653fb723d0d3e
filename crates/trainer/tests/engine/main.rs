//! The engine from outside, on the sample of real text that comes with crate `corpus`.
//!
//! No sleeping, no time limits: tests wait for outcomes only.

mod faults;
mod round;
mod running;
mod verify;
mod world;
