//! ONNX graphs, before any engine sees them.

use bytes::Bytes;
use stillhouse_engine::Hints;

/// Reads the graph, with the first output, and with everything that may be known beside it.
pub(crate) fn walk(data: &[u8]) {
    let data = Bytes::copy_from_slice(data);
    let named = Hints {
        output: Some("scores".to_owned()),
        row_shape: Some(vec![3, 16, 16]),
        classes: Some(5),
        ..Hints::default()
    };
    for hints in [Hints::default(), named] {
        // Either a graph or an error; neither may take more memory than the file's own size explains.
        let _ = stillhouse_engine::walk::read(&data, &hints);
    }
}
