//! Trains small students from any ONNX teacher, and writes them as versions of a model repository.
//!
//! | module       | holds                                                                     |
//! |--------------|---------------------------------------------------------------------------|
//! | [`config`]   | the experiment's TOML file                                                 |
//! | [`datasets`]     | pictures in memory, from idx files, folders or Parquet                     |
//! | [`augment`]  | shifts, mirroring, erasing, mixup                                          |
//! | [`batches`]  | from a data set to what one step sees                                      |
//! | [`network`]  | the networks, and their way to ONNX                                        |
//! | [`onnx`]     | writes ONNX graphs                                                         |
//! | [`teacher`]  | whoever answers with logits                                                |
//! | [`loss`]     | (1−α)·CE + α·T²·KL                                                         |
//! | [`train`]    | the loop                                                                   |
//! | [`run`]      | a run's directory: configuration, metrics, curves, checkpoints             |
//! | [`measure`]  | errors, likelihood, calibration, agreement, divergence                     |
//! | [`compare`]  | two networks on the same pictures                                          |
//! | [`bias`]     | gives back a class that the transfer set lacked                            |
//! | [`plan`], [`children`] | several runs as one experiment                                  |
//! | [`sweep`]    | which settings are best: grid or random, with successive halving           |
//! | [`spoil`]    | breaks a good network in a known way, for drills                          |
//! | [`version`]  | what a version is made of: manifest, graph, golden samples                |
//! | [`mod@reference`] | what was seen at validation                                              |
//! | [`place`]    | where a version goes                                                      |
//! | [`devices`]  | where training runs                                                        |
//! | [`files`]    | files that are there whole or not at all                                  |

pub mod augment;
pub mod batches;
pub mod bias;
pub mod children;
pub mod compare;
pub mod config;
pub mod datasets;
pub mod devices;
pub mod files;
pub mod loss;
pub mod measure;
pub mod network;
pub mod onnx;
pub mod place;
pub mod plan;
pub mod reference;
pub mod run;
pub mod spoil;
pub mod sweep;
pub mod teacher;
pub mod train;
pub mod version;
