//! ONNX graphs, before any engine sees them.

use bytes::Bytes;

/// Reads the graph, with the first output and with one by name.
pub(crate) fn walk(data: &[u8]) {
    let data = Bytes::copy_from_slice(data);
    for output in [None, Some("scores")] {
        // Either a graph or an error; neither may take more memory than the file's own size explains.
        let _ = stillhouse_engine::walk::read(&data, output);
    }
}
