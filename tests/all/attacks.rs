//! Attacks, by real sockets: what strangers can make the server hold, and for how long. One file for each kind; the tests bear
//! the numbers under which the faults were found.

mod bombs;
mod child;
mod descriptors;
mod forms;
mod framing;
mod group;
mod idle;
mod mixture;
mod pulse;
mod unread;
mod uploads;
mod wire;
