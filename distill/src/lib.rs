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
//! | [`teacher`]  | networks that return logits: ONNX files, versions, runs                    |
//! | [`loss`]     | (1−α)·CE + α·T²·KL                                                         |
//! | [`train`]    | the loop                                                                   |
//! | [`run`]      | a run's directory: configuration, metrics, curves, checkpoints             |
//! | [`measure`]  | errors, likelihood, calibration, agreement, divergence                     |
//! | [`compare`]  | compares two networks on the same pictures                                 |
//! | [`bias`]     | corrects the bias of a class that the transfer set lacked                  |
//! | [`plan`], [`children`] | several runs as one experiment                                  |
//! | [`sweep`]    | hyper-parameter search: grid or random, with successive halving            |
//! | [`spoil`]    | breaks a good network in a known way, for drills                           |
//! | [`version`]  | a version's content: manifest, graph, golden samples                       |
//! | [`mod@reference`] | reference statistics from validation                                  |
//! | [`version_path`] | the path of a version in a repository                                  |
//! | [`devices`]  | where training runs                                                        |
//! | [`files`]    | atomic writes                                                              |

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
pub mod plan;
pub mod reference;
pub mod run;
pub mod spoil;
pub mod sweep;
pub mod teacher;
pub mod train;
pub mod version;
pub mod version_path;
