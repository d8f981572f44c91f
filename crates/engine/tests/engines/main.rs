//! The back ends against known answers and against each other. One binary: linking tract takes long.
//!
//! | module        | holds                                                             |
//! |---------------|-------------------------------------------------------------------|
//! | `both`        | running a graph on every back end that is here, and comparing      |
//! | `graphs`      | small graphs of every kind that is served, built on the spot       |
//! | `agreement`   | those graphs, in all batch sizes, on both back ends                |
//! | `contract`    | what a blueprint and an engine promise their callers               |
//! | `refusals`    | what can't be had or run, and the errors                |
//! | `exporters`   | what exporters really write                                       |
//! | `real_models` | networks that people use                                          |

mod agreement;
mod both;
mod contract;
mod exporters;
mod graphs;
mod real_models;
mod refusals;
