//! What ONNX Runtime would tell its maker.

use std::env;

/// Read by ONNX Runtime when its library is loaded.
const VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// Keeps ONNX Runtime from collecting anything, in this process and its children.
///
/// The library as it is on PyPI (1.31) opens a data base of events below the user's cache folder as soon as its environment
/// is made, and has an address to send them to; the switch of its C API comes after that. Only its variable comes before.
///
/// # Safety
/// No other thread may be running: changing the environment isn't safe beside one that reads it.
pub unsafe fn forbid_telemetry() {
    // SAFETY: as the caller promises.
    unsafe { env::set_var(VARIABLE, "1") };
}
