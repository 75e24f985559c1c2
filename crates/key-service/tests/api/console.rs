//! The console from outside, as a browser without scripts would use it. What a real browser does with it stands
//! in `tests/console`.

mod browser;
mod forms;
mod keys;
mod pages;
mod sessions;
mod traps;
