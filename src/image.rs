//! Pictures: sniffed, limited, decoded, brought to a network's size.

mod transform;

pub use transform::{Color, Filter, Layout, Resize, Transform};
